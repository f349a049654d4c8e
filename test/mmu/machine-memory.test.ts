import { expect, test } from "vitest";
import { PHYS_BASE } from "../../src/cpu/layout.ts";
import type { Hpa, Mfn } from "../../src/mmu/address.ts";
import { MachineAddressError, MachineMemory } from "../../src/mmu/machine-memory.ts";

const hpa = (value: number): Hpa => value as Hpa;

test("physical memory begins at PHYS_BASE of the WebAssembly memory", () => {
  const machine = new MachineMemory(16);
  machine.writeHpa32(hpa(0x1004), 0x89abcdef);
  expect(new DataView(machine.memory.buffer).getUint32(PHYS_BASE + 0x1004, true)).toBe(0x89abcdef);
  expect(machine.readHpa32(hpa(0x1004))).toBe(0x89abcdef);
  expect(machine.page32(1 as Mfn)[1]).toBe(0x89abcdef);
  expect(machine.page8(1 as Mfn)[4]).toBe(0xef);
  expect(machine.u16[0x1004 >>> 1]).toBe(0xcdef);
});

test("an address outside memory or unaligned is refused with a typed error that names it", () => {
  const machine = new MachineMemory(16);
  for (const bad of [0x10000, 0xfffe, -4, 2])
    expect(() => machine.readHpa32(hpa(bad))).toThrow(MachineAddressError);
  expect(() => machine.writeHpa32(hpa(0x10000), 1)).toThrow("0x10000");
  expect(() => machine.page8(16 as Mfn)).toThrow(MachineAddressError);
  expect(machine.readHpa32(hpa(0xfffc))).toBe(0);
});

test("a frame is cleared without touching its neighbours", () => {
  const machine = new MachineMemory(3);
  machine.u8.fill(0xff);
  machine.clearFrame(1 as Mfn);
  expect([...new Set(machine.page8(0 as Mfn))]).toEqual([0xff]);
  expect([...new Set(machine.page8(1 as Mfn))]).toEqual([0]);
  expect([...new Set(machine.page8(2 as Mfn))]).toEqual([0xff]);
});

test("a size that no machine can have is refused", () => {
  for (const frames of [0, -1, 1.5, 0x100000]) expect(() => new MachineMemory(frames)).toThrow(RangeError);
});
