import { describe, expect, test } from "vitest";
import { ExitControl } from "../../../src/cpu/exit.ts";
import { Cr0, Cr4 } from "../../../src/cpu/state.ts";
import { NO_FRAME } from "../../../src/mmu/address.ts";
import { PagerError } from "../../../src/mmu/pager.ts";
import { VtlbPager } from "../../../src/mmu/shadow/vtlb/pager.ts";
import { A, Bed, D, G, gva, MIB, P, PS, U, W } from "../bed.ts";
import { ShadowVcpu } from "./vcpu.ts";

const SIZE = 0x1000;
const LARGE = 0x400000;
const shadowOf = (vcpu: ShadowVcpu) => vcpu.bed.shadow(vcpu.pager.hardware);
const clean = (vcpu: ShadowVcpu) => {
  const report = vcpu.pager.auditReport();
  expect([report.violations, vcpu.uncovered()]).toEqual([[], []]);
  return report;
};

describe("filling", () => {
  test("a read withholds W until the guest's D is set, a write then grants it", () => {
    const vcpu = new ShadowVcpu();
    vcpu.bed.map(0x401000, 0x345000 | P | W | U);
    expect(vcpu.access(0x401abc, false, true)).toEqual({ gpa: 0x345abc, backed: true });
    expect(shadowOf(vcpu)).toEqual([{ gva: 0x401000, sizeBytes: SIZE, frame: 0x745, flags: "UA" }]);
    expect(vcpu.access(0x401abc, true, true)).toEqual({ gpa: 0x345abc, backed: true });
    expect(shadowOf(vcpu)).toEqual([{ gva: 0x401000, sizeBytes: SIZE, frame: 0x745, flags: "WUAD" }]);
    expect([vcpu.bed.pde(1) & (A | D), vcpu.bed.pte(0x401000) & (A | D)]).toEqual([A, A | D]);
    expect(vcpu.fills).toEqual([
      { gva: 0x401abc, gfn: 0x345, mfn: 0x745, writable: false, user: true, level: 1, tablesAllocated: 1 },
      { gva: 0x401abc, gfn: 0x345, mfn: 0x745, writable: true, user: true, level: 1, tablesAllocated: 0 },
    ]);
    expect(clean(vcpu)).toMatchObject({ entries: 1, staleEntries: 0 });
  });

  test("a page whose D is set already is writable from the first read on", () => {
    const vcpu = new ShadowVcpu();
    vcpu.bed.map(0x401000, 0x345000 | P | W | D);
    vcpu.access(0x401000, false, false);
    expect(shadowOf(vcpu)).toEqual([{ gva: 0x401000, sizeBytes: SIZE, frame: 0x745, flags: "WAD" }]);
    expect(vcpu.fills).toHaveLength(1);
  });

  test("a refused access fills nothing and is the guest's own fault", () => {
    const vcpu = new ShadowVcpu();
    vcpu.bed.map(0x401000, 0x345000 | P);
    expect(vcpu.access(0x401000, true, true)).toEqual({ fault: 7 });
    expect(vcpu.access(0x402000, true, false)).toEqual({ fault: 2 });
    expect([shadowOf(vcpu), vcpu.fills]).toEqual([[], []]);
  });

  test("a 4 MiB page becomes a large entry where the host's frames allow it", () => {
    const vcpu = new ShadowVcpu();
    vcpu.bed.setPde(2, 0x800000 | P | W | U | PS);
    expect(vcpu.access(0x8abcde, true, true)).toEqual({ gpa: 0x8abcde, backed: true });
    expect(vcpu.access(0xa00000, false, false)).toEqual({ gpa: 0xa00000, backed: true });
    expect(shadowOf(vcpu)).toEqual([{ gva: 0x800000, sizeBytes: LARGE, frame: 0xc00, flags: "WUAD" }]);
    expect(vcpu.fills).toHaveLength(1);
    clean(vcpu);
  });

  test("a 4 MiB page over the legacy hole goes in pieces, what is not backed is reported by its guest-physical address", () => {
    const vcpu = new ShadowVcpu();
    vcpu.bed.setPde(0x300, P | W | PS | D);
    expect(vcpu.access(0xc0001010, false, false)).toEqual({ gpa: 0x1010, backed: true });
    expect(vcpu.access(0xc00b8010, true, false)).toEqual({ gpa: 0xb8010, backed: false });
    expect(shadowOf(vcpu)).toEqual([
      { gva: 0xc0001000, sizeBytes: SIZE, frame: 0x401, flags: "WAD" },
      { gva: 0xc00b8000, sizeBytes: SIZE, frame: 0xb8, flags: "WAD?" },
    ]);
    expect(vcpu.fills[1]).toMatchObject({ gfn: 0xb8, mfn: NO_FRAME });
    clean(vcpu);
  });

  test("with paging off is the identity with all rights, large where possible", () => {
    const vcpu = new ShadowVcpu();
    vcpu.setControl("cr0", Cr0.PE);
    for (const at of [0x1000, 0xb8000, 0x456789, 0xfee00000])
      expect(vcpu.access(at, true, true)).toEqual({ gpa: at, backed: at === 0x1000 || at === 0x456789 });
    expect(shadowOf(vcpu)).toEqual([
      { gva: 0x1000, sizeBytes: SIZE, frame: 0x401, flags: "WUAD" },
      { gva: 0xb8000, sizeBytes: SIZE, frame: 0xb8, flags: "WUAD?" },
      { gva: 0x400000, sizeBytes: LARGE, frame: 0x800, flags: "WUAD" },
      { gva: 0xfee00000, sizeBytes: SIZE, frame: 0xfee00, flags: "WUAD?" },
    ]);
    clean(vcpu);
    expect(vcpu.setControl("cr0", Cr0.PE | Cr0.PG)).toBe(4);
    expect(shadowOf(vcpu)).toEqual([]);
  });
});

