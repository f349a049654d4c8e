import { expect, test } from "vitest";
import { VgaText } from "../../src/devices/vga-text.ts";
import { FakeClock } from "./fake-clock.ts";

test("the CRTC holds the cursor and the start of the text, at both of its addresses", () => {
  const vga = new VgaText(new FakeClock());
  for (const [index, value] of [
    [0x0e, 1],
    [0x0f, 0x23],
    [0x0c, 0],
    [0x0d, 80],
  ] as const)
    vga.writePort(0x3d4, 2, (value << 8) | index);
  expect([vga.cursor, vga.start]).toEqual([0x123, 80]);
  vga.writePort(0x3b4, 1, 0x0f);
  expect(vga.readPort(0x3b5, 1)).toBe(0x23);
  vga.writePort(0x3d4, 2, 0x200a);
  expect(vga.cursor).toBeUndefined();
  vga.writePort(0x3d4, 2, 0xff40);
  expect(vga.readPort(0x3d5, 1)).toBe(0);
});

test("the attribute controller takes index and data in turns, and a read of the status begins anew", () => {
  const vga = new VgaText(new FakeClock());
  vga.writePort(0x3c0, 1, 0x10);
  vga.readPort(0x3da, 1);
  vga.writePort(0x3c0, 1, 0x05);
  vga.writePort(0x3c0, 1, 0x3f);
  vga.writePort(0x3c0, 1, 0x05);
  expect(vga.readPort(0x3c1, 1)).toBe(0x3f);
});

test("the palette is written and read in threes", () => {
  const vga = new VgaText(new FakeClock());
  vga.writePort(0x3c8, 1, 7);
  for (const part of [1, 2, 0xff]) vga.writePort(0x3c9, 1, part);
  vga.writePort(0x3c7, 1, 7);
  expect([1, 2, 3].map(() => vga.readPort(0x3c9, 1))).toEqual([1, 2, 0x3f]);
  expect(vga.readPort(0x3c8, 1)).toBe(8);
});

test("retraces come and go with the time", () => {
  const clock = new FakeClock();
  const vga = new VgaText(clock);
  expect(vga.readPort(0x3da, 1)).toBe(0);
  clock.runTo(16_000_000);
  expect(vga.readPort(0x3da, 1)).toBe(9);
  clock.runTo(16_683_333);
  expect(vga.readPort(0x3da, 1)).toBe(0);
});
