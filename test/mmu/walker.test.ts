import { describe, expect, test } from "vitest";
import { Cr0, Cr4 } from "../../src/cpu/state.ts";
import { dumpMappings } from "../../src/mmu/dump.ts";
import { formatOf } from "../../src/mmu/format.ts";
import { classifyFault } from "../../src/mmu/reflect.ts";
import { A, Bed, D, DIRECTORY, G, gva, P, PS, tableOf, U, W } from "./bed.ts";

/** Asks both walkers and demands one answer: the error code, or [gpa, backed]. */
function both(bed: Bed, at: number, write = false, user = false): number | [number, boolean] {
  const soft = bed.walker.probe({ gva: gva(at), write, user }, bed.paging);
  const hard = bed.translate(at, write, user);
  const { gpa, notBacked } = bed.hardware;
  const one = soft.kind === "fault" ? soft.errorCode : [soft.gpa as number, bed.memory.isBacked(soft.gpa)];
  expect(hard === -1 ? [gpa, !notBacked] : hard).toEqual(one);
  return one as number | [number, boolean];
}

describe("translation, in both walkers", () => {
  test("goes through directory and table to the frame", () => {
    const bed = new Bed();
    bed.map(0xc0123000, 0x345000 | P | W);
    expect(both(bed, 0xc0123abc)).toEqual([0x345abc, true]);
    expect(bed.hardware.hpa).toBe(0x745000);
  });

  test("with paging off is the identity, all rights given", () => {
    const bed = new Bed();
    bed.paging.cr0 = Cr0.PE;
    expect(both(bed, 0x345678, true, true)).toEqual([0x345678, true]);
    expect(bed.hardware).toMatchObject({
      hpa: 0x745000,
      writable: true,
      user: true,
      dirtyOk: true,
      global: false,
    });
  });

  test("takes 4 MiB pages when CR4.PSE is set, and PS for nothing when it is not", () => {
    const bed = new Bed();
    bed.setPde(1, 0x800000 | P | PS);
    expect(both(bed, 0x6abcde)).toEqual([0xaabcde, true]);
    expect(bed.hardware.pageShift).toBe(22);
    bed.setPde(1, tableOf(1) | P | PS);
    bed.setPte(0x6ab000, 0x345000 | P);
    bed.paging.cr4 = 0;
    expect(both(bed, 0x6abcde)).toEqual([0x345cde, true]);
    expect(bed.hardware.pageShift).toBe(12);
  });

  test("is global only as G of the leaf and CR4.PGE say", () => {
    const bed = new Bed();
    bed.map(0x400000, 0x345000 | P | G);
    bed.setPde(2, 0x800000 | P | PS | G);
    const seen = [];
    for (const pge of [0, Cr4.PGE]) {
      bed.paging.cr4 = Cr4.PSE | pge;
      for (const at of [0x400000, 0x800000]) {
        const walk = bed.walker.probe({ gva: gva(at), write: false, user: false }, bed.paging);
        bed.translate(at, false, false);
        seen.push([walk.kind === "mapped" && walk.global, bed.hardware.global]);
      }
    }
    expect(seen).toEqual([
      [false, false],
      [false, false],
      [true, true],
      [true, true],
    ]);
  });

  test("to an address that no frame backs says so and keeps the guest-physical address", () => {
    const bed = new Bed();
    bed.map(0x400000, 0xb8000 | P | W);
    bed.map(0x401000, 0xfec00000 | P | W);
    expect(both(bed, 0x400abc)).toEqual([0xb8abc, false]);
    expect(both(bed, 0x401010)).toEqual([0xfec00010, false]);
  });
});

describe("reserved bits, as on a P6 without PSE-36 and PAT", () => {
  const cases: [string, number, number, number][] = [
    ["each of bits 12-21 of a 4 MiB entry", Cr4.PSE, 0, 9],
    ["bit 7 of a 4 KiB entry", Cr4.PSE, 1, 9],
  ];
  test.each(cases)("%s faults with RSVD under CR4.PSE", (_name, cr4, kind, code) => {
    const bed = new Bed();
    bed.paging.cr4 = cr4;
    if (kind === 0)
      for (let bit = 12; bit <= 21; bit++) {
        bed.setPde(1, 0x800000 | P | W | U | PS | (1 << bit));
        expect([both(bed, 0x400000), both(bed, 0x400000, true, true)]).toEqual([code, code | 6]);
      }
    else {
      bed.map(0x400000, 0x345000 | P | W | U | 0x80);
      expect([both(bed, 0x400000), both(bed, 0x400000, true)]).toEqual([code, code | 2]);
    }
  });

  test("are not looked at without CR4.PSE, nor in entries that are not present", () => {
    const bed = new Bed();
    bed.setPde(1, 0x801000 | W | PS);
    expect(both(bed, 0x400000)).toBe(0);
    bed.map(0x400000, 0x345000 | W | 0x80);
    expect(both(bed, 0x400000)).toBe(0);
    bed.map(0x400000, 0x345000 | P | 0x80);
    bed.paging.cr4 = 0;
    expect(both(bed, 0x400000)).toEqual([0x345000, true]);
  });

  test("win over a missing right, and a missing table entry is no reserved-bit fault", () => {
    const bed = new Bed();
    bed.setPde(1, 0x801000 | P | PS);
    expect(both(bed, 0x400000, true, true)).toBe(15);
  });
});