describe("CR0.WP clear", () => {
  const withoutWp = () => {
    const vcpu = new ShadowVcpu();
    vcpu.setControl("cr0", Cr0.PE | Cr0.PG);
    return vcpu;
  };

  test("a supervisor write to a read-only user page works, sets D, and leaves the page read-only for the user", () => {
    const vcpu = withoutWp();
    vcpu.bed.map(0x401000, 0x345000 | P | U);
    expect(vcpu.access(0x401000, false, false)).toEqual({ gpa: 0x345000, backed: true });
    expect(vcpu.bed.pte(0x401000) & D).toBe(0);
    expect(vcpu.access(0x401000, true, false)).toEqual({ gpa: 0x345000, backed: true });
    expect(vcpu.bed.pte(0x401000) & D).toBe(D);
    expect(shadowOf(vcpu)[0]?.flags).toBe("WAD");
    clean(vcpu);
    expect(vcpu.access(0x401000, true, true)).toEqual({ fault: 7 });
    expect(vcpu.access(0x401000, false, true)).toEqual({ gpa: 0x345000, backed: true });
    expect(shadowOf(vcpu)[0]?.flags).toBe("UA");
    clean(vcpu);
    expect(vcpu.access(0x401000, true, true)).toEqual({ fault: 7 });
    expect(vcpu.access(0x401000, true, false)).toEqual({ gpa: 0x345000, backed: true });
  });

  test("a dirty read-only supervisor page is writable at once", () => {
    const vcpu = withoutWp();
    vcpu.bed.map(0x401000, 0x345000 | P | D);
    vcpu.access(0x401000, false, false);
    expect(shadowOf(vcpu)[0]?.flags).toBe("WAD");
    clean(vcpu);
  });

  test("setting it drops what was granted without it", () => {
    const vcpu = withoutWp();
    vcpu.bed.map(0x401000, 0x345000 | P | U);
    vcpu.access(0x401000, true, false);
    expect(vcpu.setControl("cr0", Cr0.PE | Cr0.PG | Cr0.WP)).toBe(1);
    expect(vcpu.access(0x401000, true, false)).toEqual({ fault: 3 });
  });

  test("other bits of CR0 and CR4 drop nothing", () => {
    const vcpu = new ShadowVcpu();
    vcpu.bed.map(0x401000, 0x345000 | P);
    vcpu.access(0x401000, false, false);
    expect(vcpu.setControl("cr0", vcpu.bed.paging.cr0 | Cr0.TS)).toBe(0);
    expect(vcpu.setControl("cr4", vcpu.bed.paging.cr4 | Cr4.TSD)).toBe(0);
    expect(shadowOf(vcpu)).toHaveLength(1);
    clean(vcpu);
  });
});

