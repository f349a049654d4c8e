import { describe, expect, it } from "vitest";
import { createInstruction, DecodeResult, Decoder } from "../../../src/cpu/decode/decoder.ts";
import type { Instruction } from "../../../src/cpu/decode/instruction.ts";
import { nameOf } from "../instructions/support/forms.ts";
import { Random } from "../instructions/support/random.ts";

const instruction = createInstruction();

function decode(hex: string, mode32 = true, features?: number): DecodeResult {
  const bytes = Buffer.from(hex.replaceAll(" ", ""), "hex");
  return new Decoder(features).decode(bytes, 0, bytes.length, mode32, instruction);
}

/** Decodes and gives the fields asked for. */
function fields<K extends keyof Instruction>(hex: string, keys: readonly K[], mode32 = true): unknown[] {
  expect(decode(hex, mode32)).toBe(DecodeResult.ok);
  return keys.map((key) => instruction[key]);
}

const ADDRESS = ["memory", "segment", "base", "index", "scale", "displacement"] as const;

describe("addresses", () => {
  it.each([
    ["8B 00", [true, 3, 0, -1, 0, 0]],
    ["8B 05 78 56 34 12", [true, 3, -1, -1, 0, 0x12345678]],
    ["8B 45 FC", [true, 2, 5, -1, 0, -4]],
    ["8B 84 24 00 01 00 00", [true, 2, 4, -1, 0, 0x100]],
    ["8B 44 8D 08", [true, 2, 5, 1, 2, 8]],
    ["8B 04 8D 00 10 00 00", [true, 3, -1, 1, 2, 0x1000]],
    ["65 8B 45 00", [true, 5, 5, -1, 0, 0]],
    ["A1 00 00 00 80", [true, 3, -1, -1, 0, -0x80000000]],
    ["64 A2 04 00 00 00", [true, 4, -1, -1, 0, 4]],
    ["8B C1", [false, 3, -1, -1, 0, 0]],
  ])("32-bit: %s", (hex, expected) => {
    expect(fields(hex, ADDRESS)).toEqual(expected);
  });

  it.each([
    ["8B 00", [true, 3, 3, 6, 0, 0]],
    ["8B 42 FE", [true, 2, 5, 6, 0, -2]],
    ["8B 06 34 12", [true, 3, -1, -1, 0, 0x1234]],
    ["8B 86 00 80", [true, 2, 5, -1, 0, -0x8000]],
    ["2E 8B 84 00 01", [true, 1, 6, -1, 0, 0x100]],
    ["A1 00 90", [true, 3, -1, -1, 0, 0x9000]],
  ])("16-bit: %s", (hex, expected) => {
    expect(fields(hex, ADDRESS, false)).toEqual(expected);
  });

  it("XLAT is at (E)BX of the overridden segment", () => {
    expect(fields("26 D7", ADDRESS)).toEqual([true, 0, 3, -1, 0, 0]);
  });

  it("string instructions carry the overridden segment", () => {
    expect(fields("64 F3 A5", ["segment", "rep", "width"])).toEqual([4, 0xf3, 32]);
    expect(fields("F2 AE", ["segment", "rep", "width"])).toEqual([3, 0xf2, 8]);
  });

  it("a move to a control register ignores ModRM.mod", () => {
    expect(fields("0F 22 18", ["memory", "length"])).toEqual([false, 3]);
  });
});

describe("immediates", () => {
  it.each([
    ["83 C0 FF", 32, -1],
    ["66 83 C0 FF", 16, 0xffff],
    ["B0 FF", 8, 0xff],
    ["66 B8 00 80", 16, 0x8000],
    ["B8 00 00 00 80", 32, -0x80000000],
    ["EB FE", 32, -2],
    ["66 E9 FE FF", 16, -2],
    ["C2 FC FF", 32, 0xfffc],
    ["6A FF", 32, -1],
  ])("%s", (hex, width, immediate) => {
    expect(fields(hex, ["width", "immediate"])).toEqual([width, immediate]);
  });

  it("ENTER and far pointers have two", () => {
    expect(fields("C8 10 00 02", ["immediate", "immediate2"])).toEqual([0x10, 2]);
    expect(fields("EA 78 56 34 12 08 00", ["immediate", "immediate2"])).toEqual([0x12345678, 8]);
    expect(fields("66 9A 34 12 08 00", ["immediate", "immediate2"])).toEqual([0x1234, 8]);
  });

  it("a shift by an immediate that is zero modulo 32 is a line of its own", () => {
    const count = (hex: string) => (fields(hex, ["line"])[0] as Instruction["line"]).count;
    expect(count("C1 E0 00")).toBe("zero");
    expect(count("C1 E0 20")).toBe("zero");
    expect(count("C1 E0 01")).toBe("nonzero");
    expect(count("0F A4 C1 40")).toBe("zero");
    expect(count("D1 E0")).toBeUndefined();
  });
});

describe("mandatory prefixes", () => {
  it.each([
    ["0F 6F C1", "0F 6F movq Pq,Qq"],
    ["66 0F 6F C1", "66 0F 6F movdqa Vdq,Wdq"],
    ["F3 0F 6F C1", "F3 0F 6F movdqu Vdq,Wdq"],
    ["F2 0F 10 00", "F2 0F 10 movsd Vdq,Wsd mem"],
    ["66 F3 0F 6F C1", "F3 0F 6F movdqu Vdq,Wdq"],
    ["F3 66 0F 6F C1", "F3 0F 6F movdqu Vdq,Wdq"],
    ["F2 F3 0F 10 00", "F3 0F 10 movss Vdq,Wss mem"],
    ["F3 F2 66 2E 0F 10 00", "F2 0F 10 movsd Vdq,Wsd mem"],
    ["66 66 0F FE C1", "66 0F FE paddd Vdq,Wdq"],
  ])("%s is %s", (hex, name) => {
    expect(decode(hex)).toBe(DecodeResult.ok);
    expect(nameOf(instruction.line)).toBe(name);
  });

  it("66 is one in 16-bit code as well, where the operand size is 32 with it", () => {
    expect(decode("66 0F 6F C1", false)).toBe(DecodeResult.ok);
    expect(instruction.line.mnemonic).toBe("movdqa");
    expect(decode("0F 6F C1", false)).toBe(DecodeResult.ok);
    expect(instruction.line.mnemonic).toBe("movq");
  });
});

