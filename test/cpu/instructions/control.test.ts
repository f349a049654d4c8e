import { describe, expect, it } from "vitest";
import { CONDITION_NAMES } from "../../../src/cpu/instructions/flags.ts";
import { Flag } from "../../../src/cpu/state.ts";
import { DATA_ADDRESS } from "./support/cases.ts";
import { CODE_EIP, execute } from "./support/execute.ts";

const DATA = Array.from({ length: 16 }, (_, n) => 0x40000000 + n);
const STACK = DATA_ADDRESS + 32;
const regsWith = (changes: Record<number, number>): number[] =>
  [1, 2, 3, 4, STACK, 6, 7, 8].map((value, n) => changes[n] ?? value);

const run = (code: readonly number[], changes: Record<number, number> = {}, eflags = 0x202) =>
  execute({ code, regs: regsWith(changes), eflags, data: DATA });

/** The conditions after the manual (vol. 1, appendix B), on single flags. */
function holds(code: number, flags: number): boolean {
  const set = (mask: number) => (flags & mask) !== 0;
  const less = set(Flag.SF) !== set(Flag.OF);
  const positive = [
    set(Flag.OF),
    set(Flag.CF),
    set(Flag.ZF),
    set(Flag.CF) || set(Flag.ZF),
    set(Flag.SF),
    set(Flag.PF),
    less,
    less || set(Flag.ZF),
  ][code >> 1] as boolean;
  return (code & 1) === 1 ? !positive : positive;
}

/** All 64 settings of the six arithmetic flags. */
const FLAG_SETTINGS = Array.from({ length: 64 }, (_, n) => {
  const masks = [Flag.CF, Flag.PF, Flag.AF, Flag.ZF, Flag.SF, Flag.OF];
  return masks.reduce<number>((flags, mask, bit) => flags | ((n >> bit) & 1 ? mask : 0), 0x202);
});

describe.each(CONDITION_NAMES.map((name, code) => ({ name, code })))("condition $name", ({ code }) => {
  it("decides jumps, SETcc and CMOVcc for every setting of the flags", () => {
    for (const flags of FLAG_SETTINGS) {
      const expected = holds(code, flags);
      expect(run([0x70 | code, 0x10], {}, flags).eip).toBe(CODE_EIP + 2 + (expected ? 0x10 : 0));
      expect(run([0x0f, 0x80 | code, 0xfe, 0xff, 0xff, 0xff], {}, flags).eip).toBe(
        CODE_EIP + 6 - (expected ? 2 : 0),
      );
      expect(run([0x0f, 0x90 | code, 0xc1], {}, flags).regs[1]).toBe(expected ? 1 : 0);
      expect(run([0x0f, 0x40 | code, 0xca], {}, flags).regs[1]).toBe(expected ? 3 : 2);
    }
  });
});

describe("transfers", () => {
  it("CALL pushes the address of the next instruction", () => {
    const { eip, regs, data } = run([0xe8, 0x00, 0x01, 0x00, 0x00]);
    expect([eip, regs[4], data[7]]).toEqual([CODE_EIP + 0x105, STACK - 4, CODE_EIP + 5]);
  });

  it("CALL through ESP reads the target before the stack moves", () => {
    const { eip, data } = run([0xff, 0x14, 0x24]);
    expect([eip, data[7]]).toEqual([DATA[8], CODE_EIP + 3]);
  });

  it("JMP goes to a register's value", () => {
    expect(run([0xff, 0xe2], { 2: 0x1234 }).eip).toBe(0x1234);
  });

  it("RET pops the target, RET imm16 drops arguments too", () => {
    const near = run([0xc3]);
    expect([near.eip, near.regs[4]]).toEqual([DATA[8], STACK + 4]);
    const dropping = run([0xc2, 0x08, 0x80]);
    expect([dropping.eip, dropping.regs[4]]).toEqual([DATA[8], STACK + 4 + 0x8008]);
  });

  it("a 16-bit operand size cuts EIP to 16 bits", () => {
    expect(run([0x66, 0xeb, 0x10]).eip).toBe((CODE_EIP + 3 + 0x10) & 0xffff);
    const ret = run([0x66, 0xc3]);
    expect([ret.eip, ret.regs[4]]).toEqual([(DATA[8] as number) & 0xffff, STACK + 2]);
  });

  it("LOOP counts ECX, or CX with 16-bit addresses, and keeps the flags", () => {
    const wide = run([0xe2, 0xfe], { 1: 0x10000 }, 0xad7);
    expect([wide.eip, wide.regs[1], wide.eflags]).toEqual([CODE_EIP, 0xffff, 0xad7]);
    const narrow = run([0x67, 0xe2, 0xfd], { 1: 0x10001 });
    expect([narrow.eip, narrow.regs[1]]).toEqual([CODE_EIP + 3, 0x10000]);
    const wrapped = run([0xe2, 0xfe], { 1: 0 });
    expect([wrapped.eip, wrapped.regs[1]]).toEqual([CODE_EIP, 0xffffffff]);
  });

  it("LOOPE and LOOPNE look at ZF as well", () => {
    const taken = (code: number, ecx: number, zf: number) =>
      run([code, 0x10], { 1: ecx }, 0x202 | zf).eip === CODE_EIP + 0x12;
    expect([taken(0xe1, 2, Flag.ZF), taken(0xe1, 2, 0), taken(0xe1, 1, Flag.ZF)]).toEqual([
      true,
      false,
      false,
    ]);
    expect([taken(0xe0, 2, Flag.ZF), taken(0xe0, 2, 0), taken(0xe0, 1, 0)]).toEqual([false, true, false]);
  });

  it("JECXZ and JCXZ test the register of the address size", () => {
    expect(run([0xe3, 0x10], { 1: 0x10000 }).eip).toBe(CODE_EIP + 2);
    expect(run([0x67, 0xe3, 0x10], { 1: 0x10000 }).eip).toBe(CODE_EIP + 0x13);
  });
});

describe("16-bit addresses", () => {
  it("LEA wraps at 64 KiB", () => {
    expect(run([0x67, 0x8d, 0x40, 0xff], { 3: 0xffff, 6: 2 }).regs[0]).toBe(0);
    expect(run([0x67, 0x8d, 0x06, 0x34, 0x92]).regs[0]).toBe(0x9234);
  });
});
