import { describe, expect, test } from "vitest";
import { Cr0 } from "../../../../src/cpu/state.ts";
import { A, Bed, D, gpa, MIB, P, PS, U, W } from "../../bed.ts";
import { KvmVcpu } from "./vcpu.ts";

const CR0 = (Cr0.PG | Cr0.PE | Cr0.WP) >>> 0;

describe("a fault in a two-level guest", () => {
  test("loading a fresh CR3 makes four pages and no leaf", () => {
    const vcpu = new KvmVcpu();
    expect(vcpu.livePages()).toEqual(["L2 10 q0", "L2 10 q1", "L2 10 q2", "L2 10 q3"]);
    expect(vcpu.leaves()).toEqual([]);
    expect(vcpu.pager.audit()).toEqual([]);
  });

  test("the first touch costs one exit and fills the accessed neighbours of its group of eight; the second costs none", () => {
    const vcpu = new KvmVcpu();
    const { bed } = vcpu;
    bed.map(0x400000, 0x300000 | P | W | U | A);
    bed.map(0x401000, 0x301000 | P | W | U | A | D);
    bed.map(0x402000, 0x302000 | P | W | U);
    bed.map(0x403000, 0x303000 | W | U | A);
    bed.map(0x407000, 0x307000 | P | U | A | D);
    bed.map(0x408000, 0x308000 | P | U | A);
    expect(vcpu.exitsOf(() => vcpu.read(0x400000))).toBe(1);
    expect(vcpu.leaves()).toEqual([
      { gva: 0x400000, pages: 1, frame: 0x300, rights: "UX" },
      { gva: 0x401000, pages: 1, frame: 0x301, rights: "WUX" },
      { gva: 0x407000, pages: 1, frame: 0x307, rights: "UX" },
    ]);
    expect(vcpu.livePages().slice(4)).toEqual(["L1 201 q0"]);
    expect(vcpu.exitsOf(() => vcpu.read(0x400123))).toBe(0);
    expect(vcpu.exitsOf(() => vcpu.write(0x401000))).toBe(0);
    expect(vcpu.exitsOf(() => vcpu.write(0x400000))).toBe(1);
    expect(bed.pte(0x400000) & D).toBe(D);
    expect(vcpu.pager.audit()).toEqual([]);
  });

  test("quadrants: a page table becomes two pages, a directory four", () => {
    const vcpu = new KvmVcpu({ prefetch: false });
    const { bed } = vcpu;
    for (const at of [0, 0x200000, 0x40000000, 0xffc00000]) {
      bed.setPde(at >>> 22, 0x200000 | P | W | U);
      bed.memory.write32(gpa(0x200000 + ((at >>> 12) & 0x3ff) * 4), 0x300000 | P | W | U);
      vcpu.read(at);
    }
    bed.setPde(1023, 0x200000 | P | W | U);
    vcpu.read(0xffe00000);
    expect(vcpu.livePages()).toEqual([
      "L2 10 q0",
      "L2 10 q1",
      "L2 10 q2",
      "L2 10 q3",
      "L1 200 q0",
      "L1 200 q1",
    ]);
    const [zero, one] = [vcpu.page("L1 200 q0"), vcpu.page("L1 200 q1")];
    const { pages, roots } = vcpu.shadow;
    const at = (root: number, slot: number) => pages.child((roots[root] as number) * 512 + slot);
    expect([at(0, 0), at(0, 1), at(1, 0), at(3, 510), at(3, 511)]).toEqual([zero, one, zero, zero, one]);
    expect(vcpu.pager.audit()).toEqual([]);
  });

  test("what the guest refuses is reflected with its own error code, and nothing is made", () => {
    const vcpu = new KvmVcpu();
    vcpu.bed.map(0x400000, 0x300000 | P);
    expect(vcpu.write(0x400000)).toEqual({ fault: 3 });
    expect(vcpu.read(0x400000, true)).toEqual({ fault: 5 });
    expect(vcpu.read(0x800000)).toEqual({ fault: 0 });
    expect(vcpu.leaves()).toEqual([]);
    expect(vcpu.bed.pte(0x400000) & A).toBe(0);
  });

  test("with paging off, direct pages cover memory; their gfns count from the GiB on", () => {
    const bed = new Bed();
    bed.paging.cr0 = Cr0.PE;
    const vcpu = new KvmVcpu({ prefetch: false }, bed);
    vcpu.read(0x1000);
    vcpu.read(0xc0001000);
    expect(vcpu.livePages()).toEqual([
      "L2 0 direct",
      "L2 40000 direct",
      "L2 80000 direct",
      "L2 c0000 direct",
      "L1 0 direct",
      "L1 c0000 direct",
    ]);
    expect(vcpu.leaves()).toEqual([
      { gva: 0x1000, pages: 1, frame: 1, rights: "WUX" },
      { gva: 0xc0001000, pages: 1, frame: 0xc0001, rights: "WUX?" },
    ]);
    expect(vcpu.pager.audit()).toEqual([]);
  });

  test("a 4 MiB page becomes two direct pages; the write that sets D exchanges the page, one exit each", () => {
    const vcpu = new KvmVcpu({ prefetch: false });
    const { bed } = vcpu;
    bed.setPde(1, 0x400000 | P | W | U | PS);
    expect(vcpu.exitsOf(() => vcpu.read(0x400000))).toBe(1);
    expect(vcpu.exitsOf(() => vcpu.read(0x612345))).toBe(1);
    expect(vcpu.livePages().slice(4)).toEqual(["L1 400 direct", "L1 600 direct"]);
    const old = vcpu.page("L1 400 direct");
    expect(vcpu.exitsOf(() => vcpu.write(0x400000))).toBe(1);
    expect(bed.pde(1) & D).toBe(D);
    expect(vcpu.shadow.lists.length(vcpu.shadow.cells.parents(old))).toBe(0);
    expect(vcpu.leaves()).toEqual([
      { gva: 0x400000, pages: 1, frame: 0x400, rights: "WUX" },
      { gva: 0x612000, pages: 1, frame: 0x612, rights: "UX" },
    ]);
    expect(vcpu.exitsOf(() => vcpu.write(0x401000))).toBe(1);
    expect(vcpu.pager.audit()).toEqual([]);
  });

  test("an address that nothing backs is left to the hardware to report, at the guest's address", () => {
    const vcpu = new KvmVcpu();
    vcpu.bed.map(0x400000, 0xfee00000 | P | W | U);
    expect(vcpu.write(0x400010)).toEqual({ gpa: 0xfee00010, backed: false });
    expect(vcpu.exitsOf(() => vcpu.write(0x400020))).toBe(0);
    vcpu.tlb.clear();
    expect(vcpu.exitsOf(() => vcpu.read(0x400020))).toBe(0);
    expect(vcpu.pager.audit()).toEqual([]);
  });

  test("CR0.WP clear: a read-only user page is lent to the supervisor and taken back; setting WP changes the pages", () => {
    const vcpu = new KvmVcpu({ prefetch: false });
    vcpu.bed.map(0x400000, 0x300000 | P | U);
    vcpu.setControl("cr0", CR0 & ~Cr0.WP);
    expect(vcpu.exitsOf(() => vcpu.write(0x400000))).toBe(1);
    expect(vcpu.leaves()).toEqual([{ gva: 0x400000, pages: 1, frame: 0x300, rights: "WX" }]);
    expect(vcpu.exitsOf(() => vcpu.read(0x400000, true))).toBe(1);
    expect(vcpu.leaves()).toEqual([{ gva: 0x400000, pages: 1, frame: 0x300, rights: "UX" }]);
    vcpu.write(0x400000);
    vcpu.setControl("cr0", CR0);
    expect(vcpu.write(0x400000)).toEqual({ fault: 3 });
    expect(vcpu.pager.audit()).toEqual([]);
  });

  test("two address spaces share the page of a shared table; going back and forth makes nothing anew", () => {
    const vcpu = new KvmVcpu({ prefetch: false });
    const { bed } = vcpu;
    for (const directory of [0x10000, 0x11000]) bed.setPde(0x300, 0x200000 | P | W | A, directory);
    bed.memory.write32(gpa(0x200000), 0x300000 | P | W);
    vcpu.read(0xc0000000);
    vcpu.loadCr3(0x11000);
    vcpu.read(0xc0000000);
    const shared = vcpu.page("L1 200 q0");
    const { lists, cells, stats, pages } = vcpu.shadow;
    expect(lists.length(cells.parents(shared))).toBe(2);
    const { created } = stats;
    vcpu.loadCr3(0x10000);
    expect(stats.created).toBe(created);
    expect(vcpu.exitsOf(() => vcpu.read(0xc0000000))).toBe(0);
    expect(vcpu.pager.unprotect(0x200)).toBe(1);
    expect(pages.isLive(shared)).toBe(false);
    expect(vcpu.leaves()).toEqual([]);
    expect(vcpu.pager.audit()).toEqual([]);
  });

  test("an entry that changes between the walk and the link: nothing is linked, nothing is lost", () => {
    let meddle = () => {};
    const vcpu = new KvmVcpu({ beforeLink: () => meddle() });
    const { bed } = vcpu;
    bed.map(0x400000, 0x300000 | P | W | U);
    meddle = () => bed.setPte(0x400000, 0x301000 | P | W | U);
    const outcome = vcpu.pager.fault(0x400000 as never, 0);
    expect(outcome).toEqual({ kind: "resume" });
    expect(vcpu.leaves()).toEqual([]);
    const page = vcpu.page("L1 201 q0");
    expect(vcpu.shadow.lists.length(vcpu.shadow.cells.parents(page))).toBe(0);
    expect(vcpu.pager.audit()).toEqual([]);
    meddle = () => {};
    expect(vcpu.read(0x400000)).toEqual({ gpa: 0x301000, backed: true });
    expect(vcpu.shadow.pages.used).toBe(5);
    expect(vcpu.pager.audit()).toEqual([]);
  });

  test("tables where no memory is read as ones, as on the bus", () => {
    const vcpu = new KvmVcpu();
    vcpu.setControl("cr4", 0);
    vcpu.bed.setPde(1, 0x7f000000 | P | W | U);
    expect(vcpu.read(0x400000)).toEqual({ gpa: 0xfffff000, backed: false });
    vcpu.loadCr3(0x7fff0000);
    expect(vcpu.write(0x12345678)).toEqual({ gpa: 0xfffff678, backed: false });
    expect(vcpu.pager.audit()).toEqual([]);
    vcpu.setControl("cr4", 0x10);
    expect(vcpu.read(0x400000)).toEqual({ fault: 9 });
  });

  test("the budget: at 60 of 64 pages the oldest go, roots first, and the guest loads new ones once", () => {
    const bed = new Bed(64 * MIB, 0x6000);
    for (let region = 0; region < 200; region++) {
      const table = 0x800000 + region * 0x2000;
      bed.setPde(region * 2, table | P | W | U);
      bed.memory.write32(gpa(table), (0x2000000 + region * 0x1000) | P | W | U);
    }
    const vcpu = new KvmVcpu({ prefetch: false, budget: 64 }, bed);
    let mostUsed = 0;
    for (let region = 0; region < 200; region++) {
      const before = vcpu.shadow.pages.used;
      expect(vcpu.read(region * 0x800000)).toEqual({ gpa: 0x2000000 + region * 0x1000, backed: true });
      mostUsed = Math.max(mostUsed, vcpu.shadow.pages.used);
      if (region === 55) expect([before, vcpu.reloads, vcpu.shadow.pages.used]).toEqual([59, 0, 60]);
      if (region === 56) {
        const facts = vcpu.facts.take();
        expect(facts.filter(({ type }) => type === "shadow.reload")).toHaveLength(1);
        expect(facts).toContainEqual({ type: "shadow.evicted", n: 21 });
        // 60 less the 21, less the four invalid roots that the reload frees, plus new ones and the page asked for.
        expect([vcpu.reloads, vcpu.shadow.pages.used]).toEqual([1, 60 - 21 - 4 + 4 + 1]);
      }
      if (region % 19 === 0 || region === 57) expect(vcpu.pager.audit()).toEqual([]);
    }
    expect(mostUsed).toBe(60);
    expect(vcpu.reloads).toBeGreaterThan(3);
  });
});

