import { describe, expect, test } from "vitest";
import { Cr0, Cr4 } from "../../../src/cpu/state.ts";
import { type Gva, NO_FRAME } from "../../../src/mmu/address.ts";
import type { ShadowFault } from "../../../src/mmu/pager.ts";
import { BarePager } from "../../../src/mmu/shadow/bare/pager.ts";
import { VtlbPager } from "../../../src/mmu/shadow/vtlb/pager.ts";
import type { FillRecord } from "../../../src/mmu/shadow/vtlb/records.ts";
import { A, Bed, D, G, gva, P, PS, U, W } from "../bed.ts";
import { ShadowVcpu } from "./vcpu.ts";

const LARGE = 0x400000;
const rulesOf = (vcpu: ShadowVcpu): string[] => [...new Set(vcpu.pager.audit().map((v) => v.rule))].sort();

/** Read-only user page at 0x401000, writable clean page at 0x402000, global kernel page, 4 MiB page; all read once. */
function populate(vcpu: ShadowVcpu): ShadowVcpu {
  vcpu.setControl("cr4", Cr4.PSE | Cr4.PGE);
  const { bed } = vcpu;
  bed.map(0x401000, 0x345000 | P | U);
  bed.map(0x402000, 0x346000 | P | W);
  bed.map(0xc0000000, 0x347000 | P | W | D | G);
  bed.setPde(2, 0x800000 | P | W | U | PS);
  for (const at of [0x401000, 0x402000, 0xc0000000, 0x800000]) vcpu.access(at, false, false);
  return vcpu;
}

function change(vcpu: ShadowVcpu, hpa: number, edit: (entry: number) => number): void {
  const words = vcpu.bed.machine.u32;
  words[hpa >>> 2] = edit(words[hpa >>> 2] as number);
}
/** Edits the leaf of a linear address, or the root entry of a slot, behind the pager's back. */
function poke(vcpu: ShadowVcpu, at: number, edit: (entry: number) => number): void {
  const table = vcpu.pager.tables.tableAt(at >>> 22);
  if (table === undefined) throw new Error("no table there");
  change(vcpu, table.mfn * 4096 + ((at >>> 12) & 0x3ff) * 4, edit);
}
function pokeRoot(vcpu: ShadowVcpu, slot: number, edit: (entry: number) => number): void {
  change(vcpu, vcpu.pager.tables.root * 4096 + slot * 4, edit);
}

type Constructor = new (...args: ConstructorParameters<typeof VtlbPager>) => VtlbPager;
const withPager = (Pager: Constructor) =>
  new ShadowVcpu({}, (context, options) => new Pager(context, options));

