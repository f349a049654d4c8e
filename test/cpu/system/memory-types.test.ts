import { describe, expect, it } from "vitest";
import * as L from "../../../src/cpu/layout.ts";
import { firmwareMemoryTypes, resetMemoryTypes } from "../../../src/cpu/system/memory-types.ts";
import { Outcome, Vector } from "./fake-core.ts";
import { ProtectedCore } from "./protected-core.ts";

const GP0 = { vector: Vector.GP, errorCode: 0 };
type Words = readonly [low: number, high: number];

function set(core: ProtectedCore, index: number, [low, high]: Words): void {
  core.state.setReg(1, index);
  core.state.setReg(0, low);
  core.state.setReg(2, high);
}

function read(core: ProtectedCore, index: number): Words {
  core.state.setReg(1, index);
  expect(core.run("rdmsr")).toBe(Outcome.next);
  return [core.state.reg(0), core.state.reg(2)];
}

/** Intel SDM vol. 3, 12.11.2 and 12.12.2. */
describe("memory types", () => {
  const fixed = [0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f];

  it("every register is held by itself", () => {
    const core = new ProtectedCore();
    const values = new Map<number, Words>();
    for (let n = 0; n < 8; n++) {
      values.set(0x200 + 2 * n, [((n + 1) << 20) | 6, n]);
      values.set(0x201 + 2 * n, [0xfff00800, 15 - n]);
    }
    fixed.forEach((index, n) => {
      values.set(index, [0x06050401, 0x06060000 + (n & 1)]);
    });
    values.set(0x277, [0x00070106, 0x04070506]);
    values.set(0x2ff, [0xc06, 0]);
    for (const [index, words] of values) {
      set(core, index, words);
      expect(core.run("wrmsr")).toBe(Outcome.next);
    }
    for (const [index, words] of values) expect([index, ...read(core, index)]).toEqual([index, ...words]);
  });

  it("eight variable ranges, fixed ranges and write-combining are offered; the offer is read-only", () => {
    const core = new ProtectedCore();
    expect(read(core, 0xfe)).toEqual([0x508, 0]);
    expect(core.faultOf("wrmsr")).toEqual(GP0);
  });

  it.each<readonly [string, number, Words]>([
    ["PAT: type 2", 0x277, [0x00070402, 0x00070406]],
    ["PAT: type 3", 0x277, [0x00070406, 0x03070406]],
    ["PAT: reserved bits of an entry", 0x277, [0x00070406, 0x00070486]],
    ["fixed range: UC- is PAT's alone", 0x250, [7, 0]],
    ["fixed range: type 2 in the last byte", 0x26f, [0, 0x02000000]],
    ["default: type 3", 0x2ff, [0xc03, 0]],
    ["default: bit 9", 0x2ff, [0x206, 0]],
    ["default: bit 12", 0x2ff, [0x1006, 0]],
    ["default: bit 32", 0x2ff, [6, 1]],
    ["base: bits 8 to 11", 0x200, [0x106, 0]],
    ["base: type 7", 0x20e, [7, 0]],
    ["base: bit 36", 0x200, [6, 0x10]],
    ["mask: bit 10", 0x201, [0x400, 0]],
    ["mask: bit 36", 0x20f, [0x800, 0x10]],
  ])("#GP and no change: %s", (_, index, words) => {
    const core = new ProtectedCore();
    resetMemoryTypes(core.state);
    const before = read(core, index);
    set(core, index, words);
    expect(core.faultOf("wrmsr")).toEqual(GP0);
    expect(read(core, index)).toEqual(before);
  });

  it("after power-on the page attribute table is the one of processors without, MTRRs are off", () => {
    const core = new ProtectedCore();
    resetMemoryTypes(core.state);
    expect(read(core, 0x277)).toEqual([0x00070406, 0x00070406]);
    expect(read(core, 0x2ff)).toEqual([0, 0]);
  });

  it("firmware leaves memory write-back, windows of devices uncacheable, ROM write-protected", () => {
    const core = new ProtectedCore();
    firmwareMemoryTypes(core.state);
    expect(fixed.map((index) => read(core, index)[0])).toEqual([
      0x06060606,
      0x06060606,
      0,
      ...Array(8).fill(0x05050505),
    ]);
    expect([read(core, 0x200), read(core, 0x201)]).toEqual([
      [0xc0000000, 0],
      [0xc0000800, 15],
    ]);
    expect(read(core, 0x2ff)).toEqual([0xc06, 0]);
    // What firmware leaves it can write back.
    for (const index of [...fixed, 0x200, 0x201, 0x2ff]) {
      set(core, index, read(core, index));
      expect(core.run("wrmsr")).toBe(Outcome.next);
    }
  });

  it("answered accesses, memory types and the end of the state do not meet", () => {
    const answersEnd = L.ANSWERS + 16 + 200 * 12;
    expect(answersEnd).toBeLessThanOrEqual(L.PAT);
    expect(L.MTRR_VARIABLE).toBe(L.MTRR_FIXED + 11 * 8);
    expect(L.MTRR_VARIABLE + 16 * 8).toBeLessThanOrEqual(L.STATE_SIZE);
  });
});
