import { beforeEach, describe, expect, test } from "vitest";
import type { Core, HelperOp } from "../../../src/cpu/core.ts";
import { Outcome } from "../../../src/cpu/core.ts";
import { fwait, resetFpu } from "../../../src/cpu/fpu/index.ts";
import * as L from "../../../src/cpu/layout.ts";
import { Cr0 } from "../../../src/cpu/state.ts";
import { FpuBench, TestFault } from "./bench-core.ts";

let bench: FpuBench;
beforeEach(() => {
  bench = new FpuBench();
});

const wait = (core: Core): Outcome => fwait(core, {} as HelperOp);
const setCr0 = (bits: number): void => bench.state.set(L.CR0, bits);

/** Unmasks zero-divide and divides 1 by 0. */
function raiseZeroDivide(): void {
  bench.view.setUint16(0, 0x037b, true);
  bench.memory(0xd9, 5, 0); // FLDCW
  bench.register(0xd9, 0xe8); // FLD1
  bench.register(0xd9, 0xee); // FLDZ
  bench.register(0xde, 0xf9); // FDIVP
}

function vectorOf(action: () => unknown): number {
  try {
    action();
  } catch (thrown) {
    if (thrown instanceof TestFault) return thrown.vector;
    throw thrown;
  }
  return -1;
}

describe("device not available", () => {
  test("CR0.TS and CR0.EM raise #NM for every x87 instruction", () => {
    for (const bit of [Cr0.TS, Cr0.EM]) {
      setCr0(Cr0.PE | Cr0.NE | bit);
      expect(vectorOf(() => bench.register(0xd9, 0xe8))).toBe(7);
      expect(vectorOf(() => bench.register(0xdb, 0xe3))).toBe(7);
    }
  });

  test("FWAIT raises it only when MP and TS are both set", () => {
    setCr0(Cr0.TS | Cr0.NE);
    expect(wait(bench.core)).toBe(Outcome.next);
    setCr0(Cr0.TS | Cr0.MP | Cr0.NE);
    expect(vectorOf(() => wait(bench.core))).toBe(7);
  });
});

describe("pending exceptions", () => {
  test("an unmasked exception sets ES and B and is raised by the next waiting instruction", () => {
    raiseZeroDivide();
    expect(bench.status & 0x8084).toBe(0x8084);
    expect(vectorOf(() => bench.register(0xd9, 0xe8))).toBe(16);
    expect(vectorOf(() => wait(bench.core))).toBe(16);
  });

  test("it comes before the page fault of the waiting instruction's operand", () => {
    raiseZeroDivide();
    bench.limit = 0;
    expect(vectorOf(() => bench.memory(0xd9, 0, 0x100))).toBe(16);
  });

  test("no-wait instructions pass, and FNCLEX ends it", () => {
    raiseZeroDivide();
    bench.register(0xdf, 0xe0); // FNSTSW AX
    expect(bench.state.reg16(0) & 0x8084).toBe(0x8084);
    bench.memory(0xd9, 7, 0); // FNSTCW
    bench.register(0xdb, 0xe2); // FNCLEX
    expect(wait(bench.core)).toBe(Outcome.next);
  });

  test("FLDCW that unmasks a flagged exception makes it pending", () => {
    bench.register(0xd9, 0xe8);
    bench.register(0xd9, 0xee);
    bench.register(0xde, 0xf9); // masked: infinity
    expect(wait(bench.core)).toBe(Outcome.next);
    bench.view.setUint16(0, 0x037b, true);
    bench.memory(0xd9, 5, 0);
    expect(vectorOf(() => wait(bench.core))).toBe(16);
  });

  test("with CR0.NE clear they stay pending and are not noticed", () => {
    raiseZeroDivide();
    setCr0(Cr0.PE);
    expect(wait(bench.core)).toBe(Outcome.next);
    expect(bench.register(0xd9, 0xe8)).toBe(Outcome.next);
    expect(bench.status & 0x8084).toBe(0x8084);
    setCr0(Cr0.PE | Cr0.NE);
    expect(vectorOf(() => wait(bench.core))).toBe(16);
  });
});

describe("faulting operands", () => {
  const snapshot = (): number[] => [
    ...bench.state.u32.subarray(L.FPU_REGS >> 2, (L.FPU_LAST_OPCODE >> 2) + 1),
  ];

  test.each([
    ["FLD m32fp", 0xd9, 0],
    ["FST m32fp", 0xd9, 2],
    ["FSTP m64fp", 0xdd, 3],
    ["FSTP m80fp", 0xdb, 7],
    ["FISTP m64int", 0xdf, 7],
    ["FBSTP", 0xdf, 6],
    ["FADD m64fp", 0xdc, 0],
    ["FLDENV", 0xd9, 4],
    ["FNSTENV", 0xd9, 6],
    ["FNSAVE", 0xdd, 6],
    ["FRSTOR", 0xdd, 4],
    ["FLDCW", 0xd9, 5],
  ])("%s at a bad address changes nothing", (_name, opcode, reg) => {
    bench.register(0xd9, 0xeb); // FLDPI: stores would be inexact
    const before = snapshot();
    bench.limit = 0x101; // the operand's first byte only
    expect(vectorOf(() => bench.memory(opcode, reg, 0x100))).toBe(14);
    expect(snapshot()).toEqual(before);
    expect(bench.ram[0x100]).toBe(0);
  });
});