describe("tables outside the guest's memory read as all ones", () => {
  test("a directory there faults on its reserved bits under PSE", () => {
    const bed = new Bed();
    bed.paging.cr3 = 0xfff00000;
    expect(both(bed, 0x1000, true)).toBe(11);
  });

  test("without PSE everything leads to the last page of the address space, which nothing backs", () => {
    const bed = new Bed();
    bed.paging.cr3 = 0xa0000;
    bed.paging.cr4 = 0;
    expect(both(bed, 0x1234, true, true)).toEqual([0xfffff234, false]);
  });

  test("a page table there has its bit 7 set, and nothing is written", () => {
    const bed = new Bed();
    bed.setPde(1, 0x00c00000 | P | W | U);
    expect(both(bed, 0x400000)).toBe(9);
    bed.paging.cr4 = 0;
    expect(both(bed, 0x400123, true)).toEqual([0xfffff123, false]);
    expect(bed.pde(1)).toBe(0x00c00000 | P | W | U | A);
  });
});

describe("accessed and dirty", () => {
  test("are set on the path and in the leaf of an allowed access only, and told as writes", () => {
    for (const hardware of [false, true]) {
      const bed = new Bed();
      bed.map(0x400000, 0x345000 | P);
      const told: number[] = [];
      bed.memory.onWrite = (hpa) => told.push(hpa - 0x400000);
      bed.hardware.onWrite = (hpa) => told.push(hpa - 0x400000);
      const go = (write: boolean) =>
        hardware
          ? bed.translate(0x400000, write, false)
          : bed.walker.walk({ gva: gva(0x400000), write, user: false }, bed.paging);
      go(true);
      expect(told).toEqual([]);
      go(false);
      go(false);
      expect(told).toEqual([DIRECTORY + 4, tableOf(1)]);
      bed.paging.cr0 &= ~Cr0.WP;
      go(true);
      expect(told.slice(2)).toEqual([tableOf(1)]);
      expect([bed.pde(1) & (A | D), bed.pte(0x400000) & (A | D)]).toEqual([A, A | D]);
    }
  });

  test("of a directory that is its own table end up in the one entry", () => {
    for (const hardware of [false, true]) {
      const bed = new Bed();
      bed.setPde(0x3ff, DIRECTORY | P | W);
      if (hardware) bed.translate(0xfffff000, true, false);
      else bed.walker.walk({ gva: gva(0xfffff000), write: true, user: false }, bed.paging);
      expect(bed.pde(0x3ff)).toBe(DIRECTORY | P | W | A | D);
    }
  });

  test("of a probe stay as they are", () => {
    const bed = new Bed();
    bed.map(0x400000, 0x345000 | P | W);
    const walk = bed.walker.probe({ gva: gva(0x400000), write: true, user: false }, bed.paging);
    expect([walk.kind === "mapped" && walk.dirty, bed.pte(0x400000) & (A | D), bed.pde(1) & A]).toEqual([
      false,
      0,
      0,
    ]);
  });

  test("decide whether the write tag may be filled", () => {
    const bed = new Bed();
    bed.map(0x400000, 0x345000 | P | W | U);
    bed.translate(0x400000, false, true);
    expect(bed.hardware).toMatchObject({ writable: true, user: true, dirtyOk: false });
    bed.translate(0x400000, true, true);
    expect(bed.hardware.dirtyOk).toBe(true);
    bed.translate(0x400000, false, true);
    expect(bed.hardware.dirtyOk).toBe(true);
  });
});

test("the hardware walker tells the rights of both privileges, whichever asked", () => {
  const bed = new Bed();
  bed.map(0x400000, 0x345000 | P | U);
  const rights = () => {
    const h = bed.hardware;
    return [h.supervisorWritable, h.userWritable, h.writable, h.user];
  };
  bed.translate(0x400000, false, false);
  expect(rights()).toEqual([false, false, false, true]);
  bed.paging.cr0 &= ~Cr0.WP;
  bed.translate(0x400000, false, false);
  expect(rights()).toEqual([true, false, true, true]);
  bed.translate(0x400000, false, true);
  expect(rights()).toEqual([true, false, false, true]);
});

test("a reflected fault has the guest's error code and the address for CR2, whatever the shadow said", () => {
  const bed = new Bed();
  bed.map(0x400000, 0x345000 | W | U);
  expect(classifyFault(bed.walker, bed.paging, gva(0x400123), 7)).toEqual({
    kind: "reflect",
    reflection: { vector: 14, errorCode: 6, cr2: 0x400123 },
  });
  bed.map(0x400000, 0x345000 | P);
  expect(classifyFault(bed.walker, bed.paging, gva(0x400123), 4)).toEqual({
    kind: "reflect",
    reflection: { vector: 14, errorCode: 5, cr2: 0x400123 },
  });
});

test("the whole tree can be listed", () => {
  const bed = new Bed();
  bed.setPde(2, 0x800000 | P | W | PS | D | G);
  bed.map(0x401000, 0x345000 | P | U | A);
  bed.setPte(0x7ff000, 0x346000 | P | W);
  bed.setPte(0x402000, 0x999000 | W);
  bed.setPde(3, 0x12345678 & ~P);
  const read = (at: number) => bed.memory.readEntry32(at);
  expect(dumpMappings(formatOf(Cr4.PSE), read, DIRECTORY)).toEqual([
    { gva: 0x401000, sizeBytes: 0x1000, frame: 0x345, flags: "UA" },
    { gva: 0x7ff000, sizeBytes: 0x1000, frame: 0x346, flags: "W" },
    { gva: 0x800000, sizeBytes: 0x400000, frame: 0x800, flags: "WDG" },
  ]);
});
