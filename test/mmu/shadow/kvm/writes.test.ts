import { describe, expect, test } from "vitest";
import type { KvmOptions } from "../../../../src/mmu/shadow/kvm/options.ts";
import { directRole, RoleBit, tableRole } from "../../../../src/mmu/shadow/kvm/role.ts";
import { slotsHit } from "../../../../src/mmu/shadow/kvm/write.ts";
import { A, Bed, D, gpa, P, U, W } from "../../bed.ts";
import { POINTERS, WideBed } from "../../wide-bed.ts";
import { KvmVcpu } from "./vcpu.ts";

const RWX = 7;
/** Linear addresses at which the guest reaches its own tables: a 4 MiB window on memory from 0 on, in slot 0x380. */
const WINDOW = 0xe0000000;
const WINDOW_TABLE = 0x250000;
const inWindow = (at: number): number => WINDOW + at;

/** A guest with a window on its memory and a page at 0x400000 through the page table at 0x201000, touched once. */
function guest(options: KvmOptions = {}, bed = new Bed()): KvmVcpu {
  bed.setPde(WINDOW >>> 22, WINDOW_TABLE | P | W | A);
  for (let page = 0; page < 1024; page++)
    bed.memory.write32(gpa(WINDOW_TABLE + page * 4), (page << 12) | P | W | A | D);
  bed.map(0x400000, 0x300000 | P | W | U | A | D);
  const vcpu = new KvmVcpu({ prefetch: false, ...options }, bed);
  vcpu.read(0x400000);
  return vcpu;
}

describe("slots that a store to a table concerns", () => {
  test("of two-level tables", () => {
    const pde = (quadrant: number) => tableRole(0, 2, quadrant, RWX);
    const pte = (quadrant: number) => tableRole(0, 1, quadrant, RWX);
    expect(slotsHit(pde(1), 2, 0x404)).toEqual({ first: 2, count: 2 });
    expect(slotsHit(pde(0), 2, 0x404).count).toBe(0);
    expect(slotsHit(pte(1), 1, 0x804)).toEqual({ first: 1, count: 1 });
    expect(slotsHit(pte(0), 1, 0x804).count).toBe(0);
    expect(slotsHit(pde(3), 2, 0xffc)).toEqual({ first: 510, count: 2 });
  });
  test("of tables of 8-byte entries, and roles in general", () => {
    expect(slotsHit(tableRole(RoleBit.wide, 1, 0, RWX), 1, 0x7f8)).toEqual({ first: 255, count: 1 });
    expect(directRole(RoleBit.wide | RoleBit.nxe, 1, RWX) & RoleBit.wide).toBe(0);
  });
});

