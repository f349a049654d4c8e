import { describe, expect, test } from "vitest";
import { Cr0, Cr4, Efer } from "../../../src/cpu/state.ts";
import { NO_FRAME } from "../../../src/mmu/address.ts";
import type { ShadowFault } from "../../../src/mmu/pager.ts";
import type { PagerContext } from "../../../src/mmu/shadow/context.ts";
import { type VtlbOptions, VtlbPager } from "../../../src/mmu/shadow/vtlb/pager.ts";
import { A, D, DIRECTORY, G, gpa, gva, P, PS, tableOf, U, W } from "../bed.ts";
import { DIRECTORY2, NX, POINTERS, TABLE1, WideBed } from "../wide-bed.ts";
import { ShadowVcpu } from "./vcpu.ts";

/** In GiB 1: slots 0x200 (page table TABLE1), and others. */
const BASE = 0x40000000;
const PIECE = 0x200000;

type WideVcpu = ShadowVcpu<WideBed>;
type Constructor = new (...args: ConstructorParameters<typeof VtlbPager>) => VtlbPager;

/** A vcpu with PAE, NX and PGE whose GiB 1 has a directory, of which entry 0 leads to TABLE1. */
function wideVcpu(options: VtlbOptions = {}, Pager: Constructor = VtlbPager): WideVcpu {
  const bed = new WideBed();
  bed.paging.cr4 = Cr4.PAE | Cr4.PGE;
  bed.latch(1);
  bed.put(DIRECTORY2, 0, TABLE1 | P | W | U | A);
  const make = (context: PagerContext, given: VtlbOptions) => new Pager(context, given);
  return new ShadowVcpu(options, make, bed);
}

const shadowOf = (vcpu: ShadowVcpu) => vcpu.bed.shadow(vcpu.pager.hardware);
const gvas = (vcpu: ShadowVcpu) => shadowOf(vcpu).map((leaf) => leaf.gva);
const rulesOf = (vcpu: ShadowVcpu) => [...new Set(vcpu.pager.audit().map((v) => v.rule))].sort();
const clean = (vcpu: ShadowVcpu) => {
  const report = vcpu.pager.auditReport();
  expect([report.violations, vcpu.uncovered()]).toEqual([[], []]);
  return report;
};
/** Latches the PDPTEs as a load of CR3 does, and makes it. */
function loadCr3(vcpu: WideVcpu, cr3 = POINTERS): number {
  if (!vcpu.bed.hardware.latchPdptes(cr3)) throw new Error("the PDPTEs are refused");
  return vcpu.loadCr3(cr3);
}

