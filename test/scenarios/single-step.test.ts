import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import type { RecordedFile } from "../../scenarios/support/single-step/cases.ts";
import {
  caseFiles,
  definedFlags,
  readCases,
  revokedHashes,
} from "../../scenarios/support/single-step/files.ts";
import { readJson } from "../../scenarios/support/single-step/json.ts";
import { readMoo } from "../../scenarios/support/single-step/moo.ts";
import { Replay } from "../../scenarios/support/single-step/replay.ts";
import { chunk, mooFile, type WrittenTest } from "./moo-writer.ts";

const HLT = 0xf4;
const HASH = "00112233445566778899aabbccddeeff00112233";
/** CR0 and EFLAGS as an 80386 shows them, bits that it does not have as ones. */
const CR0_386 = 0x7ffefff0;
const EFLAGS_386 = 0xfffc0002;

/** Registers of an 80386 by their numbers in the file, what is not named being 0. */
function wide(words: Readonly<Record<string, number>>): Record<number, number> {
  const names = "cr0 cr3 eax ebx ecx edx esi edi ebp esp cs ds es fs gs ss eip eflags dr6 dr7".split(" ");
  const all: Readonly<Record<string, number>> = {
    cr0: CR0_386,
    eflags: EFLAGS_386,
    dr6: 0xffff0ff0,
    esp: 0x100,
    ...words,
  };
  return Object.fromEntries(names.map((name, number) => [number, all[name] ?? 0]));
}
const NARROW = "ax bx cx dx cs ss ds es sp bp si di ip flags".split(" ");
const narrow = (words: Readonly<Record<string, number>>): Record<number, number> =>
  Object.fromEntries(NARROW.map((name, number) => [number, words[name] ?? (name === "sp" ? 0x100 : 0)]));
const code = (at: number, bytes: readonly number[]): [number, number][] =>
  bytes.map((byte, k) => [at + k, byte]);

/** ADD AX, BX at 1000:0010. */
const ADD: WrittenTest = {
  name: "add ax,bx",
  bytes: [0x01, 0xd8, HLT],
  before: {
    registers: wide({ eax: 0x1234ffff, ebx: 1, cs: 0xabcd1000, eip: 0x10 }),
    ram: code(0x10010, [0x01, 0xd8, HLT]),
  },
  // AX 0; CF, PF, AF and ZF; behind HLT.
  after: { registers: { 2: 0x12340000, 16: 0x13, 17: EFLAGS_386 | 0x55 } },
  hash: HASH,
};
/** MOV AX, [FFFF] at 1000:0000, handled at 2000:0030, with the stack at 3000:0100. */
const LIMIT: WrittenTest = {
  name: "mov ax,[ffffh]",
  bytes: [0xa1, 0xff, 0xff, HLT],
  before: {
    registers: wide({ cs: 0x1000, ss: 0x3000, ds: 0x4000, eax: 7, eflags: EFLAGS_386 | 0x801 }),
    ram: [...code(0x10000, [0xa1, 0xff, 0xff, HLT]), ...code(13 * 4, [0x30, 0, 0, 0x20]), [0x20030, HLT]],
  },
  after: {
    registers: { 9: 0xfa, 10: 0x2000, 16: 0x31 },
    // IP, CS, and flags whose OF nobody defines here.
    ram: code(0x300fa, [0, 0, 0, 0x10, 0x03, 0x00]),
    masks: { 17: 0xfffff7ff },
  },
  exception: [13, 0x300fe],
};
/** STOSB at FFFF:0010, which an 8088 wraps to 0. */
const WRAP: WrittenTest = {
  name: "stosb",
  bytes: [0xaa],
  before: {
    registers: narrow({ ax: 0x5a, cs: 0x2000, es: 0xffff, di: 0x14, flags: 0xf002 }),
    ram: [...code(0x20000, [0xaa]), [4, 0]],
  },
  after: { registers: { 11: 0x15, 12: 1 }, ram: [[4, 0x5a]] },
};

const replay = new Replay();
const differences = (file: RecordedFile): readonly string[] =>
  file.cases.flatMap((one) => replay.run(file, one));