describe("dropping", () => {
  /** User page in slot 1, global pages in slot 0x300 and a global 4 MiB page in slot 0x301, all touched. */
  const populated = (options = {}) => {
    const vcpu = new ShadowVcpu(options);
    vcpu.setControl("cr4", Cr4.PSE | Cr4.PGE);
    vcpu.bed.map(0x401000, 0x345000 | P | W | U);
    vcpu.bed.map(0xc0000000, 0x346000 | P | W | G);
    vcpu.bed.map(0xc0001000, 0x347000 | P | W | G);
    vcpu.bed.setPde(0x301, 0x800000 | P | W | PS | G);
    for (const at of [0x401000, 0xc0000000, 0xc0001000, 0xc0400000]) vcpu.access(at, false, false);
    return vcpu;
  };
  const gvas = (vcpu: ShadowVcpu) => shadowOf(vcpu).map((leaf) => leaf.gva);

  test("a CR3 load drops what is not global, and only that", () => {
    const vcpu = populated();
    expect(vcpu.loadCr3(vcpu.bed.paging.cr3)).toBe(1);
    expect(gvas(vcpu)).toEqual([0xc0000000, 0xc0001000, 0xc0400000]);
    expect(clean(vcpu)).toMatchObject({ entries: 3, staleEntries: 0 });
  });

  test("a slot that mixes global and other entries is dropped as a whole", () => {
    const vcpu = populated();
    vcpu.bed.map(0xc0002000, 0x348000 | P);
    vcpu.access(0xc0002000, false, false);
    expect(vcpu.loadCr3(vcpu.bed.paging.cr3)).toBe(4);
    expect(gvas(vcpu)).toEqual([0xc0400000]);
    clean(vcpu);
  });

  test("everything goes at a CR3 load without CR4.PGE, or without keepGlobal", () => {
    const without = populated({ keepGlobal: false });
    expect(shadowOf(without).some((leaf) => leaf.flags.includes("G"))).toBe(false);
    expect(without.loadCr3(without.bed.paging.cr3)).toBe(4);
    expect(gvas(without)).toEqual([]);
    clean(without);
  });

  test("switching CR4.PGE off and on drops global entries", () => {
    const vcpu = populated();
    expect(vcpu.setControl("cr4", Cr4.PSE)).toBe(4);
    expect(vcpu.setControl("cr4", Cr4.PSE | Cr4.PGE)).toBe(0);
    expect([gvas(vcpu), vcpu.tlb.pages.size]).toEqual([[], 0]);
  });

  test("INVLPG drops one 4 KiB entry, global or not", () => {
    const vcpu = populated();
    vcpu.invlpg(0xc0001fff);
    expect(gvas(vcpu)).toEqual([0x401000, 0xc0000000, 0xc0400000]);
    vcpu.invlpg(0x401000);
    expect(gvas(vcpu)).toEqual([0xc0000000, 0xc0400000]);
    clean(vcpu);
  });

  test("INVLPG anywhere in a 4 MiB page drops all of it, large entry or pieces", () => {
    const vcpu = populated();
    vcpu.invlpg(0xc07ff000);
    vcpu.bed.setPde(0x302, P | W | PS);
    vcpu.access(0xc0801000, false, false);
    vcpu.access(0xc0802000, false, false);
    vcpu.invlpg(0xc0bff000);
    expect(gvas(vcpu)).toEqual([0x401000, 0xc0000000, 0xc0001000]);
    clean(vcpu);
  });

  test("another memory map drops everything, and the next fills go by it", () => {
    const vcpu = populated();
    const { p2m } = vcpu.bed;
    p2m.closeA20();
    vcpu.pager.remapped();
    expect([gvas(vcpu), vcpu.tlb.pages.size]).toEqual([[], 0]);
    vcpu.access(0x401000, false, false);
    vcpu.access(0xc0500000, false, false);
    expect(shadowOf(vcpu).map(({ frame, sizeBytes }) => [frame, sizeBytes])).toEqual([
      [0x645, SIZE],
      [0xc00, SIZE],
    ]);
    clean(vcpu);
    p2m.openA20();
    vcpu.pager.remapped();
    expect(vcpu.access(0xc0500000, false, false)).toEqual({ gpa: 0x900000, backed: true });
    expect(shadowOf(vcpu)).toMatchObject([{ gva: 0xc0400000, sizeBytes: LARGE, frame: 0xc00 }]);
    clean(vcpu);
  });

  test("what was dropped is filled anew from the guest's tables of then", () => {
    const vcpu = populated();
    vcpu.bed.setPte(0xc0000000, 0x399000 | P | W | G);
    expect(vcpu.access(0xc0000123, false, false)).toEqual({ gpa: 0x346123, backed: true });
    expect(clean(vcpu).staleEntries).toBe(1);
    vcpu.invlpg(0xc0000000);
    expect(vcpu.access(0xc0000123, false, false)).toEqual({ gpa: 0x399123, backed: true });
    expect(clean(vcpu).staleEntries).toBe(0);
  });

  test("the TLB is told what must go, and no more", () => {
    const bed = new Bed();
    const pager = new VtlbPager({ ...bed });
    bed.hardware.set(pager.hardware);
    bed.paging.cr4 = Cr4.PSE | Cr4.PGE;
    pager.contextChanged("cr4");
    const touch = (at: number, write: boolean) => {
      const walk = bed.walker.walk({ gva: gva(at), write, user: false }, bed.paging);
      if (walk.kind === "mapped") pager.fill({ gva: gva(at), errorCode: write ? 2 : 0, walk });
    };
    bed.tlb.take();
    bed.map(0x401000, 0x345000 | P | W);
    touch(0x401000, false);
    touch(0x401000, true);
    expect(bed.tlb.take()).toEqual([]);
    bed.setPte(0x401000, 0x346000 | P | W);
    touch(0x401000, false);
    expect(bed.tlb.take()).toEqual(["flushPage 401000"]);
    pager.invalidatePage(gva(0x401000));
    expect(bed.tlb.take()).toEqual(["flushPage 401000"]);
    pager.contextChanged("cr3");
    expect(bed.tlb.take()).toEqual(["flushNonGlobal"]);
    bed.paging.cr4 = Cr4.PSE;
    pager.contextChanged("cr4");
    expect(bed.tlb.take()).toEqual(["flush"]);
    pager.dispose();
    expect(bed.tlb.take()).toEqual(["flush"]);
  });

  test("a guest page that shrinks from 4 MiB to 4 KiB, or grows, leaves nothing of the other size", () => {
    const vcpu = new ShadowVcpu();
    vcpu.bed.setPde(1, 0x800000 | P | W | PS);
    vcpu.access(0x401000, false, false);
    vcpu.bed.map(0x402000, 0x345000 | P | W);
    vcpu.bed.setPte(0x401000, 0x346000 | P | W);
    expect(vcpu.access(0x401000, true, false)).toEqual({ gpa: 0x346000, backed: true });
    expect(shadowOf(vcpu)).toEqual([{ gva: 0x401000, sizeBytes: SIZE, frame: 0x746, flags: "WAD" }]);
    clean(vcpu);
    vcpu.bed.setPde(1, 0x800000 | P | W | PS);
    expect(vcpu.access(0x402000, true, false)).toEqual({ gpa: 0x802000, backed: true });
    expect(shadowOf(vcpu)).toEqual([{ gva: 0x400000, sizeBytes: LARGE, frame: 0xc00, flags: "WAD" }]);
    clean(vcpu);
  });
});

