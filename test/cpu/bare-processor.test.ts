import { describe, expect, it } from "vitest";
import { BareProcessor, type SegmentRegister } from "../../src/cpu/bare-processor.ts";

const HLT = 0xf4;
const processor = new BareProcessor({ cpu: "max", memoryMiB: 2 });
const MIB = 0x100000;

const CODE32: SegmentRegister = { selector: 8, base: 0, limit: 0xffffffff, attributes: 0xc09b };
const DATA32: SegmentRegister = { ...CODE32, selector: 16, attributes: 0xc093 };
/** Flat protected mode with the code at `eip`. */
const FLAT = {
  cr0: 0x11,
  cs: CODE32,
  ss: DATA32,
  ds: DATA32,
  es: DATA32,
  eflags: 2,
  esp: 0x9000,
  idtrLimit: 0,
};
const REAL = {
  cr0: 0x10,
  cr4: 0,
  cs: 0,
  ss: 0x800,
  ds: 0,
  es: 0,
  esp: 0x100,
  eflags: 2,
  idtrBase: 0,
  idtrLimit: 0x3ff,
};

describe("the bare processor", () => {
  it("begins as after a reset", () => {
    const fresh = new BareProcessor({ memoryMiB: 1 });
    expect(fresh.registers()).toMatchObject({
      cs: 0xf000,
      eip: 0xfff0,
      eflags: 2,
      eax: 0,
      idtrLimit: 0xffff,
    });
    expect(fresh.segment("cs")).toMatchObject({ selector: 0xf000, base: 0xffff0000, limit: 0xffff });
    // 4 GiB less 16 bytes is 1 MiB less 16 bytes on its bus.
    fresh.write(0xffff0, [0xb8, 0x34, 0x12]);
    expect(fresh.step()).toEqual({ end: "done" });
    expect([fresh.get("eax"), fresh.get("eip")]).toEqual([0x1234, 0xfff3]);
  });

  it("does one instruction a step, a repeated one with all of its iterations", () => {
    processor.set({ ...REAL, eip: 0x1000, eax: 0x41, ecx: 70000, edi: 0x2000 });
    processor.write(0x1000, [0x67, 0xf3, 0xaa, 0x40, HLT]); // A32 REP STOSB; INC AX; HLT
    processor.set({ es: { selector: 0, base: 0x10000, limit: 0xffffffff, attributes: 0x93 } });
    expect(processor.step()).toEqual({ end: "done" });
    expect([processor.get("ecx"), processor.get("edi"), processor.get("eip")]).toEqual([
      0,
      0x2000 + 70000,
      0x1003,
    ]);
    expect([processor.byte(0x11fff), processor.byte(0x12000), processor.byte(0x12000 + 69999)]).toEqual([
      0, 0x41, 0x41,
    ]);
    expect(processor.run(10)).toEqual({ end: "halted", steps: 2, exceptions: [] });
    expect([processor.get("eax"), processor.get("eip")]).toEqual([0x42, 0x1005]);
  });

  it("delivers the exception that an instruction raises, and tells of it", () => {
    processor.write(0, [0x00, 0x30, 0x00, 0x01]); // divide error: 0100:3000
    processor.write(0x4000, [HLT]);
    processor.write(0x1000, [0xf7, 0xf1]); // DIV CX
    processor.set({ ...REAL, eip: 0x1000, ecx: 0, eax: 5 });
    expect(processor.step()).toEqual({ end: "exception", exception: { vector: 0 } });
    expect(processor.registers()).toMatchObject({ cs: 0x100, eip: 0x3000, esp: 0xfa, eax: 5 });
    expect([...processor.read(0x80fa, 6)]).toEqual([0x00, 0x10, 0, 0, 2, 0]);
    expect(processor.run(5)).toEqual({ end: "halted", steps: 1, exceptions: [] });
  });

  it.each([
    ["INT3", [0xcc], 3, 1],
    ["INTO", [0xce], 4, 1],
    ["INT1", [0xf1], 1, 1],
    ["UD2", [0x0f, 0x0b], 6, 0],
    ["LOCK NOP", [0xf0, 0x90], 6, 0],
  ])("tells of %s", (_, code, vector, length) => {
    processor.write(4 * vector, [0, 0x50, 0, 0]);
    processor.write(0x1000, code);
    processor.set({ ...REAL, eip: 0x1000, eflags: 0x802 });
    expect(processor.step()).toEqual({ end: "exception", exception: expect.objectContaining({ vector }) });
    expect([processor.get("eip"), processor.byte(0x80fa)]).toEqual([0x5000, length]);
  });

  it("runs real-mode code at physical address 0", () => {
    processor.write(0, [0x00, 0x00, 0x00, 0x00]);
    processor.write(0x1000, [0xcd, 0]); // INT 0, to 0000:0000
    processor.set({ ...REAL, eip: 0x1000, eax: 0, ebx: 0x3000, esi: 0 });
    processor.write(0, [0, 0]); // the vector is ADD [BX+SI], AL twice
    expect(processor.run(3)).toEqual({ end: "limit", steps: 3, exceptions: [] });
    expect(processor.get("eip")).toBe(4);
    processor.write(0, [HLT, 0, 0, 0]);
    processor.set({ cs: 0, eip: 0 });
    expect(processor.step()).toEqual({ end: "halted" });
  });

  it("is in protected mode when it is told so, with segments as given", () => {
    processor.write(0xffd, [1, 2, 3, 4]);
    const small = { ...DATA32, limit: 0xfff };
    processor.write(0x1100, [0xa1, 0xfd, 0x0f, 0x00, 0x00]); // MOV EAX, [0FFD]
    processor.set({ ...FLAT, eip: 0x1100 });
    expect(processor.step()).toEqual({ end: "done" });
    expect(processor.get("eax")).toBe(0x04030201);
    // Past the limit; there is no IDT, so this is a triple fault.
    processor.set({ ...FLAT, ds: small, eip: 0x1100 });
    expect(processor.step()).toEqual({ end: "shutdown", exception: { vector: 13, errorCode: 0 } });
    expect(() => processor.set({ cs: 8 })).toThrow(/give cs as \{ selector, base, limit, attributes \}/);
    processor.write(0x1200, [0xfa]); // CLI, in ring 3
    processor.set({ ...FLAT, cs: { ...CODE32, selector: 0x0b, attributes: 0xc0fb }, eip: 0x1200 });
    expect(processor.step()).toMatchObject({ exception: { vector: 13 } });
  });

  it("walks page tables, 32-bit ones and PAE's", () => {
    const word = (at: number, value: number) =>
      processor.write(at, [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24]);
    processor.write(0x1100, [0xa1, 0x00, 0x00, 0x40, 0x00]); // MOV EAX, [400000]
    processor.write(0x20000, new Uint8Array(0x3000));
    word(0x20000, 0x83); // 4 MiB pages: the first one to one, no second one
    word(0x20004, 0);
    processor.set({ ...FLAT, cr0: 0x80000011, cr3: 0x20000, cr4: 0x10, eip: 0x1100 });
    expect(processor.step()).toEqual({
      end: "shutdown",
      exception: { vector: 14, errorCode: 0, address: 0x400000 },
    });
    word(0x21000, 0x22001); // PAE: pages of 2 MiB, 400000 to 100000's frame
    word(0x22000, 0x83);
    word(0x22010, 0x83);
    word(0, 0x11223344);
    processor.set({ ...FLAT, cr0: 0x80000011, cr3: 0x21000, cr4: 0x20, eip: 0x1100 });
    expect(processor.step()).toEqual({ end: "done" });
    expect(processor.get("eax")).toBe(0x11223344);
    word(0x21000, 0x22003);
    expect(() => processor.set({ cr3: 0x21000 })).toThrow(/reserved bits set/);
  });

  it("lets ARPL leave a selector in a read-only segment alone", () => {
    processor.write(0x1100, [0x66, 0x63, 0x1d, 0x00, 0x30, 0x00, 0x00]); // ARPL [3000], BX
    const readOnly = { ...DATA32, attributes: 0xc091 };
    const rpl = (low: number) => {
      processor.write(0x3000, [low, 0xff]);
      processor.set({ ...FLAT, cr4: 0, ds: readOnly, eip: 0x1100, ebx: 2 });
      return processor.step().end;
    };
    expect([rpl(0xf2), rpl(0xf3), rpl(0xf1)]).toEqual(["done", "done", "shutdown"]);
  });

  it("answers ports as it is told", () => {
    const written: number[][] = [];
    const withPorts = new BareProcessor({
      memoryMiB: 1,
      ports: { read: (port, size) => port + size, write: (...access) => written.push(access) },
    });
    withPorts.write(0x1000, [0xe5, 0x10, 0xee]); // IN AX, 10; OUT DX, AL
    withPorts.set({ ...REAL, eip: 0x1000, edx: 0x3f8 });
    expect(withPorts.run(2).end).toBe("limit");
    expect([withPorts.get("eax"), written]).toEqual([0x12, [[0x3f8, 1, 0x12]]]);
  });

  it("takes interrupts, and sets single steps", () => {
    processor.write(4 * 8, [0x00, 0x50, 0, 0]);
    processor.write(4, [0x00, 0x60, 0, 0]);
    processor.write(0x5000, [0x90]);
    processor.write(0x1000, [0x90]);
    processor.set({ ...REAL, eip: 0x1000, eflags: 0x202 });
    processor.inject({ vector: 8, kind: "external" });
    expect(processor.step()).toEqual({ end: "done" });
    expect(processor.get("eip")).toBe(0x5001);
    processor.set({ ...REAL, eip: 0x1000, eflags: 0x102 });
    expect(processor.step()).toEqual({ end: "exception", exception: { vector: 1 } });
    expect([processor.get("eip"), processor.get("dr6") & 0x4000, processor.byte(0x80fa)]).toEqual([
      0x6000, 0x4000, 1,
    ]);
  });

  it("wraps addresses at the end of memory, and refuses memory that it cannot wrap", () => {
    processor.write(2 * MIB - 1, [1, 2]);
    expect([...processor.read(2 * MIB - 1, 2), processor.byte(0)]).toEqual([1, 2, 2]);
    expect(() => new BareProcessor({ memoryMiB: 3 })).toThrow(/a power of two from 1 to 2048, not 3/);
  });
});