describe("giving up", () => {
  test("a budget that nothing can live on is refused", () => {
    expect(() => new KvmVcpu({ budget: 63 })).toThrow(/at least 64/);
    const vcpu = new KvmVcpu();
    expect(() => vcpu.pager.changeBudget(10)).toThrow(RangeError);
  });

  test("no machine frames: old pages make room, and only if that does not help the guest is given up", () => {
    const bed = new Bed();
    for (let slot = 1; slot < 20; slot++) bed.map(slot * 0x400000, 0x300000 | P | W | U);
    // The pointers' frame, four roots, and what a fault must find, and a page to spare.
    while (bed.frames.freeFrames > 11) bed.frames.allocate("others");
    const vcpu = new KvmVcpu({}, bed);
    for (let slot = 1; slot < 20; slot++) {
      expect(vcpu.read(slot * 0x400000)).toEqual({ gpa: 0x300000, backed: true });
      expect(vcpu.pager.audit()).toEqual([]);
    }
    expect(vcpu.shadow.stats.recycledPages).toBeGreaterThan(0);

    const starved = new Bed();
    while (starved.frames.freeFrames > 3) starved.frames.allocate("others");
    expect(() => new KvmVcpu({}, starved)).toThrow(/machine frames/);
  });

  test("all frames are given back", () => {
    const bed = new Bed();
    const before = bed.frames.freeFrames;
    const vcpu = new KvmVcpu({}, bed);
    bed.map(0x400000, 0x300000 | P | W | U);
    vcpu.read(0x400000);
    expect(bed.frames.freeFrames).toBe(before - vcpu.pager.framesHeld);
    vcpu.pager.dispose();
    expect(bed.frames.freeFrames).toBe(before);
  });
});
