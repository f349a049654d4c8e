import { describe, expect, test } from "vitest";
import { Cr4, Efer } from "../../src/cpu/state.ts";
import { dumpMappings } from "../../src/mmu/dump.ts";
import { formatOf, largeEntry36, largeFrame36, PagingFeature } from "../../src/mmu/format.ts";
import { HardwareWalker } from "../../src/mmu/hardware-walker.ts";
import { type GuestPaging, PageFault, type TlbControl } from "../../src/mmu/pager.ts";
import { classifyFault } from "../../src/mmu/reflect.ts";
import { KvmPager } from "../../src/mmu/shadow/kvm/pager.ts";
import { VtlbPager } from "../../src/mmu/shadow/vtlb/pager.ts";
import { A, Bed, D, DIRECTORY, gva, P, PS, tableOf, U, W } from "./bed.ts";
import { DIRECTORY2, TABLE1, WideBed } from "./wide-bed.ts";

const { pat, pse36 } = PagingFeature;
const RESERVED = PageFault.present | PageFault.reserved;
/** In slot 1, 0x1234 bytes into its page table's fifth page. */
const AT = 0x40_5234;

/** The outcome of a read in the software and in the hardware walker, which must be one: error code, or the gpa. */
function read(bed: Bed, features: number, at = AT): { fault: number } | { gpa: number } {
  const { cr0, cr3, cr4, efer, pdptes } = bed.paging;
  const hardware = new HardwareWalker(bed.machine, features);
  hardware.set({ mode: "guest", p2m: bed.p2m.table });
  const allowed = hardware.translate(at, 0, false, cr0, cr3, cr4);
  const paging: GuestPaging = { cr0, cr3, cr4, efer, pdptes, features };
  const walk = bed.walker.probe({ gva: gva(at), write: false, user: false }, paging);
  const seen = walk.kind === "fault" ? { fault: walk.errorCode } : { gpa: walk.gpa as number };
  const reached = hardware.notBacked ? hardware.gpa : hardware.hpa - bed.p2m.base * 4096 + (at & 0xfff);
  expect(allowed ? { gpa: reached } : { fault: hardware.errorCode }).toEqual(seen);
  return seen;
}

describe("bits 12-21 of an entry that maps 4 MiB", () => {
  const BITS = Array.from({ length: 10 }, (_, i) => 12 + i);
  test.each([
    { name: "neither", features: 0, free: [] as number[] },
    { name: "PAT", features: pat, free: [12] },
    { name: "PSE-36", features: pse36, free: [13, 14, 15, 16] },
    { name: "both", features: pat | pse36, free: [12, 13, 14, 15, 16] },
  ])("are reserved but for those of $name", ({ features, free }) => {
    for (const place of BITS) {
      const bed = new Bed();
      bed.setPde(1, 0x400000 | PS | P | A | (1 << place));
      const far = free.includes(place) && place > 12 ? 2 ** (place - 13 + 32) : 0;
      const expected = free.includes(place) ? { gpa: 0x405234 + far } : { fault: RESERVED };
      expect([place, read(bed, features)]).toEqual([place, expected]);
    }
  });
  test("address up to 64 GiB, in the format's own words too", () => {
    expect(largeFrame36(0xffc1e083)).toBe(0xfffc00);
    expect(largeEntry36(0xfffc00)).toBe(0xffc1e000 | 0);
    const bed = new Bed();
    bed.setPde(1, 0x00c0a083);
    const format = formatOf(Cr4.PSE, 0, pse36);
    expect(dumpMappings(format, (at) => bed.memory.readEntry32(at), DIRECTORY)).toEqual([
      { gva: 0x400000, sizeBytes: 0x400000, frame: 0x500c00, flags: "W" },
    ]);
  });
});

test("PAT has a place in every leaf: bit 7 of 4 KiB pages, bit 12 of large ones", () => {
  const narrow = new Bed();
  narrow.setPde(1, tableOf(1) | P | A);
  narrow.setPte(AT, 0x500000 | P | A | 0x80);
  expect(read(narrow, 0)).toEqual({ fault: RESERVED });
  expect(read(narrow, pat)).toEqual({ gpa: 0x500234 });
  const wide = new WideBed();
  wide.latch(1);
  wide.paging.efer = Efer.NXE;
  wide.put(DIRECTORY2, 2, 0x401000 | PS | P | A);
  wide.put(DIRECTORY2, 3, TABLE1 | P | A);
  wide.put(TABLE1, 5, 0x500000 | P | A | 0x80);
  expect([0x4040_0123, 0x4060_5123].map((at) => read(wide, 0, at))).toEqual([
    { fault: RESERVED },
    { fault: RESERVED },
  ]);
  expect([0x4040_0123, 0x4060_5123].map((at) => read(wide, pat, at))).toEqual([
    { gpa: 0x400123 },
    { gpa: 0x500123 },
  ]);
});

describe("a page above 4 GiB, where no memory is", () => {
  /** What the hardware reports in the end, after the pager's fills. */
  function reached(bed: Bed, fill: (errorCode: number) => void): { gpa: number; notBacked: boolean } {
    for (let turn = 0; turn < 4; turn++) {
      const code = bed.translate(AT, true, true);
      if (code === -1) return { gpa: bed.hardware.gpa, notBacked: bed.hardware.notBacked };
      fill(code);
    }
    throw new Error("the shadow does not allow the access in time");
  }
  const far = (): { bed: Bed; paging: GuestPaging } => {
    const bed = new Bed();
    // 0xC_0000_0000 + 4 MiB.
    bed.setPde(1, largeEntry36(0xc00400) | PS | P | A | D | U | W);
    const { cr0, cr3, cr4, efer, pdptes } = bed.paging;
    return { bed, paging: { cr0, cr3, cr4, efer, pdptes, features: pse36 } };
  };
  const AS_THE_GUEST_SAYS = { gpa: 0xc_0040_5234, notBacked: true };

  test("is reported as such under vtlb", () => {
    const { bed, paging } = far();
    const pager = new VtlbPager({ ...bed, paging });
    bed.hardware.set(pager.hardware);
    const fill = (code: number) => {
      const verdict = classifyFault(bed.walker, paging, gva(AT), code);
      if (verdict.kind === "shadow") expect(pager.fill(verdict.fault).level).toBe(2);
    };
    expect(reached(bed, fill)).toEqual(AS_THE_GUEST_SAYS);
    expect(pager.audit()).toEqual([]);
  });
  test("is reported as such under kvm", () => {
    const { bed, paging } = far();
    let load = () => {};
    const nothing = () => {};
    const tlb: TlbControl = {
      flush: nothing,
      flushNonGlobal: nothing,
      flushPage: nothing,
      flushTag: nothing,
      loadRoot: () => load(),
      translations: () => [],
    };
    const pager = new KvmPager({ ...bed, paging, tlb });
    load = () => bed.hardware.set(pager.hardware);
    load();
    pager.enter();
    const fill = (code: number) => {
      pager.fault(gva(AT), code);
      pager.enter();
    };
    expect(reached(bed, fill)).toEqual(AS_THE_GUEST_SAYS);
    expect(pager.audit()).toEqual([]);
  });
});