describe("recorded instruction tests", () => {
  it("come out as recorded: registers, memory, exceptions, what is undefined left out", () => {
    const file = readMoo(mooFile("386E", [ADD, LIMIT]));
    expect(file).toMatchObject({ cpu: "80386", untilHalt: true, masks: {} });
    expect(file.cases[1]).toMatchObject({
      name: "mov ax,[ffffh]",
      exception: { vector: 13, flagsAddress: 0x300fe },
    });
    expect(differences(file)).toEqual([]);
  });

  it("are of one instruction, on a bus of 1 MiB, where they are an 8088's", () => {
    expect(differences(readMoo(mooFile("8088", [WRAP])))).toEqual([]);
  });

  it("leave out of a 16-bit processor's registers what the whole file leaves out", () => {
    const before = {
      registers: narrow({ ax: 3, bx: 0xffff0, cs: 0x2000, flags: 2 }),
      ram: code(0x20000, [0xf7, 0xe3, HLT]),
    };
    const mul = { name: "mul bx", bytes: [0xf7, 0xe3, HLT], before };
    // SF is not set, and is not defined.
    const after = { registers: { 0: 0xffd0, 3: 2, 12: 3, 13: 0x8b85 } };
    expect(differences(readMoo(mooFile("C286", [{ ...mul, after }])))).toEqual(["eflags 805 instead of b85"]);
    const masks = chunk("RMSK", 0, 0x20, 0xff ^ 0x80, 0xfc);
    expect(differences(readMoo(mooFile("C286", [{ ...mul, after }], masks)))).toEqual([]);
  });

  it("read ports as the recorded board answers", () => {
    const before = {
      registers: wide({ cs: 0x1000, edx: 0x1f }),
      ram: code(0x10000, [0x66, 0xed, HLT]),
    };
    const input: WrittenTest = {
      name: "in eax,dx",
      bytes: [0x66, 0xed, HLT],
      before,
      after: { registers: { 2: 0x7fffffff, 16: 3 } },
    };
    expect(differences(readMoo(mooFile("386E", [input])))).toEqual([]);
  });

  it("end with a HLT that the processor had fetched before it was overwritten", () => {
    const bytes = [0xf3, 0xaa, HLT];
    const before = { registers: wide({ cs: 0x1000, es: 0x1000, ecx: 2, edi: 2 }), ram: code(0x10000, bytes) };
    const after = { registers: { 4: 0, 7: 4, 16: 3 }, ram: code(0x10002, [0, 0]) };
    const fill: WrittenTest = { name: "rep stosb", bytes, before, after };
    expect(differences(readMoo(mooFile("386E", [fill])))).toEqual([]);
  });

  it("tell what differs", () => {
    const after = {
      registers: { 2: 0x12340001, 3: 2, 16: 0x13, 17: EFLAGS_386 | 0x55 },
      ram: [[0x500, 9]] as const,
    };
    expect(differences(readMoo(mooFile("386E", [{ ...ADD, after }])))).toEqual([
      "eax 12340000 instead of 12340001",
      "ebx 1 instead of 2",
      "[500] 0 instead of 9",
    ]);
    const endless = { ...ADD, before: { ...ADD.before, ram: code(0x10010, [0xeb, 0xfe]) } };
    expect(differences(readMoo(mooFile("386E", [endless])))[0]).toBe("not halted after 16 steps");
  });

  it("are the same as JSON", () => {
    const regs = { cr0: CR0_386, eax: 0x1234ffff, ebx: 1, cs: 0x1000, eip: 0x10, eflags: EFLAGS_386 };
    const test = {
      idx: 3,
      name: "add ax,bx",
      bytes: ADD.bytes,
      initial: { regs, ram: ADD.before.ram, queue: [] },
      final: { regs: { eax: 0x12340000, eip: 0x13, eflags: EFLAGS_386 | 0x55 }, ram: [] },
      hash: HASH,
    };
    const file = readJson(JSON.stringify([test]));
    expect(file).toMatchObject({ cpu: "80386", untilHalt: true, cases: [{ index: 3, hash: HASH }] });
    expect(differences(file)).toEqual([]);
    const old = [
      {
        ...test,
        initial: { regs: { ax: 1 }, ram: [] },
        final: { regs: {} },
        cycles: [new Array(11).fill(0)],
      },
    ];
    expect(readJson(JSON.stringify(old))).toMatchObject({ cpu: "8086", untilHalt: false });
  });
});

