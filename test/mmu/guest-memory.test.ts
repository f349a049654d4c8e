import { describe, expect, test } from "vitest";
import { type Gfn, NO_FRAME } from "../../src/mmu/address.ts";
import { FrameAllocator, OutOfFrames } from "../../src/mmu/frames.ts";
import { GuestAddressError } from "../../src/mmu/guest-memory.ts";
import { P2m } from "../../src/mmu/p2m.ts";
import { Bed, gpa, MIB } from "./bed.ts";

const gfn = (n: number): Gfn => n as Gfn;

describe("P2m", () => {
  test("backs memory contiguously from a 4 MiB-aligned base that is not 0, but not the legacy hole", () => {
    const frames = new FrameAllocator(0x1400);
    const p2m = new P2m(frames, 12 * MIB, "vm1");
    expect(p2m.base).toBe(0x400);
    expect([0, 0x9f, 0xa0, 0xff, 0x100, 0xbff, 0xc00, -1].map((n) => p2m.lookup(n))).toEqual([
      0x400,
      0x49f,
      NO_FRAME,
      NO_FRAME,
      0x500,
      0xfff,
      NO_FRAME,
      NO_FRAME,
    ]);
    expect(frames.heldBy("vm1")).toBe(0xc00 - 0x60);
  });

  test("offers large frames exactly where 4 MiB, or 2 MiB, are backed in full", () => {
    const p2m = new P2m(new FrameAllocator(0x1400), 10 * MIB, "vm1");
    const large = (shift: 21 | 22) =>
      [0, 0x1ff, 0x200, 0x400, 0x7ff, 0x800, 0x9ff, 0xa00, 0xc00].map((n) => p2m.lookupLarge(gfn(n), shift));
    const none = NO_FRAME;
    expect(large(22)).toEqual([none, none, none, 0x800, 0x800, none, none, none, none]);
    expect(large(21)).toEqual([none, none, 0x600, 0x800, 0xa00, 0xc00, 0xc00, none, none]);
  });

  test("gives every frame back once, and a second guest gets its own", () => {
    const frames = new FrameAllocator(0x1000);
    const one = new P2m(frames, 4 * MIB, "one");
    const two = new P2m(frames, 4 * MIB, "two");
    expect([one.base, two.base]).toEqual([0x400, 0x800]);
    expect(() => new P2m(frames, 8 * MIB, "three")).toThrow(OutOfFrames);
    one.dispose();
    one.dispose();
    expect([frames.heldBy("one"), frames.heldBy("two"), one.lookup(0)]).toEqual([0, 0x400 - 0x60, NO_FRAME]);
  });

  test("refuses a size that is not whole pages", () => {
    for (const size of [0, -4096, 4097])
      expect(() => new P2m(new FrameAllocator(64), size, "x")).toThrow(RangeError);
  });
});

describe("GuestMemory", () => {
  test("reads back what was written, at any alignment and across pages", () => {
    const { memory, machine, p2m } = new Bed();
    memory.write32(gpa(0x1ffe), 0x11223344);
    memory.write16(gpa(0x2fff), 0xaabb);
    memory.write8(gpa(0x3004), 0x77);
    expect(memory.read32(gpa(0x1ffe))).toBe(0x11223344);
    expect(memory.read16(gpa(0x2fff))).toBe(0xaabb);
    expect([...memory.readBytes(gpa(0x1ffd), 6)]).toEqual([0, 0x44, 0x33, 0x22, 0x11, 0]);
    expect(machine.u8[p2m.base * 4096 + 0x1ffe]).toBe(0x44);
    memory.fill(gpa(0x0fff), 0x1002, 0xee);
    expect([0xffe, 0xfff, 0x1800, 0x2000, 0x2001].map((at) => memory.read8(gpa(at)))).toEqual([
      0, 0xee, 0xee, 0xee, 0x11,
    ]);
  });

  test("refuses what no frame backs, naming the address, and writes nothing of it", () => {
    const { memory } = new Bed();
    for (const bad of [0xa0000, 0xfffff, 12 * MIB, 0xffffffff])
      expect(() => memory.read8(gpa(bad))).toThrow(GuestAddressError);
    expect(() => memory.writeBytes(gpa(0x9fffe), new Uint8Array([1, 2, 3]))).toThrow("0xa0000");
    expect(() => memory.fill(gpa(0x9fffe), 3, 9)).toThrow(GuestAddressError);
    expect(memory.read16(gpa(0x9fffe))).toBe(0);
    expect([memory.isBacked(gpa(0x9f000), 0x1000), memory.isBacked(gpa(0x9f000), 0x1001)]).toEqual([
      true,
      false,
    ]);
  });

  test("tells every written byte by its host-physical address, page by page", () => {
    const { memory, p2m } = new Bed();
    const told: [number, number][] = [];
    memory.onWrite = (hpa, size) => told.push([hpa - p2m.base * 4096, size]);
    memory.writeBytes(gpa(0x1ffe), new Uint8Array(0x1004));
    memory.write32(gpa(0x10), 1);
    memory.write32(gpa(0xffe), 1);
    memory.read32(gpa(0x10));
    expect(told).toEqual([
      [0x1ffe, 2],
      [0x2000, 0x1000],
      [0x3000, 2],
      [0x10, 4],
      [0xffe, 2],
      [0x1000, 2],
    ]);
  });

  test("entries in memory that does not exist read as all ones and lose writes", () => {
    const { memory } = new Bed();
    memory.writeEntry32(0xa0000, 5);
    memory.writeEntry32(0x1000, 5);
    expect([0xa0000, 0xfffff000, 0x1000].map((at) => memory.readEntry32(at))).toEqual([
      0xffffffff, 0xffffffff, 5,
    ]);
  });
});