test("RESET leaves all registers in use and zero, FNINIT empties them", () => {
  resetFpu(bench.state);
  bench.memory(0xd9, 6, 0x200);
  expect([0, 4, 8].map((at) => bench.view.getUint16(0x200 + at, true))).toEqual([0x40, 0, 0x5555]);
  bench.register(0xdb, 0xe3);
  bench.memory(0xd9, 6, 0x200);
  expect([0, 4, 8].map((at) => bench.view.getUint16(0x200 + at, true))).toEqual([0x37f, 0, 0xffff]);
});

describe("undefined encodings", () => {
  test.each([
    ["D9 /1", 0xd9, 0x0a],
    ["DB /1 (FISTTP)", 0xdb, 0x0a],
    ["DB /4", 0xdb, 0x22],
    ["DB /6", 0xdb, 0x32],
    ["DD /1 (FISTTP)", 0xdd, 0x0a],
    ["DD /5", 0xdd, 0x2a],
    ["DF /1 (FISTTP)", 0xdf, 0x0a],
    ["D9 D1", 0xd9, 0xd1],
    ["D9 E2", 0xd9, 0xe2],
    ["D9 E6", 0xd9, 0xe6],
    ["D9 EF", 0xd9, 0xef],
    ["DA E0", 0xda, 0xe0],
    ["DA E8", 0xda, 0xe8],
    ["DA F0", 0xda, 0xf0],
    ["DB E5", 0xdb, 0xe5],
    ["DB F8", 0xdb, 0xf8],
    ["DD F0", 0xdd, 0xf0],
    ["DE D8", 0xde, 0xd8],
    ["DF E1", 0xdf, 0xe1],
    ["DF F8", 0xdf, 0xf8],
  ])("%s is #UD", (_name, opcode, modrm) => {
    expect(
      vectorOf(() => (modrm < 0xc0 ? bench.memory(opcode, modrm >> 3, 0) : bench.register(opcode, modrm))),
    ).toBe(6);
  });
});

describe("environment layouts", () => {
  const words16 = (count: number): number[] =>
    Array.from({ length: count }, (_, n) => bench.view.getUint16(0x200 + 2 * n, true));
  const words32 = (count: number): number[] =>
    Array.from({ length: count }, (_, n) => bench.view.getUint32(0x200 + 4 * n, true));

  /** FLD m32fp at DS:0x12340, executed at CS:EIP = selector(1):0x54321. */
  beforeEach(() => {
    bench.state.eip = 0x54321;
    bench.limit = 0x20000;
    bench.state.setSegment(3, 0x18, 0, 0xffffffff, 0xc093);
    bench.memory(0xd9, 0, 0x0140);
  });

  test("32-bit protected: selectors and the opcode", () => {
    bench.memory(0xd9, 6, 0x200);
    expect(words32(7)).toEqual([0xffff037f, 0xffff3800, 0xffff7fff, 0x54321, 0x01020010, 0x140, 0xffff0018]);
  });

  test("16-bit protected: selectors, offsets cut to 16 bits", () => {
    bench.memory(0xd9, 6, 0x200, { operandSize: 16 });
    expect(words16(7)).toEqual([0x037f, 0x3800, 0x7fff, 0x4321, 0x10, 0x140, 0x18]);
  });

  test("32-bit real: linear addresses and the opcode", () => {
    setCr0(Cr0.NE);
    bench.state.updateMode();
    bench.memory(0xd9, 6, 0x200);
    expect(words32(7)).toEqual([0xffff037f, 0xffff3800, 0xffff7fff, 0xffff4421, 0x5102, 0xffff02c0, 0]);
  });

  test("16-bit real: 20-bit linear addresses and the opcode", () => {
    setCr0(Cr0.NE);
    bench.state.updateMode();
    bench.memory(0xd9, 6, 0x200, { operandSize: 16 });
    expect(words16(7)).toEqual([0x037f, 0x3800, 0x7fff, 0x4421, 0x5102, 0x02c0, 0]);
  });

  test.each([16, 32] as const)("%i-bit FNSAVE and FRSTOR give everything back", (operandSize) => {
    bench.register(0xd9, 0xeb);
    bench.memory(0xdd, 6, 0x200, { operandSize });
    const saved = bench.ram.slice(0x200, 0x200 + 108);
    expect(bench.state.get(L.FPU_EMPTY)).toBe(0xff);
    bench.memory(0xdd, 4, 0x200, { operandSize });
    bench.memory(0xdd, 6, 0x200, { operandSize });
    expect(bench.ram.slice(0x200, 0x200 + 108)).toEqual(saved);
  });
});