describe("filling for a guest with PAE", () => {
  test("the shadow has 8-byte entries, and a leaf forbids fetches where any entry of the path does", () => {
    const vcpu = wideVcpu();
    vcpu.bed.put(TABLE1, 1, 0x345000 | P | W | U | D, NX);
    vcpu.bed.put(TABLE1, 2, 0x346000 | P | W);
    vcpu.bed.put(DIRECTORY2, 1, tableOf(1) | P | W | U, NX);
    vcpu.bed.put(tableOf(1), 3, 0x347000 | P | U);
    for (const page of [0x1000, 0x2000, PIECE + 0x3000]) vcpu.access(BASE + page, false, false);
    expect(vcpu.pager.hardware).toMatchObject({ format: "PAE", root: 0x5000 });
    expect(shadowOf(vcpu)).toEqual([
      { gva: BASE + 0x1000, sizeBytes: 0x1000, frame: 0x745, flags: "WUNAD" },
      { gva: BASE + 0x2000, sizeBytes: 0x1000, frame: 0x746, flags: "A" },
      { gva: BASE + PIECE + 0x3000, sizeBytes: 0x1000, frame: 0x747, flags: "UNA" },
    ]);
    expect(vcpu.access(BASE + 0x1000, false, true, true)).toEqual({ fault: 0x15 });
    expect(vcpu.access(BASE + 0x2000, false, false, true)).toEqual({ gpa: 0x346000, backed: true });
    expect(clean(vcpu)).toMatchObject({ entries: 3, staleEntries: 0 });
  });

  test("every GiB begins at its own pointer", () => {
    const vcpu = wideVcpu();
    for (const gib of [0, 2, 3]) vcpu.bed.put(POINTERS, gib, (DIRECTORY2 + 0x100000 * (gib + 1)) | P);
    for (const gib of [0, 2, 3])
      vcpu.bed.put(DIRECTORY2 + 0x100000 * (gib + 1), 0x1ff, 0x400000 | P | PS | W | U);
    loadCr3(vcpu);
    const last = [0, 2, 3].map((gib) => gib * 2 ** 30 + 0x1ff * PIECE);
    for (const at of last)
      expect(vcpu.access(at + 0x1234, true, true)).toEqual({ gpa: 0x401234, backed: true });
    expect(gvas(vcpu)).toEqual(last);
    clean(vcpu);
  });

  test("a 2 MiB page becomes a large leaf where the host's frames allow it, otherwise pieces", () => {
    const vcpu = wideVcpu();
    vcpu.bed.put(DIRECTORY2, 1, 0x600000 | P | W | U | PS, NX);
    vcpu.bed.put(DIRECTORY2, 2, P | W | PS | D);
    expect(vcpu.access(BASE + PIECE + 0xabcde, true, true)).toEqual({ gpa: 0x6abcde, backed: true });
    expect(vcpu.access(BASE + 2 * PIECE + 0x1010, false, false)).toEqual({ gpa: 0x1010, backed: true });
    expect(vcpu.access(BASE + 2 * PIECE + 0xb8010, true, false)).toEqual({ gpa: 0xb8010, backed: false });
    expect(shadowOf(vcpu)).toEqual([
      { gva: BASE + PIECE, sizeBytes: PIECE, frame: 0xa00, flags: "WUNAD" },
      { gva: BASE + 2 * PIECE + 0x1000, sizeBytes: 0x1000, frame: 0x401, flags: "WAD" },
      { gva: BASE + 2 * PIECE + 0xb8000, sizeBytes: 0x1000, frame: 0xb8, flags: "WAD?" },
    ]);
    expect(vcpu.fills.map(({ level }) => level)).toEqual([2, 1, 1]);
    clean(vcpu);
  });

  test("what lies above 4 GiB is reported by its guest-physical address", () => {
    const vcpu = wideVcpu();
    vcpu.bed.put(TABLE1, 1, 0x345000 | P | W, 0xc);
    vcpu.bed.put(DIRECTORY2, 1, 0x600000 | P | W | PS, 0xf | NX);
    expect(vcpu.access(BASE + 0x1abc, true, false)).toEqual({ gpa: 0xc_0034_5000 + 0xabc, backed: false });
    expect(vcpu.access(BASE + PIECE + 0x5678, false, false)).toEqual({ gpa: 0xf_0060_5678, backed: false });
    expect(vcpu.fills.map(({ mfn }) => mfn)).toEqual([NO_FRAME, NO_FRAME]);
    expect(shadowOf(vcpu).map(({ frame, flags }) => [frame, flags])).toEqual([
      [0xc00345, "WAD?"],
      [0xf00605, "NA?"],
    ]);
    clean(vcpu);
  });

  test("reserved bits are the guest's own fault, NX among them while EFER.NXE is clear", () => {
    const vcpu = wideVcpu();
    vcpu.bed.put(TABLE1, 1, 0x345000 | P | W, NX);
    vcpu.bed.put(TABLE1, 2, 0x345000 | P | W, 0x10);
    expect(vcpu.access(BASE + 0x1000, true, false)).toEqual({ gpa: 0x345000, backed: true });
    expect(vcpu.access(BASE + 0x2000, true, false)).toEqual({ fault: 0xb });
    expect(vcpu.setControl("efer", 0)).toBe(1);
    expect(vcpu.access(BASE + 0x1000, true, false)).toEqual({ fault: 0xb });
    expect(vcpu.access(BASE + 0x1000, false, false, true)).toEqual({ fault: 0x9 });
    expect(shadowOf(vcpu)).toEqual([]);
    expect(vcpu.setControl("efer", Efer.NXE)).toBe(0);
    expect(vcpu.access(BASE + 0x1000, false, false, true)).toEqual({ fault: 0x11 });
  });

  test("A and D are set in the guest's entries as the processor would", () => {
    const vcpu = wideVcpu();
    vcpu.bed.put(DIRECTORY2, 0, TABLE1 | P | W | U);
    vcpu.bed.put(TABLE1, 1, 0x345000 | P | W, NX);
    vcpu.access(BASE + 0x1000, false, false);
    expect([vcpu.bed.entry(DIRECTORY2, 0), vcpu.bed.entry(TABLE1, 1)]).toEqual([
      [TABLE1 | P | W | U | A, 0],
      [0x345000 | P | W | A, NX],
    ]);
    vcpu.access(BASE + 0x1000, true, false);
    expect(vcpu.bed.entry(TABLE1, 1)).toEqual([0x345000 | P | W | A | D, NX]);
  });
});

