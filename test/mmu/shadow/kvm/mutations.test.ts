import { describe, expect, test } from "vitest";
import { Cr4 } from "../../../../src/cpu/state.ts";
import type { KvmOptions } from "../../../../src/mmu/shadow/kvm/options.ts";
import { PageFlag } from "../../../../src/mmu/shadow/kvm/pages.ts";
import { RoleBit } from "../../../../src/mmu/shadow/kvm/role.ts";
import { A, Bed, D, gpa, P, PS, U, W } from "../../bed.ts";
import { KvmVcpu } from "./vcpu.ts";

const WINDOW = 0xe0000000;
const WINDOW_TABLE = 0x250000;

/**
 * Writable page at 0x400000, read-only one at 0x401000, a 4 MiB page at 0x800000, MMIO at 0xc00000, a window on memory; and the page table
 * at 0x202000, out of step, which maps 0x1000000 and 0x1001000.
 */
function guest(options: KvmOptions = {}): KvmVcpu {
  const bed = new Bed();
  bed.setPde(WINDOW >>> 22, WINDOW_TABLE | P | W | A);
  for (let page = 0; page < 1024; page++)
    bed.memory.write32(gpa(WINDOW_TABLE + page * 4), (page << 12) | P | W | A | D);
  bed.map(0x400000, 0x300000 | P | W | U | A | D);
  bed.map(0x401000, 0x301000 | P | U | A | D);
  bed.setPde(2, 0x800000 | P | W | U | PS);
  bed.map(0xc00000, 0xfee00000 | P | W);
  bed.setPde(4, 0x202000 | P | W | U);
  for (const page of [0, 1])
    bed.memory.write32(gpa(0x202000 + page * 4), (0x304000 + page * 4096) | P | W | U | A | D);
  const vcpu = new KvmVcpu({ prefetch: false, ...options }, bed);
  for (const at of [0x400000, 0x401000, 0x800000, 0xc00000, WINDOW, 0x1000000, 0x1001000]) vcpu.read(at);
  vcpu.write(WINDOW + 0x202008, 0);
  return vcpu;
}
const rules = (vcpu: KvmVcpu): string[] => [...new Set(vcpu.pager.audit().map(({ rule }) => rule))].sort();

/** Global index of the leaf for an address. */
function leaf(vcpu: KvmVcpu, at: number): number {
  const { pages, roots } = vcpu.shadow;
  const child = pages.child((roots[at >>> 30] as number) * 512 + ((at >>> 21) & 511));
  return child * 512 + ((at >>> 12) & 511);
}
function linkOf(vcpu: KvmVcpu, at: number): number {
  return (vcpu.shadow.roots[at >>> 30] as number) * 512 + ((at >>> 21) & 511);
}
function poke(vcpu: KvmVcpu, g: number, edit: (lo: number) => number): void {
  const { pages } = vcpu.shadow;
  pages.write(g, edit(pages.lo(g)) >>> 0, pages.hi(g));
}