describe("the audit of vtlb finds a pager that", () => {
  test("(control: the sound pager has no violation)", () => {
    expect(rulesOf(populate(new ShadowVcpu()))).toEqual([]);
  });

  const act: Record<string, [Constructor, (vcpu: ShadowVcpu) => void, string[]]> = {
    "ignores INVLPG": [
      class extends VtlbPager {
        protected override dropPage(): void {}
      },
      (vcpu) => vcpu.invlpg(0x402000),
      ["missed-invalidation"],
    ],
    "drops only one piece of a 4 MiB page at INVLPG": [
      class extends VtlbPager {
        protected override dropPage(at: Gva): void {
          const table = this.tables.tableAt(at >>> 22);
          if (table !== undefined) this.tables.clearLeaf(table, (at >>> 12) & 0x3ff);
        }
      },
      (vcpu) => {
        vcpu.bed.setPde(3, P | W | PS);
        vcpu.access(0xc01000, false, false);
        vcpu.access(0xc02000, false, false);
        vcpu.invlpg(0xc01000);
      },
      ["missed-invalidation"],
    ],
    "ignores CR3 loads": [
      class extends VtlbPager {
        protected override dropForCr3(): number {
          return 0;
        }
      },
      (vcpu) => vcpu.loadCr3(vcpu.bed.paging.cr3),
      ["missed-invalidation"],
    ],
    "keeps global entries although CR4.PGE was switched off": [
      class extends VtlbPager {
        protected override dropEverything(): number {
          return this.tables.dropNonGlobal().dropped;
        }
      },
      (vcpu) => vcpu.setControl("cr4", Cr4.PSE),
      ["excess-global", "missed-invalidation", "unjustified"],
    ],
    "does not notice CR0.WP": [
      class extends VtlbPager {
        protected override pagingBits(): number {
          return 0;
        }
      },
      (vcpu) => {
        vcpu.setControl("cr0", Cr0.PE | Cr0.PG);
        vcpu.bed.map(0x403000, 0x345000 | P);
        vcpu.access(0x403000, true, false);
        vcpu.setControl("cr0", Cr0.PE | Cr0.PG | Cr0.WP);
      },
      ["excess-write", "unjustified"],
    ],
    "grants every right": [
      class extends VtlbPager {
        protected override rights(): number {
          return W | U;
        }
      },
      () => {},
      ["excess-user", "excess-write", "unjustified", "write-before-dirty"],
    ],
    "grants W before D is set": [
      class extends VtlbPager {
        protected override rights(fault: ShadowFault): number {
          return (fault.walk.writable ? W : 0) | (fault.walk.user ? U : 0);
        }
      },
      () => {},
      ["unjustified", "write-before-dirty"],
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
    "maps one of its own tables into the guest": [
      class extends VtlbPager {
        protected override hostFrame(): number {
          return this.tables.root;
        }
      },
      () => {},
      ["wrong-frame"],
    ],
    "takes memory for missing": [
      class extends VtlbPager {
        protected override hostFrame(): number {
          return NO_FRAME;
        }
      },
      () => {},
      ["wrong-frame"],
    ],
    "records nothing": [
      class extends VtlbPager {
        protected override record(): FillRecord {
          return { guestPde: 0, guestPdeHigh: 0, guestPte: 0, guestPteHigh: 0, filledAt: 0 };
        }
      },
      () => {},
      ["spte-without-gpte"],
    ],
    "is not told of a CR4 change": [
      VtlbPager,
      (vcpu) => {
        vcpu.bed.paging.cr4 = Cr4.PSE;
      },
      ["excess-global", "missed-context-change", "unjustified"],
    ],
  };
  test.each(Object.entries(act))("%s", (_name, [Pager, provoke, rules]) => {
    const vcpu = populate(withPager(Pager));
    provoke(vcpu);
    expect(rulesOf(vcpu)).toEqual(rules);
  });

  /** Changes one entry of the filled shadow. */
  const pokes: Record<string, [(vcpu: ShadowVcpu) => void, string[]]> = {
    "a leaf without A": [(v) => poke(v, 0x401000, (e) => e & ~A), ["hardware-bits"]],
    "a leaf with D but not W": [(v) => poke(v, 0x401000, (e) => e | D), ["hardware-bits"]],
    "a leaf of another frame": [(v) => poke(v, 0x401000, (e) => e + 0x1000), ["wrong-frame"]],
    "a leaf with G too much": [
      (v) => poke(v, 0x402000, (e) => e | G),
      ["count", "excess-global", "unjustified"],
    ],
    "a leaf that was not counted": [
      (v) => poke(v, 0x407000, () => 0x745000 | P | A),
      ["count", "spte-without-gpte"],
    ],
    "a 4 MiB leaf of other frames": [(v) => pokeRoot(v, 2, (e) => e + LARGE), ["wrong-frame"]],
    "a 4 MiB leaf over 4 KiB pages": [
      (v) => {
        const record = v.pager.tables.tableAt(1)?.records.get(1, 1);
        v.pager.tables.dropSlot(1);
        if (record) v.pager.tables.setLarge(1, 0x800000 | P | U | A | PS, 0, record);
      },
      ["excess-size", "wrong-frame"],
    ],
    "a root entry that leads elsewhere": [
      (v) => pokeRoot(v, 1, (e) => e + 0x5000),
      ["frame-count", "unknown-table"],
    ],
    "a root entry that nobody listed": [
      (v) => pokeRoot(v, 5, () => 0x5000 | P | W | U | A),
      ["slot-list", "unknown-table"],
    ],
    "a table that two slots share": [
      (v) => {
        const table = v.pager.tables.tableAt(1);
        if (table) v.pager.tables.spare.push(table);
        v.pager.tables.acquire(6);
      },
      ["table-shared"],
    ],
    "a lost table frame": [(v) => v.pager.tables.all.pop(), ["frame-count"]],
    "a freed table frame": [
      (v) => {
        const table = v.pager.tables.all[0];
        if (table) v.bed.frames.free(table.mfn, "guest/vtlb");
      },
      ["frame-count", "frame-owner"],
    ],
    "a guest frame that was given to another": [
      (v) => {
        v.bed.frames.free((0x400 + 0x345) as never, "guest");
        v.bed.frames.allocateContiguous(1, 0x745, "thief");
      },
      ["foreign-frame"],
    ],
    "a hardware root that is not its own": [
      (v) => {
        v.pager.hardware.root = 0x9000 as never;
      },
      ["root"],
    ],
  };
  test.each(Object.entries(pokes))("holds %s", (_name, [damage, rules]) => {
    const vcpu = populate(new ShadowVcpu());
    damage(vcpu);
    expect(rulesOf(vcpu)).toEqual(rules);
  });

  test("fills from the wrong place: what it filled counts as stale although the guest changed nothing", () => {
    class WrongPlace extends VtlbPager {
      protected override record(at: Gva): FillRecord {
        return super.record((at + 0x1000) as Gva);
      }
    }
    const vcpu = withPager(WrongPlace);
    vcpu.bed.map(0x401000, 0x345000 | P | U);
    vcpu.bed.map(0x402000, 0x346000 | P | W | A);
    vcpu.access(0x401000, false, false);
    const report = vcpu.pager.auditReport();
    expect([report.violations.map((v) => v.rule), report.staleEntries]).toEqual([
      ["wrong-frame", "excess-user"],
      1,
    ]);
  });
});

test("an entry that the guest has changed without invalidating is counted as stale, not reported", () => {
  const vcpu = populate(new ShadowVcpu());
  vcpu.bed.setPte(0x401000, 0);
  vcpu.bed.setPte(0x402000, vcpu.bed.pte(0x402000) & ~A);
  expect(vcpu.pager.auditReport()).toEqual({ violations: [], entries: 4, staleEntries: 2 });
  expect(vcpu.pager.staleEntries).toBe(2);
});

describe("the audit of bare finds a p2m that", () => {
  const damaged = (damage: (bed: Bed) => void): string[] => {
    const bed = new Bed();
    damage(bed);
    const pager = new BarePager({ ...bed });
    return pager.audit().map((v) => v.rule);
  };
  test("(control: a sound one has no violation)", () => {
    expect(damaged(() => {})).toEqual([]);
  });
  test("leaves the machine, maps a frame twice, or maps a frame of someone else", () => {
    expect(damaged((bed) => bed.p2m.table.fill(0x1400, 5, 6))).toEqual(["p2m-range"]);
    expect(damaged((bed) => bed.p2m.table.fill(0x406, 5, 6))).toEqual(["p2m-injective"]);
    expect(damaged((bed) => bed.p2m.table.fill(bed.frames.allocate("monitor"), 5, 6))).toEqual(["p2m-owner"]);
    expect(damaged((bed) => bed.p2m.table.fill(2, 5, 6))).toEqual(["p2m-owner"]);
  });
});

test("the bare pager asks for no exits, holds no frames and refuses to fill", () => {
  const bed = new Bed();
  const pager = new BarePager({ ...bed });
  expect([pager.controls, pager.framesHeld, pager.contextChanged()]).toEqual([0, 0, 0]);
  expect(pager.hardware).toEqual({ mode: "guest", p2m: bed.p2m.table });
  bed.paging.cr0 = 0;
  const walk = bed.walker.probe({ gva: gva(0), write: false, user: false }, bed.paging);
  if (walk.kind !== "mapped") throw new Error("paging is off");
  expect(() => pager.fill({ gva: gva(0), errorCode: 0, walk })).toThrow("no shadow to fill");
});