describe("dropping for a guest with PAE", () => {
  /** A page, two global ones, a global 2 MiB page and its neighbour that is not global. */
  const populated = () => {
    const vcpu = wideVcpu();
    vcpu.bed.put(TABLE1, 1, 0x345000 | P | W | U);
    vcpu.bed.put(DIRECTORY2, 1, tableOf(1) | P | W);
    for (const page of [0, 1]) vcpu.bed.put(tableOf(1), page, (0x346000 + page * 0x1000) | P | G);
    vcpu.bed.put(DIRECTORY2, 2, 0x800000 | P | W | PS | G);
    vcpu.bed.put(DIRECTORY2, 3, 0xa00000 | P | W | PS);
    for (const at of [0x1000, PIECE, PIECE + 0x1000, 2 * PIECE, 3 * PIECE])
      vcpu.access(BASE + at, false, false);
    return vcpu;
  };
  const offsets = (vcpu: WideVcpu) => gvas(vcpu).map((at) => at - BASE);

  test("a CR3 load drops what is not global, and only that, and the next fill begins at the new pointers", () => {
    const vcpu = populated();
    vcpu.bed.put(POINTERS + 0x40, 1, (DIRECTORY2 + 0x100000) | P);
    vcpu.bed.put(DIRECTORY2 + 0x100000, 0, 0x400000 | P | PS);
    expect(loadCr3(vcpu, POINTERS + 0x40)).toBe(2);
    expect(offsets(vcpu)).toEqual([PIECE, PIECE + 0x1000, 2 * PIECE]);
    expect(vcpu.access(BASE + 0x1000, false, false)).toEqual({ gpa: 0x401000, backed: true });
    expect(clean(vcpu)).toMatchObject({ entries: 4, staleEntries: 3 });
  });

  test("INVLPG anywhere in a 2 MiB page drops that and not the next one", () => {
    const vcpu = populated();
    vcpu.invlpg(BASE + 2 * PIECE + 0x1ff000);
    expect(offsets(vcpu)).toEqual([0x1000, PIECE, PIECE + 0x1000, 3 * PIECE]);
    vcpu.invlpg(BASE + PIECE);
    expect(offsets(vcpu)).toEqual([0x1000, PIECE + 0x1000, 3 * PIECE]);
    clean(vcpu);
  });

  test("a stale pointer is as good as the processor holds it for", () => {
    const vcpu = populated();
    vcpu.bed.put(POINTERS, 1, 0);
    expect(vcpu.access(BASE + 0x2000, false, false)).toEqual({ fault: 0 });
    vcpu.bed.put(TABLE1, 2, 0x348000 | P);
    expect(vcpu.access(BASE + 0x2000, false, false)).toEqual({ gpa: 0x348000, backed: true });
    expect(clean(vcpu).staleEntries).toBe(0);
    loadCr3(vcpu);
    expect(vcpu.access(BASE + 0x2000, false, false)).toEqual({ fault: 0 });
    expect(vcpu.access(BASE + PIECE, false, false)).toEqual({ gpa: 0x346000, backed: true });
  });

  test("the TLB is told of a leaf that loses the right to fetches or moves above 4 GiB, and not of one that gains", () => {
    const bed = new WideBed();
    bed.latch(1);
    bed.put(DIRECTORY2, 0, TABLE1 | P | W | U | A);
    const pager = new VtlbPager({ ...bed });
    const touch = (low: number, high: number) => {
      bed.put(TABLE1, 1, low | P | W | A, high);
      const at = gva(BASE + 0x1000);
      const walk = bed.walker.walk({ gva: at, write: false, user: false }, bed.paging);
      if (walk.kind === "mapped") pager.fill({ gva: at, errorCode: 0, walk });
      return bed.tlb.take();
    };
    const flush = ["flushPage 40001000"];
    expect(touch(0x345000, NX)).toEqual([]);
    expect(touch(0x345000, 0)).toEqual([]);
    expect(touch(0x345000, NX)).toEqual(flush);
    expect(touch(0x345000, NX | 1)).toEqual(flush);
    expect(touch(0x345000, NX | 2)).toEqual(flush);
    expect(touch(0x345000, 2)).toEqual([]);
  });
});

