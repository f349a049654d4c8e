import { expect, test } from "vitest";
import { PciBus } from "../../src/devices/pci/bus.ts";

function make() {
  const resets: string[] = [];
  return { pci: new PciBus((kind) => resets.push(kind)), resets };
}

test("the address register reads back without its reserved bits, so that a kernel finds the mechanism", () => {
  const { pci } = make();
  pci.writePort(0xcf8, 4, 0x80000000);
  expect(pci.readPort(0xcf8, 4)).toBe(0x80000000);
  pci.writePort(0xcf8, 4, 0xffffffff);
  expect(pci.readPort(0xcf8, 4)).toBe(0x80fffffc);
});

test("every configuration read gives all ones in its width, every write is lost", () => {
  const { pci } = make();
  for (const address of [0x80000000, 0x8000f8f8, 0]) {
    pci.writePort(0xcf8, 4, address);
    pci.writePort(0xcfc, 4, 0);
    expect(pci.readPort(0xcfc, 4)).toBe(0xffffffff);
    expect(pci.readPort(0xcfe, 2)).toBe(0xffff);
    expect(pci.readPort(0xcff, 1)).toBe(0xff);
  }
});

test("bytes of the address register are not the address register", () => {
  const { pci } = make();
  pci.writePort(0xcf8, 4, 0x80001000);
  pci.writePort(0xcfb, 1, 0x01);
  pci.writePort(0xcf8, 1, 0x00);
  expect(pci.readPort(0xcf8, 4)).toBe(0x80001000);
  expect(pci.readPort(0xcf8, 1)).toBe(0xff);
});

test("the rise of bit 2 of 0xCF9 resets, of the kind that bit 1 says", () => {
  const { pci, resets } = make();
  pci.writePort(0xcf9, 1, 0x02);
  expect(resets).toEqual([]);
  expect(pci.readPort(0xcf9, 1)).toBe(0x02);
  pci.writePort(0xcf9, 1, 0x06);
  pci.writePort(0xcf9, 1, 0x06);
  expect(resets).toEqual(["hard"]);
  pci.writePort(0xcf9, 1, 0x00);
  pci.writePort(0xcf9, 1, 0x04);
  expect(resets).toEqual(["hard", "soft"]);
});

test("a dword write of the address does not reset, a word write over 0xCF9 does", () => {
  const { pci, resets } = make();
  pci.writePort(0xcf8, 4, 0x80000600);
  expect(resets).toEqual([]);
  pci.writePort(0xcf8, 2, 0x0600);
  expect(resets).toEqual(["hard"]);
  expect(pci.readPort(0xcf8, 4)).toBe(0x80000600);
});