describe("files of them", () => {
  let folder = "";
  const path = (name: string): string => join(folder, name);
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "umbra-single-step-"));
    writeFileSync(path("6601.MOO.gz"), gzipSync(mooFile("386E", [ADD])));
    writeFileSync(path("F7.6.MOO"), mooFile("386E", [LIMIT]));
    writeFileSync(path("cut.bin"), mooFile("386E", [ADD]).subarray(0, 200));
    writeFileSync(path("none.bin"), "[]");
    writeFileSync(
      path("metadata.json"),
      '{"opcodes": {"F7": {"reg": {"6": {"flags-mask": 62698}}}, "6601": {}}}',
    );
    writeFileSync(path("revocation_list.txt"), `${HASH.toUpperCase()}\n\n`);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("are found in folders, unpacked, and read with what lies beside them", () => {
    expect(caseFiles([folder])).toEqual([path("6601.MOO.gz"), path("F7.6.MOO")]);
    expect(readCases(path("6601.MOO.gz")).cases[0]?.hash).toBe(HASH);
    expect(revokedHashes(path("F7.6.MOO"))).toEqual(new Set([HASH]));
    expect([definedFlags(path("F7.6.MOO")), definedFlags(path("6601.MOO.gz"))]).toEqual([62698, 0xffffffff]);
  });

  it("have their defined flags from a table of opcodes, unless they tell them themselves", () => {
    const later = mkdtempSync(join(tmpdir(), "umbra-single-step-"));
    const table = join(later, "80386.csv");
    const mask = (name: string) => definedFlags(join(later, name)).toString(16);
    try {
      writeFileSync(
        table,
        "op,g,ex,mnemonic,f_umask,desc\r\n0FBA,8,4,BT,F7EF,Bit test\r\n0FBA,8,,BT,,\r\n69,,,IMUL,F72B,\r\nC0,,,,x,\r\n",
      );
      expect([mask("67660FBA.4.MOO.gz"), mask("0FBA.5.MOO")]).toEqual(["fffff7ef", "ffffffff"]);
      expect([mask("6669.MOO"), mask("01.MOO")]).toEqual(["fffff72b", "ffffffff"]);
      expect(() => mask("C0.MOO")).toThrow('80386.csv: "X" of C0 is no hexadecimal number');
      writeFileSync(table, "op,ex\n69,\n");
      expect(() => mask("69.MOO")).toThrow("80386.csv: no columns op, ex and f_umask");
    } finally {
      rmSync(later, { recursive: true });
    }
    const wrong = { ...ADD, after: { registers: { 2: 0x12340000, 16: 0x13, 17: EFLAGS_386 | 0x51 } } };
    const run = (masks: readonly number[]) => {
      const file = readMoo(mooFile("386E", [wrong], masks));
      return replay.run(file, file.cases[0] as RecordedFile["cases"][0], 0xfffffffb);
    };
    expect(run([])).toEqual([]);
    expect(run(chunk("RM32", 0, 0, 2, 0, 0xff, 0xff, 0xff, 0xff))).toEqual(["eflags 55 instead of 51"]);
  });

  test.each([
    ["cut.bin", /cut\.bin: a chunk is longer than what is around it/],
    ["none.bin", /none\.bin: no array of tests/],
    ["nowhere", /nowhere: ENOENT/],
  ])("are refused in one line: %s", (name, message) => {
    expect(() => readCases(path(name))).toThrow(message);
  });

  it.each([
    ["of another version", mooFile("386E", []).with(8, 2), /MOO version 2.1: only version 1/],
    ["of another processor", mooFile("Z80 ", []), /recorded on "Z80": known are/],
    ["with tests missing", mooFile("386E", [ADD]).with(12, 3), /the header tells of 3 tests, 1 are there/],
  ])("are refused in one line when they are %s", (_, bytes, message) => {
    expect(() => readMoo(bytes)).toThrow(message);
  });
});