describe("changing the format", () => {
  test("CR0.PG and CR4.PAE choose it, drop everything, and give the hardware the root", () => {
    const vcpu = wideVcpu();
    vcpu.bed.put(TABLE1, 1, 0x345000 | P | W);
    vcpu.access(BASE + 0x1000, true, false);
    expect(vcpu.setControl("cr0", Cr0.PE)).toBe(1);
    expect(vcpu.pager.hardware).toMatchObject({ format: "32-bit", root: 0x1000 });
    expect(vcpu.access(0x401234, true, true)).toEqual({ gpa: 0x401234, backed: true });
    clean(vcpu);
    expect(vcpu.setControl("cr4", Cr4.PSE)).toBe(1);
    vcpu.bed.paging.cr3 = DIRECTORY;
    vcpu.bed.setPde(1, tableOf(1) | P | W);
    vcpu.bed.setPte(0x401000, 0x346000 | P | W);
    expect(vcpu.setControl("cr0", Cr0.PE | Cr0.PG)).toBe(0);
    expect(vcpu.access(0x401234, true, false)).toEqual({ gpa: 0x346234, backed: true });
    clean(vcpu);
    vcpu.bed.paging.cr3 = POINTERS;
    vcpu.bed.latch(1);
    expect(vcpu.setControl("cr4", Cr4.PAE)).toBe(1);
    expect(vcpu.pager.hardware).toMatchObject({ format: "PAE", root: 0x5000 });
    expect(vcpu.access(BASE + 0x1234, true, false)).toEqual({ gpa: 0x345234, backed: true });
    expect(clean(vcpu)).toMatchObject({ entries: 1, staleEntries: 0 });
    vcpu.pager.dispose();
    expect(vcpu.bed.frames.heldBy("guest/vtlb")).toBe(0);
  });

  test("tables of one format serve in the other, empty", () => {
    const vcpu = wideVcpu({ tableBudget: 1 });
    for (let page = 0; page < 512; page++) {
      vcpu.bed.put(TABLE1, page, 0x345000 | P | W);
      vcpu.access(BASE + page * 0x1000, true, false);
    }
    vcpu.setControl("cr0", Cr0.PE);
    vcpu.access(0x1000, false, false);
    expect(gvas(vcpu)).toEqual([0x1000]);
    vcpu.bed.put(TABLE1, 0, 0);
    vcpu.setControl("cr0", Cr0.PE | Cr0.PG);
    vcpu.access(BASE + 0x5000, false, false);
    expect([gvas(vcpu), vcpu.pager.framesHeld, vcpu.pager.exhaustions]).toEqual([[BASE + 0x5000], 6, 0]);
    clean(vcpu);
  });

  test("a change that was not told is noticed by the next fill", () => {
    const vcpu = wideVcpu();
    vcpu.bed.put(TABLE1, 1, 0x345000 | P | W);
    vcpu.access(BASE + 0x1000, true, false);
    vcpu.bed.paging.cr0 = Cr0.PE;
    vcpu.access(0x2000, true, false);
    expect(vcpu.pager.hardware.format).toBe("32-bit");
    expect(gvas(vcpu)).toEqual([0x2000]);
    clean(vcpu);
  });
});

