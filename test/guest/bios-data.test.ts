import { expect, it } from "vitest";
import { writeBiosData } from "../../src/guest/firmware/bios-data.ts";
import { TestMemory } from "./memory.ts";

it("a guest without a BIOS finds what one leaves behind: ports, the end of low memory, the extended data area", () => {
  const memory = new TestMemory(8);
  writeBiosData(memory);
  const word = (at: number) => memory.u32(at) & 0xffff;
  expect([word(0x400), word(0x402)]).toEqual([0x3f8, 0]);
  const extended = word(0x40e) << 4;
  expect(extended).toBe(word(0x413) * 1024);
  expect(memory.read(extended, 1)[0]).toBe(1);
  expect(extended + 1024).toBe(0xa0000);
  expect([memory.read(0x449, 1)[0], word(0x44a), word(0x463)]).toEqual([3, 80, 0x3d4]);
});