describe("refusals", () => {
  it.each([
    ["F0 01 C0", "LOCK with a register destination"],
    ["F0 8B 00", "LOCK on a load"],
    ["F0 38 00", "LOCK on a comparison"],
    ["F0 0F A3 00", "LOCK on BT"],
    ["F0 90", "LOCK on NOP"],
    ["0F 05", "SYSCALL"],
    ["F3 0F FC C0", "PADDB with a prefix that it does not come with"],
    ["66 F2 0F 28 C0", "MOVAPD with F2, which is what counts"],
    ["0F C3 C0", "MOVNTI to a register"],
    ["0F D7 00", "PMOVMSKB of memory"],
    ["0F AE 20", "a hole in group 15"],
    ["0F 38 00 00", "three-byte opcodes"],
    ["FF F8", "a hole in group 5"],
    ["8D C0", "LEA of a register"],
    ["C5 F8", "LDS of a register"],
    ["8E C8", "MOV to CS"],
    ["0F 22 C8", "MOV to CR1"],
    ["0F C7 C8", "CMPXCHG8B of a register"],
  ])("%s is undefined: %s", (hex) => {
    expect(decode(hex)).toBe(DecodeResult.undefinedOpcode);
  });

  it("LOCK is allowed where memory is changed", () => {
    for (const hex of ["F0 01 00", "F0 FF 08", "F0 0F B1 0B", "F0 87 00", "F0 0F C7 0E", "F0 0F AB 00"])
      expect(decode(hex), hex).toBe(DecodeResult.ok);
  });

  it("an opcode of a feature that the processor lacks is undefined", () => {
    const cmov = 1 << 15;
    expect(decode("0F 44 C1", true, ~cmov)).toBe(DecodeResult.undefinedOpcode);
    expect(decode("0F 44 C1", true, cmov)).toBe(DecodeResult.ok);
  });

  it("15 bytes are an instruction, 16 are too long", () => {
    expect(decode(`${"66".repeat(14)}90`)).toBe(DecodeResult.ok);
    expect(instruction.length).toBe(15);
    expect(decode(`${"66".repeat(15)}90`)).toBe(DecodeResult.tooLong);
    expect(decode(`${"2E".repeat(10)}81 80 00000000 00000000`)).toBe(DecodeResult.tooLong);
  });

  it("nothing but prefixes needs more until there are 15 of them", () => {
    expect(decode("66".repeat(14))).toBe(DecodeResult.needMore);
    expect(decode("66".repeat(15))).toBe(DecodeResult.tooLong);
  });

  it("an opcode is not judged by bytes that are not available", () => {
    const bytes = Uint8Array.of(0x0f, 0xff, 0xc0);
    const decoder = new Decoder();
    expect(decoder.decode(Uint8Array.of(0xff, 0xf8), 0, 1, true, instruction)).toBe(DecodeResult.needMore);
    expect(decoder.decode(bytes, 0, 1, true, instruction)).toBe(DecodeResult.needMore);
    expect(decoder.decode(bytes, 0, 0, true, instruction)).toBe(DecodeResult.needMore);
  });
});

describe("properties", () => {
  it("every proper beginning of an instruction needs more", () => {
    const random = new Random(7);
    const decoder = new Decoder();
    let seen = 0;
    for (let n = 0; n < 20_000; n++) {
      const bytes = Uint8Array.from({ length: 16 }, () => random.word() & 0xff);
      const mode32 = random.below(2) === 0;
      if (decoder.decode(bytes, 0, 16, mode32, instruction) !== DecodeResult.ok) continue;
      const { length } = instruction;
      seen++;
      for (let available = 0; available < length; available++)
        expect(decoder.decode(bytes, 0, available, mode32, instruction)).toBe(DecodeResult.needMore);
      expect(decoder.decode(bytes, 0, length, mode32, instruction)).toBe(DecodeResult.ok);
    }
    expect(seen).toBeGreaterThan(10_000);
  });

  it("decoding depends on nothing but the bytes: a record used before decodes alike", () => {
    const random = new Random(8);
    const decoder = new Decoder();
    const used = createInstruction();
    for (let n = 0; n < 5_000; n++) {
      const bytes = Uint8Array.from({ length: 16 }, () => random.word() & 0xff);
      const fresh = createInstruction();
      const result = decoder.decode(bytes, 0, 16, true, used);
      expect(new Decoder().decode(bytes, 0, 16, true, fresh)).toBe(result);
      if (result === DecodeResult.ok) expect(used).toEqual(fresh);
    }
  });

  it("decodes at any place of a larger array", () => {
    const bytes = Uint8Array.of(0x90, 0x90, 0x81, 0xc1, 1, 2, 3, 4, 0x90);
    expect(new Decoder().decode(bytes, 2, 6, true, instruction)).toBe(DecodeResult.ok);
    expect([instruction.length, instruction.immediate]).toEqual([6, 0x04030201]);
  });
});