describe("frames", () => {
  test("are recycled after a flush and all given back at the end", () => {
    const vcpu = new ShadowVcpu();
    for (const slot of [1, 2, 3]) {
      vcpu.bed.map(slot * LARGE, 0x345000 | P);
      vcpu.access(slot * LARGE, false, false);
    }
    expect([vcpu.pager.framesHeld, vcpu.bed.frames.heldBy("guest/vtlb")]).toEqual([8, 8]);
    vcpu.loadCr3(vcpu.bed.paging.cr3);
    for (const slot of [3, 1]) vcpu.access(slot * LARGE, false, false);
    expect([vcpu.pager.framesHeld, vcpu.fills.at(-1)?.tablesAllocated]).toEqual([8, 0]);
    clean(vcpu);
    vcpu.pager.dispose();
    expect(vcpu.bed.frames.heldBy("guest/vtlb")).toBe(0);
  });

  test("a recycled table starts empty", () => {
    const vcpu = new ShadowVcpu({ tableBudget: 1 });
    vcpu.bed.map(0x401000, 0x345000 | P);
    vcpu.bed.map(0x802000, 0x346000 | P);
    vcpu.access(0x401000, false, false);
    vcpu.access(0x802000, false, false);
    expect(shadowOf(vcpu)).toEqual([{ gva: 0x802000, sizeBytes: SIZE, frame: 0x746, flags: "A" }]);
    expect([vcpu.pager.exhaustions, vcpu.pager.framesHeld]).toEqual([1, 6]);
    clean(vcpu);
  });

  test("an exhausted machine is met by starting anew, and without any table by an error for this guest", () => {
    const bed = new Bed(12 * MIB, 0x1000);
    const take = (leave: number) => {
      while (bed.frames.freeFrames > leave) bed.frames.allocate("others");
    };
    take(6);
    const vcpu = new ShadowVcpu({}, undefined, bed);
    for (const slot of [1, 2]) {
      bed.map(slot * LARGE, 0x345000 | P);
      expect(vcpu.access(slot * LARGE, false, false)).toEqual({ gpa: 0x345000, backed: true });
    }
    expect([vcpu.pager.exhaustions, shadowOf(vcpu).map((leaf) => leaf.gva)]).toEqual([1, [2 * LARGE]]);
    clean(vcpu);
    vcpu.pager.dispose();
    take(5);
    const second = new ShadowVcpu({}, undefined, bed);
    expect(() => second.access(LARGE, false, false)).toThrow(PagerError);
    expect(() => second.access(LARGE, false, false)).toThrow("give the machine more memory");
    expect(() => new ShadowVcpu({}, undefined, bed)).toThrow(PagerError);
  });

  test("a budget that cannot hold a single table is refused", () => {
    expect(() => new ShadowVcpu({ tableBudget: 0 })).toThrow(RangeError);
  });
});

test("the pager asks for the exits that it needs", () => {
  const { pager } = new ShadowVcpu();
  expect(pager.controls).toBe(
    ExitControl.pageFault |
      ExitControl.cr0 |
      ExitControl.cr3 |
      ExitControl.cr4 |
      ExitControl.executeDisable |
      ExitControl.invlpg,
  );
  expect(pager.hardware).toMatchObject({ mode: "shadow", root: 0x1000, writeProtect: true });
});