describe("a write to a table that stays protected (unsync off)", () => {
  test("clearing A drops the leaf, clearing D takes W; the next access sets them again", () => {
    const vcpu = guest({ unsync: false });
    const pte = inWindow(0x201000);
    expect(vcpu.exitsOf(() => vcpu.write(pte, 0x300000 | P | W | U | D))).toBe(1);
    expect(vcpu.emulated).toBe(1);
    expect(vcpu.leaves().filter(({ gva }) => gva === 0x400000)).toEqual([]);
    expect(vcpu.exitsOf(() => vcpu.read(0x400000))).toBe(1);
    expect(vcpu.bed.pte(0x400000) & A).toBe(A);
    vcpu.write(pte, 0x300000 | P | W | U | A);
    expect(vcpu.leaves()[0]).toEqual({ gva: 0x400000, pages: 1, frame: 0x300, rights: "UX" });
    expect(vcpu.exitsOf(() => vcpu.write(0x400000))).toBe(1);
    expect(vcpu.bed.pte(0x400000) & D).toBe(D);
    expect([vcpu.pager.audit(), vcpu.uncovered()]).toEqual([[], []]);
  });

  test("a new entry of a page table is taken over at once, if it has A", () => {
    const vcpu = guest({ unsync: false });
    vcpu.write(inWindow(0x201004), 0x302000 | P | W | U | A);
    expect(vcpu.leaves().slice(0, 2)).toEqual([
      { gva: 0x400000, pages: 1, frame: 0x300, rights: "WUX" },
      { gva: 0x401000, pages: 1, frame: 0x302, rights: "UX" },
    ]);
    expect(vcpu.pager.audit()).toEqual([]);
  });

  test("one byte at the start of an entry drops it, anywhere else gives the table up; so does a store across entries", () => {
    for (const [at, size, survives] of [
      [0x201000, 1, true],
      [0x201001, 1, false],
      [0x201002, 2, false],
      [0x201002, 4, false],
      [0x201000, 4, true],
    ] as const) {
      const vcpu = guest({ unsync: false });
      const page = vcpu.page("L1 201 q0");
      vcpu.write(inWindow(at), size === 4 && survives ? 0x303000 | P | A : 0x25, false, size);
      expect([at, vcpu.shadow.pages.isLive(page)]).toEqual([at, survives]);
      expect([vcpu.pager.audit(), vcpu.uncovered()]).toEqual([[], []]);
    }
  });

  test("half of an 8-byte entry counts as the whole one, a store over two of them does not", () => {
    const bed = new WideBed();
    bed.put(0x13000, 0, 0x14000 | P | W | U);
    bed.put(0x13000, 1, 0x15000 | P | W | U);
    bed.put(0x14000, 255, 0x300000 | P | W | U | A | D);
    for (let page = 0; page < 512; page++) bed.put(0x15000, page, (page << 12) | P | W | A | D);
    bed.latch(0);
    const vcpu = new KvmVcpu({ prefetch: false, unsync: false }, bed);
    vcpu.read(0xff000);
    vcpu.read(0x200000);
    const page = vcpu.page("L1 14");
    vcpu.write(0x200000 + 0x147fc, 0);
    vcpu.write(0x200000 + 0x147f8, 0x301000 | P | A);
    expect(vcpu.shadow.pages.isLive(page)).toBe(true);
    expect(vcpu.leaves()[0]).toEqual({ gva: 0xff000, pages: 1, frame: 0x301, rights: "X" });
    expect(vcpu.pager.audit()).toEqual([]);
    vcpu.write(0x200000 + 0x147fe, 0);
    expect(vcpu.shadow.pages.isLive(page)).toBe(false);
    expect([vcpu.pager.audit(), vcpu.uncovered(), bed.paging.cr3]).toEqual([[], [], POINTERS]);
  });

  test("512 stores to one page table: all emulated when pages count; three, then none, when the vcpu counts", () => {
    const burst = (flood: "page" | "vcpu") => {
      const vcpu = guest({ unsync: false, flood });
      vcpu.read(inWindow(0));
      const exits = vcpu.exitsOf(() => {
        for (let entry = 0; entry < 512; entry++)
          vcpu.write(inWindow(0x201000 + entry * 4), (0x300000 + entry * 4096) | P | W);
      });
      expect([vcpu.pager.audit(), vcpu.uncovered()]).toEqual([[], []]);
      return [exits, vcpu.emulated];
    };
    expect(burst("page")).toEqual([512, 512]);
    expect(burst("vcpu")).toEqual([4, 3]);
  });

  test("100 stores to the directory of another address space: three emulated, the third gives it up, the fourth frees the page", () => {
    const vcpu = guest();
    vcpu.bed.setPde(WINDOW >>> 22, WINDOW_TABLE | P | W | A, 0x11000);
    vcpu.loadCr3(0x11000);
    vcpu.read(inWindow(0));
    const exits = vcpu.exitsOf(() => {
      for (let entry = 0; entry < 100; entry++)
        vcpu.write(inWindow(0x10000 + entry * 4), 0x201000 | P | W | U);
    });
    expect([exits, vcpu.emulated, vcpu.shadow.stats.flooded]).toEqual([4, 3, 4]);
    expect(vcpu.facts.take().filter(({ type }) => type === "shadow.flooded")).toHaveLength(4);
    expect([vcpu.pager.audit(), vcpu.uncovered()]).toEqual([[], []]);
  });

  test("100 stores to the directory in use: all emulated when pages count; when the vcpu counts, roots are given up again and again", () => {
    const burst = (flood: "page" | "vcpu") => {
      const vcpu = guest({ flood });
      vcpu.read(inWindow(0));
      for (let entry = 0; entry < 100; entry++)
        vcpu.write(inWindow(0x10400 + entry * 4), 0x201000 | P | W | U);
      expect([vcpu.pager.audit(), vcpu.uncovered()]).toEqual([[], []]);
      return [vcpu.emulated, vcpu.shadow.stats.flooded > 0, vcpu.shadow.stats.reloads > 0];
    };
    expect(burst("page")).toEqual([100, false, false]);
    const [emulated, flooded, reloads] = burst("vcpu");
    expect([emulated, flooded, reloads]).toEqual([100, true, true]);
  });

  test("a directory that maps itself is shadowed at two levels, and a store through itself updates both", () => {
    const vcpu = guest();
    const { bed } = vcpu;
    bed.setPde(0x3ff, 0x10000 | P | W | U | A | D);
    // The entry of slot 1 as seen at the top of the address space.
    const self = 0xfffff000 + 4;
    vcpu.read(self);
    expect(vcpu.livePages()).toContain("L1 10 q1");
    expect(vcpu.leaves().find(({ gva }) => gva === 0xfffff000)).toEqual({
      gva: 0xfffff000,
      pages: 1,
      frame: 0x10,
      rights: "UX",
    });
    vcpu.write(self, 0);
    expect(bed.pde(1)).toBe(0);
    expect(vcpu.read(0x400000)).toEqual({ fault: 0 });
    expect(vcpu.livePages().some((name) => name.includes("unsync"))).toBe(false);
    expect([vcpu.pager.audit(), vcpu.uncovered()]).toEqual([[], []]);
  });
});