describe("the audit of kvm", () => {
  test("(control: finds nothing in a sound shadow)", () => {
    for (const options of [{}, { unsync: false }, { rmap: "descriptors" }, { rmap: "linked" }] as const)
      expect(rules(guest(options))).toEqual([]);
    expect(guest().livePages()).toContain("L1 202 q0 unsync");
  });

  const mutations: Record<string, [(vcpu: KvmVcpu) => void, string[]]> = {
    "a leaf that is in no list": [
      (v) => v.shadow.lists.remove(v.shadow.cells.rmap(0x300, 1), leaf(v, 0x400000)),
      ["I1", "I8"],
    ],
    "a leaf in the list of another gfn": [
      (v) => {
        v.shadow.lists.remove(v.shadow.cells.rmap(0x300, 1), leaf(v, 0x400000));
        v.shadow.lists.add(v.shadow.cells.rmap(0x305, 1), leaf(v, 0x400000));
      },
      ["I1", "I2"],
    ],
    "a leaf cleared without being unlinked": [
      (v) => v.shadow.pages.clear(leaf(v, 0x400000)),
      ["I2", "I33", "I8"],
    ],
    "a link that its target does not know": [
      (v) => v.shadow.lists.remove(v.shadow.cells.parents(v.page("L1 201 q0")), linkOf(v, 0x400000)),
      ["I3", "I8"],
    ],
    "a link cleared without being unlinked": [
      (v) => v.shadow.pages.clear(linkOf(v, 0x400000)),
      ["I33", "I4", "I8"],
    ],
    "a page freed with its entries still listed": [
      (v) => {
        const sid = v.page("L1 201 q0");
        v.shadow.pages.retire(sid);
        v.shadow.pages.free(sid);
      },
      ["I20", "I3", "I8", "I9"],
    ],
    "a page missing in the hash": [(v) => v.shadow.pages.hash.remove(0x201, v.page("L1 201 q0")), ["I10"]],
    "two pages of one role": [
      (v) => {
        v.shadow.pages.reserve(1);
        v.shadow.pages.take(0x201, v.shadow.pages.role[v.page("L1 201 q0")] as number, 1);
        v.shadow.slots.account(0x201, 1);
      },
      ["I10"],
    ],
    "a wrong count of pages": [(v) => v.shadow.pages.used++, ["I11"]],
    "a root that is not counted": [(v) => v.shadow.pages.rootCount.fill(0), ["I12"]],
    "a direct page that is out of step": [
      (v) => {
        const sid = v.page("L1 800 direct");
        v.shadow.pages.flags[sid] = PageFlag.live | PageFlag.unsync;
        v.shadow.pages.setUnsyncBit(linkOf(v, 0x800000));
      },
      ["I13", "I15"],
    ],
    "a directory that is out of step": [
      (v) => {
        v.shadow.pages.flags[v.shadow.roots[0]] = PageFlag.live | PageFlag.unsync;
      },
      ["I15"],
    ],
    "a wrong count of unsync bits": [(v) => v.shadow.pages.unsyncChildren.fill(5), ["I16"]],
    "a parent that does not know of the page out of step below": [
      (v) => v.shadow.pages.clearUnsyncBit(linkOf(v, 0x1000000)),
      ["I17"],
    ],
    "a page out of step although all is said to be in step": [
      (v) => {
        v.shadow.rootsSynced = true;
      },
      ["I18"],
    ],
    "a table that the guest can write": [
      (v) => {
        v.read(WINDOW + 0x10000);
        poke(v, leaf(v, WINDOW + 0x10000), (lo) => lo | W);
      },
      ["I19"],
    ],
    "a wrong write count": [(v) => v.shadow.slots.account(0x300, 1), ["I20"]],
    "a wrong count of tables": [(v) => v.shadow.pages.indirect--, ["I20"]],
    "a wrong count of large leaves": [(v) => v.shadow.stats.largeLeaves++, ["I21"]],
    "a leaf that gives more than the guest": [(v) => poke(v, leaf(v, 0x401000), (lo) => lo | W), ["I22"]],
    "a leaf for an entry that the guest has changed unseen": [
      (v) => v.bed.setPte(0x400000, 0x307000 | P | A),
      ["I22"],
    ],
    "a leaf of an entry without A": [(v) => v.bed.setPte(0x401000, 0x301000 | P | U), ["I22"]],
    "MMIO for the user where the guest says supervisor": [
      (v) => poke(v, leaf(v, 0xc00000), (lo) => lo | U),
      ["I22"],
    ],
    "MMIO at another address": [(v) => poke(v, leaf(v, 0xc00000), (lo) => lo ^ 0x1000), ["I22"]],
    "a direct leaf with more rights than its page": [
      (v) => poke(v, leaf(v, 0x800000), (lo) => lo | W),
      ["I22"],
    ],
    "a leaf out of step that gives more than it ever could": [
      (v) => {
        v.shadow.records?.made(leaf(v, 0x1000000), 0x304000 | P | A, 0);
      },
      ["I23"],
    ],
    "a leaf out of step that INVLPG has missed": [
      (v) => v.shadow.records?.ledger.demandPage(0x1000000 as never),
      ["I23"],
    ],
    "a link for a directory entry that the guest has changed unseen": [
      (v) => v.bed.setPde(1, 0x203000 | P | W | U | A),
      ["I24"],
    ],
    "a link that gives more than the directory entry": [
      (v) => v.bed.setPde(1, 0x201000 | P | U | A),
      ["I24"],
    ],
    "a link to a table where the guest has a large page": [
      (v) => v.bed.setPde(1, 0x400000 | P | W | U | PS | A),
      ["I24"],
    ],
    "a leaf of a frame that the host has moved": [
      (v) => {
        v.bed.p2m.table[0x300] = v.bed.p2m.lookup(0x500);
      },
      ["I25"],
    ],
    "a writable leaf that the log does not know of": [
      (v) => {
        v.pager.startDirtyLog(1);
        v.write(0x400000);
        v.shadow.slots.byId(1)?.dirty?.fill(0);
      },
      ["I26"],
    ],
    "a writable leaf of a read-only frame": [(v) => v.shadow.slots.setHostWritable(0x300, false), ["I27"]],
    "a page that does not know the slot of its leaves": [
      (v) => {
        v.shadow.pages.slotBits[v.page("L1 201 q0")] = 0;
      },
      ["I28"],
    ],
    "a last spte of a page not in use": [
      (v) => {
        v.shadow.last.spte = v.shadow.pages.capacity * 512;
      },
      ["I29"],
    ],
    "a translation of more than its leaf allows": [
      (v) => {
        v.write(0x400000);
        const cached = [...v.tlb].find(([page]) => page === 0x400);
        expect(cached?.[1].supervisorWritable).toBe(true);
        const g = leaf(v, 0x400000);
        v.shadow.pages.write(g, v.shadow.pages.lo(g) & ~D, v.shadow.pages.hi(g));
      },
      ["I33"],
    ],
    "a flush that is still owed": [(v) => v.shadow.owed.addAll(), ["I30"]],
    "list objects where there should be none": [
      (v) => {
        v.shadow.lists.counters.allocs++;
      },
      ["I31"],
    ],
    "a pointer to another root": [
      (v) => {
        v.bed.machine.u32[v.pager.hardware.root >>> 2] = 0;
      },
      ["root"],
    ],
    "a frame that is someone else's": [
      (v) => {
        v.shadow.pages.frame[v.page("L1 201 q0")] = v.bed.p2m.base;
      },
      ["I2", "I33", "I8", "frame-owner"],
    ],
  };
  for (const [what, [mutate, expected]] of Object.entries(mutations)) {
    test(`finds ${what}`, () => {
      const vcpu = guest();
      mutate(vcpu);
      expect(rules(vcpu)).toEqual(expected);
    });
  }

  test("finds a list that should have been recycled", () => {
    const bed = new Bed();
    for (let page = 0; page < 1100; page++) bed.map(0x400000 + page * 4096, 0x300000 | P | U | A);
    const vcpu = new KvmVcpu({ recycle: false, prefetch: false }, bed);
    for (let page = 0; page < 1100; page++) vcpu.read(0x400000 + page * 4096);
    expect(rules(vcpu)).toEqual([]);
    (vcpu.shadow.options as { recycle: boolean }).recycle = true;
    expect(rules(vcpu)).toEqual(["I32"]);
  });

  test("finds pages kept across a change of CR4.PSE: their role would no longer tell", () => {
    const vcpu = guest();
    vcpu.setControl("cr4", Cr4.PSE | Cr4.PGE);
    expect(rules(vcpu)).toEqual([]);
    const { pages } = vcpu.shadow;
    for (const sid of pages.active) pages.role[sid] = (pages.role[sid] as number) & ~RoleBit.pse;
    expect(rules(vcpu)).toContain("I24");
  });

  test("changes nothing, counters included", () => {
    const vcpu = guest();
    const before = JSON.stringify([vcpu.shadow.lists.counters, vcpu.shadow.stats, vcpu.leaves()]);
    vcpu.pager.audit();
    expect(JSON.stringify([vcpu.shadow.lists.counters, vcpu.shadow.stats, vcpu.leaves()])).toBe(before);
  });
});