describe("the audit of vtlb finds, with PAE, a pager that", () => {
  const populate = (vcpu: WideVcpu) => {
    vcpu.bed.put(TABLE1, 1, 0x345000 | P | W | D, NX);
    vcpu.bed.put(DIRECTORY2, 1, 0x600000 | P | W | U | PS | A, NX);
    for (const at of [0x1000, PIECE]) vcpu.access(BASE + at, false, false);
    return vcpu;
  };
  test("(control: the sound pager has no violation)", () => {
    expect(rulesOf(populate(wideVcpu()))).toEqual([]);
  });

  const act: Record<string, [Constructor, (vcpu: WideVcpu) => void, string[]]> = {
    "lets everything be executed": [
      class extends VtlbPager {
        protected override isExecutable(): boolean {
          return true;
        }
      },
      () => {},
      ["excess-execute", "unjustified"],
    ],
    "is not told of EFER.NXE": [
      VtlbPager,
      (vcpu) => {
        vcpu.bed.paging.efer = 0;
      },
      ["missed-context-change", "spte-without-gpte"],
    ],
    "drops only one piece of a 2 MiB page at INVLPG": [
      class extends VtlbPager {
        protected override dropPage(at: number): void {
          const table = this.tables.tableAt(this.tables.slotOf(at));
          if (table !== undefined) this.tables.clearLeaf(table, this.tables.indexOf(at));
        }
      },
      (vcpu) => {
        vcpu.bed.put(DIRECTORY2, 2, P | W | PS);
        for (const page of [1, 2]) vcpu.access(BASE + 2 * PIECE + page * 0x1000, false, false);
        vcpu.invlpg(BASE + 2 * PIECE + 0x1000);
      },
      ["missed-invalidation"],
    ],
    "takes gfns for mfns": [
      class extends VtlbPager {
        protected override hostFrame(fault: ShadowFault): number {
          return fault.walk.gfn;
        }
      },
      () => {},
      ["wrong-frame"],
    ],
  };
  test.each(Object.entries(act))("%s", (_name, [Pager, provoke, rules]) => {
    const vcpu = populate(wideVcpu({}, Pager));
    provoke(vcpu);
    expect(rulesOf(vcpu)).toEqual(rules);
  });

  const words = (vcpu: WideVcpu) => vcpu.bed.machine.u32;
  const slotWord = (vcpu: WideVcpu, slot: number) => vcpu.pager.tables.directory * 1024 + slot * 2;
  const pokes: Record<string, [(vcpu: WideVcpu) => void, string[]]> = {
    "a large leaf that lost NX": [
      (v) => {
        words(v)[slotWord(v, 0x201) + 1] = 0;
      },
      ["excess-execute", "unjustified"],
    ],
    "a directory entry with address bits above": [
      (v) => {
        words(v)[slotWord(v, 0x200) + 1] = 1;
      },
      ["frame-count", "unknown-table"],
    ],
    "a large leaf of frames above": [
      (v) => {
        words(v)[slotWord(v, 0x201) + 1] = 1 | NX;
      },
      ["wrong-frame"],
    ],
    "a pointer that leads elsewhere": [
      (v) => {
        words(v)[(v.pager.hardware.root >>> 2) + 2] = 0x7001;
      },
      ["root"],
    ],
    "hardware with the other format": [
      (v) => {
        v.pager.hardware.format = "32-bit";
      },
      ["root"],
    ],
  };
  test.each(Object.entries(pokes))("holds %s", (_name, [damage, rules]) => {
    const vcpu = populate(wideVcpu());
    damage(vcpu);
    expect(rulesOf(vcpu)).toEqual(rules);
  });
});

test("PDPTEs that the processor refuses change nothing in the shadow", () => {
  const vcpu = wideVcpu();
  vcpu.bed.put(TABLE1, 1, 0x345000 | P | W);
  vcpu.access(BASE + 0x1000, true, false);
  vcpu.bed.memory.write32(gpa(POINTERS + 0x20), DIRECTORY2 | P | W);
  expect(vcpu.bed.hardware.latchPdptes(POINTERS + 0x20)).toBe(false);
  expect(vcpu.access(BASE + 0x1000, true, false)).toEqual({ gpa: 0x345000, backed: true });
  expect(gvas(vcpu)).toEqual([BASE + 0x1000]);
});