describe("a page table that is out of step (unsync on)", () => {
  test("512 stores cost one exit; a translation made before lasts until INVLPG of its page, and CR3 brings all in step", () => {
    const vcpu = guest();
    vcpu.bed.setPte(0x401000, 0x301000 | P | W | U | A | D);
    vcpu.read(0x401000);
    vcpu.read(inWindow(0));
    const exits = vcpu.exitsOf(() => {
      for (let entry = 0; entry < 512; entry++)
        vcpu.write(inWindow(0x201000 + entry * 4), (0x310000 + entry * 4096) | P | W | U | A);
    });
    expect([exits, vcpu.emulated]).toEqual([1, 0]);
    expect(vcpu.livePages()).toContain("L1 201 q0 unsync");
    expect(vcpu.read(0x400000)).toEqual({ gpa: 0x300000, backed: true });
    vcpu.invlpg(0x400000);
    expect(vcpu.read(0x400000)).toEqual({ gpa: 0x310000, backed: true });
    expect(vcpu.read(0x401000)).toEqual({ gpa: 0x301000, backed: true });
    expect([vcpu.pager.audit(), vcpu.uncovered()]).toEqual([[], []]);
    vcpu.loadCr3(0x10000);
    expect(vcpu.livePages()).toContain("L1 201 q0");
    expect(vcpu.shadow.rootsSynced).toBe(true);
    expect(vcpu.read(0x401000)).toEqual({ gpa: 0x311000, backed: true });
    expect(vcpu.leaves().find(({ gva }) => gva === inWindow(0x201000))?.rights).toBe("X");
    expect([vcpu.pager.audit(), vcpu.uncovered()]).toEqual([[], []]);
  });

  test("a page with nothing left in it is given up when it is brought in step", () => {
    const vcpu = guest();
    vcpu.write(inWindow(0x201000), 0);
    const page = vcpu.page("L1 201 q0 unsync");
    vcpu.loadCr3(0x10000);
    expect(vcpu.shadow.pages.isLive(page)).toBe(false);
    expect(vcpu.read(0x400000)).toEqual({ fault: 0 });
  });

  test("out of step in another address space, it is found when that one is loaded", () => {
    const vcpu = guest();
    vcpu.bed.setPde(WINDOW >>> 22, WINDOW_TABLE | P | W | A, 0x11000);
    vcpu.loadCr3(0x11000);
    vcpu.write(inWindow(0x201000), 0x305000 | P | W | U | A | D);
    expect(vcpu.livePages()).toContain("L1 201 q0 unsync");
    expect(vcpu.pager.audit()).toEqual([]);
    vcpu.loadCr3(0x10000);
    expect(vcpu.read(0x400000)).toEqual({ gpa: 0x305000, backed: true });
    expect([vcpu.pager.audit(), vcpu.uncovered()]).toEqual([[], []]);
  });

  test("one that becomes a directory is brought in step for good before it is linked", () => {
    const vcpu = guest();
    vcpu.read(inWindow(0));
    vcpu.write(inWindow(0x201000), 0x306000 | P | W | U | A | D);
    vcpu.write(inWindow(0x201004), 0x202000 | P | W | U | A | D);
    expect(vcpu.livePages()).toContain("L1 201 q0 unsync");
    vcpu.bed.setPde(WINDOW >>> 22, WINDOW_TABLE | P | W | A, 0x201000);
    vcpu.loadCr3(0x201000);
    expect(vcpu.livePages()).toContain("L2 201 q0");
    expect(vcpu.livePages().some((name) => name.startsWith("L1 201") && name.includes("unsync"))).toBe(false);
    expect(vcpu.exitsOf(() => vcpu.write(inWindow(0x201008), 0))).toBeGreaterThan(0);
    expect(vcpu.emulated).toBeGreaterThan(0);
    expect([vcpu.pager.audit(), vcpu.uncovered()]).toEqual([[], []]);
  });

  test("a guess never takes a page out of step: what it would let be written is made read-only", () => {
    const vcpu = guest({ prefetch: true });
    const { bed } = vcpu;
    // 0x402000 maps the page table itself, its neighbour is touched.
    bed.setPte(0x402000, 0x201000 | P | W | U | A | D);
    bed.setPte(0x403000, 0x304000 | P | W | U | A | D);
    vcpu.pager.dispose();
    const fresh = new KvmVcpu({}, bed);
    fresh.read(0x403000);
    expect(fresh.leaves().find(({ gva }) => gva === 0x402000)?.rights).toBe("UX");
    expect(fresh.livePages().some((name) => name.includes("unsync"))).toBe(false);
    expect(fresh.pager.audit()).toEqual([]);
  });

  test("an entry repointed to another gfn of the same frame moves to that gfn's list", () => {
    const bed = new Bed();
    bed.p2m.table[0x309] = bed.p2m.table[0x308] as number;
    const vcpu = guest({}, bed);
    vcpu.write(inWindow(0x201004), 0x308000 | P | W | U | A | D);
    vcpu.read(0x401000);
    vcpu.write(inWindow(0x201004), 0x309000 | P | W | U | A | D);
    vcpu.invlpg(0x401000);
    vcpu.read(0x401000);
    const { lists, cells } = vcpu.shadow;
    const lengths = () => [lists.length(cells.rmap(0x308, 1)), lists.length(cells.rmap(0x309, 1))];
    const window = 1;
    expect(lengths()[1]).toBe(1);
    expect((lengths()[0] as number) <= window).toBe(true);
    expect(vcpu.pager.audit()).toEqual([]);
  });
});
