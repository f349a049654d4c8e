import { describe, expect, test } from "vitest";
import { Cr0 } from "../../src/cpu/state.ts";
import type { Hpa } from "../../src/mmu/address.ts";
import { Pte, type ShadowFormatName } from "../../src/mmu/format.ts";
import type { HardwarePaging } from "../../src/mmu/pager.ts";
import { A, Bed, D, G, P, PS, U, W } from "./bed.ts";
import { NX } from "./wide-bed.ts";

/** Machine frames of hand-made shadow tables, all below the guest's. */
const ROOT = 0x10000;
const POINTERS = 0x11020;
const GIBS = 0x12000;
const DIRECTORY = 0x13000;
const TABLE = 0x14000;
const ADDRESS = 0x40605678;
const LONG_ADDRESS = 0x7f * 2 ** 39 + ADDRESS;

class ShadowBed extends Bed {
  readonly shadowPaging: Extract<HardwarePaging, { mode: "shadow" }>;

  constructor(format: ShadowFormatName, writeProtect = true) {
    super();
    const root = (format === "PAE" ? POINTERS : ROOT) as Hpa;
    this.shadowPaging = { mode: "shadow", p2m: this.p2m.table, format, root, writeProtect, tag: 0 };
    this.put(POINTERS, 1, DIRECTORY | P);
    this.put(ROOT, 0x7f, GIBS | P | W | U);
    this.put(GIBS, 1, DIRECTORY | P | W | U);
    this.put(DIRECTORY, 3, TABLE | P | W | U);
    this.put(TABLE, 5, 0x345000 | P | W | U);
    this.load();
  }

  load(): void {
    this.hardware.set(this.shadowPaging);
  }

  put(table: number, index: number, low: number, high = 0): void {
    this.machine.u32[(table >>> 2) + index * 2] = low;
    this.machine.u32[(table >>> 2) + index * 2 + 1] = high;
  }

  low(table: number, index: number): number {
    return this.machine.u32[(table >>> 2) + index * 2] as number;
  }

  /** Error code, or the host-physical page reached. */
  go(kind: "read" | "write" | "fetch" = "read", user = false): number | { hpa: number } {
    const at = this.shadowPaging.format === "PAE" ? ADDRESS : LONG_ADDRESS;
    const code = this.translate(at, kind === "write", user, kind === "fetch");
    return code === -1 ? { hpa: this.hardware.hpa } : code;
  }
}

describe.each(["PAE", "4-level"] as const)("a %s shadow", (format) => {
  test("is walked with machine frames, whatever the guest's registers say", () => {
    const bed = new ShadowBed(format);
    bed.paging.cr0 = Cr0.PE;
    bed.paging.cr4 = 0;
    bed.paging.efer = 0;
    expect([bed.go(), bed.go("write", true), bed.go("fetch", true)]).toEqual(
      Array(3).fill({ hpa: 0x345000 }),
    );
  });

  test("knows execute-disable and global pages, and tells fetches apart", () => {
    const bed = new ShadowBed(format);
    bed.put(TABLE, 5, 0x345000 | P | G, NX);
    expect([bed.go("fetch"), bed.go(), bed.go("write"), bed.go("read", true)]).toEqual([
      17,
      { hpa: 0x345000 },
      3,
      5,
    ]);
    bed.go();
    expect([bed.hardware.global, bed.hardware.executable]).toEqual([true, false]);
    bed.put(TABLE, 5, 0);
    expect(bed.go("fetch", true)).toBe(20);
  });

  test("lets supervisors write through W=0 only without write protection", () => {
    for (const writeProtect of [true, false]) {
      const bed = new ShadowBed(format, writeProtect);
      bed.put(TABLE, 5, 0x345000 | P | U);
      expect([bed.go("write"), bed.go("write", true)]).toEqual([writeProtect ? 3 : { hpa: 0x345000 }, 7]);
    }
  });

  test("gets A on the path and D in the leaf, told as writes", () => {
    const bed = new ShadowBed(format);
    const told: number[] = [];
    bed.hardware.onWrite = (hpa) => told.push(hpa);
    bed.go();
    bed.go("write");
    const upper = format === "PAE" ? [] : [ROOT + 0x7f * 8, GIBS + 8];
    expect(told).toEqual([...upper, DIRECTORY + 24, TABLE + 40, TABLE + 40]);
    expect([bed.low(DIRECTORY, 3), bed.low(TABLE, 5)]).toEqual([
      TABLE | P | W | U | A,
      0x345000 | P | W | U | A | D,
    ]);
  });

  test("maps 2 MiB at once", () => {
    const bed = new ShadowBed(format);
    bed.put(DIRECTORY, 3, 0x600000 | P | W | PS);
    expect(bed.go()).toEqual({ hpa: 0x605000 });
  });

  test("reports a leaf marked as not backed with its guest-physical address, also beyond 4 GiB", () => {
    const bed = new ShadowBed(format);
    bed.put(TABLE, 5, 0xfec00000 | P | W | Pte.unbacked, 2);
    bed.go();
    expect([bed.hardware.notBacked, bed.hardware.gpa]).toEqual([true, 0x2fec00678]);
  });

  test("with an entry that has reserved address bits faults as kvm's MMIO cache wants it", () => {
    const bed = new ShadowBed(format);
    bed.put(TABLE, 5, 0x345000 | P | W | U, 0x000ffff0);
    expect([bed.go(), bed.go("write", true)]).toEqual([9, 15]);
  });

  test("with a table outside the machine's memory faults on reserved bits", () => {
    const bed = new ShadowBed(format);
    bed.put(DIRECTORY, 3, 0x7000000 | P | W | U);
    expect(bed.go()).toBe(9);
  });
});

test("the pointers of a PAE shadow are latched when the root is loaded", () => {
  const bed = new ShadowBed("PAE");
  bed.put(POINTERS, 1, 0);
  expect(bed.go()).toEqual({ hpa: 0x345000 });
  bed.load();
  expect(bed.go("write", true)).toBe(6);
  expect([...bed.paging.pdptes]).toEqual(Array(8).fill(0));
});

test("the guest's own PDPTEs are read through the p2m while a shadow is walked", () => {
  const bed = new ShadowBed("PAE");
  bed.memory.write32(0x20008 as never, 0x123001);
  expect(bed.hardware.latchPdptes(0x20000)).toBe(true);
  expect([...bed.paging.pdptes]).toEqual([0, 0, 0x123001, 0, 0, 0, 0, 0]);
  expect(bed.go()).toEqual({ hpa: 0x345000 });
});
