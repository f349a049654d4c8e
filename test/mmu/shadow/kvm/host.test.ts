import { describe, expect, test } from "vitest";
import type { KvmOptions } from "../../../../src/mmu/shadow/kvm/options.ts";
import { FLUSH_CEILING } from "../../../../src/mmu/shadow/kvm/owed-flush.ts";
import { RECYCLE_THRESHOLD } from "../../../../src/mmu/shadow/kvm/set-leaf.ts";
import { A, Bed, D, gpa, MIB, P, PS, U, W } from "../../bed.ts";
import { TABLE1, TOP, WideBed } from "../../wide-bed.ts";
import { KvmVcpu } from "./vcpu.ts";

/** 1024 pages from 4 MiB on, mapped at 0x400000, all writable and dirty. */
function mapped(options: KvmOptions = {}, bed = new Bed()): KvmVcpu {
  for (let page = 0; page < 1024; page++)
    bed.map(0x400000 + page * 4096, (0x400000 + page * 4096) | P | W | U | A | D);
  return new KvmVcpu(options, bed);
}
const sound = (vcpu: KvmVcpu) => expect([vcpu.pager.audit(), vcpu.uncovered()]).toEqual([[], []]);
const dirtyPages = (vcpu: KvmVcpu, slot = 1): number[] => {
  const first = vcpu.shadow.slots.byId(slot)?.baseGfn ?? 0;
  return [...vcpu.pager.readDirtyLog(slot)].flatMap((word, i) =>
    [...Array(32).keys()].filter((bit) => (word >>> bit) & 1).map((bit) => first + i * 32 + bit),
  );
};

describe("the dirty log", () => {
  test("names exactly the pages written, each of which costs one exit between two reads of the log", () => {
    const vcpu = mapped();
    for (let page = 0; page < 1024; page++) vcpu.read(0x400000 + page * 4096);
    vcpu.pager.startDirtyLog(1);
    sound(vcpu);
    expect(vcpu.leaves().filter(({ rights }) => rights.includes("W"))).toEqual([]);
    const pages = [0, 1, 2, 100, 200, 300, 500, 511, 1000, 1023];
    const writeAll = () => {
      for (const page of pages)
        for (let again = 0; again < 3; again++) vcpu.write(0x400000 + page * 4096, again);
    };
    expect(vcpu.exitsOf(writeAll)).toBe(10);
    sound(vcpu);
    // The table of the walk is logged too: A and D may have been set in it.
    expect(dirtyPages(vcpu)).toEqual([0x201, ...pages.map((page) => 0x400 + page)]);
    expect(vcpu.exitsOf(writeAll)).toBe(10);
    dirtyPages(vcpu);
    expect(dirtyPages(vcpu)).toEqual([]);
    vcpu.pager.stopDirtyLog(1);
    expect(() => vcpu.pager.readDirtyLog(1)).toThrow(/start the log/);
    sound(vcpu);
  });

  test("large leaves go when it starts, and do not come back while it runs", () => {
    const bed = new Bed();
    bed.setPde(1, 0x400000 | P | W | U | PS | A | D);
    const vcpu = new KvmVcpu({ largeHostPages: true }, bed);
    vcpu.write(0x400000);
    expect(vcpu.leaves()).toEqual([{ gva: 0x400000, pages: 512, frame: 0x400, rights: "WUX" }]);
    vcpu.pager.startDirtyLog(1);
    expect(vcpu.leaves()).toEqual([]);
    vcpu.write(0x400000);
    expect(vcpu.leaves()[0]).toEqual({ gva: 0x400000, pages: 1, frame: 0x400, rights: "WUX" });
    sound(vcpu);
  });
  test("device writes are noted; with strictDma they also give up the shadow of a table", () => {
    for (const strictDma of [false, true]) {
      const vcpu = mapped({ strictDma });
      vcpu.read(0x400000);
      const page = vcpu.page("L1 201 q0");
      vcpu.pager.startDirtyLog(1);
      vcpu.pager.deviceWrote(gpa(0x201ffc), 8);
      expect(dirtyPages(vcpu)).toEqual([0x201, 0x202]);
      expect(vcpu.shadow.pages.isLive(page)).toBe(!strictDma);
      sound(vcpu);
    }
  });
});

describe("large pages of the guest on large frames of the host", () => {
  test("are mapped by one leaf a 2 MiB, until a table appears in them", () => {
    const bed = new Bed();
    bed.setPde(1, 0x400000 | P | W | U | PS);
    const vcpu = new KvmVcpu({ largeHostPages: true }, bed);
    vcpu.read(0x412345);
    vcpu.write(0x600000);
    expect(vcpu.leaves()).toEqual([
      { gva: 0x400000, pages: 512, frame: 0x400, rights: "UX" },
      { gva: 0x600000, pages: 512, frame: 0x600, rights: "WUX" },
    ]);
    sound(vcpu);
    bed.setPde(2, 0x600000 | P | W | U);
    bed.memory.write32(gpa(0x600000), 0x300000 | P);
    vcpu.read(0x800000);
    expect(vcpu.leaves().find(({ gva }) => gva === 0x600000)).toBeUndefined();
    vcpu.write(0x601000);
    expect(vcpu.leaves().find(({ gva }) => gva === 0x601000)).toEqual({
      gva: 0x601000,
      pages: 1,
      frame: 0x601,
      rights: "WUX",
    });
    sound(vcpu);
  });

  test("memory that the host does not back as a whole is mapped small", () => {
    const bed = new Bed();
    bed.setPde(0, 0 | P | W | U | PS);
    const vcpu = new KvmVcpu({ largeHostPages: true, prefetch: false }, bed);
    vcpu.read(0x1000);
    expect(vcpu.leaves()).toEqual([{ gva: 0x1000, pages: 1, frame: 1, rights: "UX" }]);
  });
});

describe("the host's frames", () => {
  test("age says once that a page was used", () => {
    const vcpu = mapped({ prefetch: false });
    vcpu.read(0x400000);
    expect([vcpu.pager.age(0x400), vcpu.pager.age(0x400), vcpu.pager.age(0x401)]).toEqual([
      true,
      false,
      false,
    ]);
    vcpu.tlb.clear();
    vcpu.read(0x400000);
    expect(vcpu.pager.age(0x400)).toBe(true);
    sound(vcpu);
  });

  test("a frame moved for good is faulted in anew; one shared is put in place, read-only, in the same list", () => {
    const vcpu = mapped({ prefetch: false });
    const { bed, shadow } = vcpu;
    vcpu.write(0x400000);
    const cell = shadow.cells.rmap(0x400, 1);
    bed.p2m.table[0x400] = bed.p2m.lookup(0x500);
    vcpu.pager.frameMoved(0x400, false);
    expect(shadow.lists.length(cell)).toBe(1);
    expect(vcpu.leaves()[0]?.rights).toBe("UX");
    sound(vcpu);
    expect(vcpu.exitsOf(() => vcpu.read(0x400000))).toBe(0);
    vcpu.pager.frameMoved(0x400, true);
    expect(shadow.lists.length(cell)).toBe(0);
    vcpu.write(0x400000);
    expect(vcpu.leaves()[0]?.rights).toBe("WUX");
    sound(vcpu);
  });

  test("a slot that goes takes all with it, and its lists are empty; one that comes replaces MMIO", () => {
    for (const mmio of ["unbacked", "reserved"] as const) {
      const vcpu = mapped({ mmio, prefetch: false });
      vcpu.read(0x400000);
      const slot = vcpu.pager.removeSlot(1);
      vcpu.pager.enter();
      for (let gfn = 0x100; gfn < 0xc00; gfn++)
        expect(vcpu.shadow.lists.length(vcpu.shadow.cells.rmap(gfn, 1))).toBe(0);
      expect(vcpu.read(0x401000)).toEqual({ gpa: 0x401000, backed: false });
      sound(vcpu);
      vcpu.pager.addSlot(slot);
      vcpu.pager.enter();
      expect(vcpu.read(0x401000)).toEqual({ gpa: 0x401000, backed: true });
      sound(vcpu);
    }
  });
});

describe("MMIO", () => {
  test("with reserved bits: the second access is known by its fault alone, until the layout changes", () => {
    const vcpu = new KvmVcpu({ mmio: "reserved", prefetch: false });
    vcpu.bed.map(0x400000, 0xfee00000 | P | W | U | A | D);
    expect(vcpu.write(0x400123)).toEqual({ gpa: 0xfee00123, backed: false });
    expect(vcpu.bed.translate(0x400000, true, false)).toBe(11);
    const { faults } = vcpu.shadow.stats;
    expect(vcpu.exitsOf(() => vcpu.read(0x400abc))).toBe(1);
    expect(vcpu.shadow.stats.faults).toBe(faults + 1);
    sound(vcpu);
  });
  test("the generation is stored in the entry, and one of another layout is not believed", () => {
    const vcpu = new KvmVcpu({ mmio: "reserved" });
    vcpu.bed.map(0x400000, 0xfee00000 | P | W | U | A | D);
    vcpu.shadow.mmioGeneration = 0x5a5a & 0x7fff;
    vcpu.read(0x400000);
    const facts = () => vcpu.pager.fault(0x400000 as never, 9);
    expect(facts()).toEqual({ kind: "emulate", why: "mmio", gpa: 0xfee00000 });
    vcpu.shadow.mmioGeneration++;
    const before = vcpu.shadow.stats.created;
    expect(facts()).toEqual({ kind: "emulate", why: "mmio", gpa: 0xfee00000 });
    expect(vcpu.shadow.stats.created).toBe(before);
    sound(vcpu);
  });
  test("with nothing kept, each access is told to the monitor", () => {
    const vcpu = new KvmVcpu({ mmio: "none" });
    vcpu.bed.map(0x400000, 0xfee00000 | P | W | U);
    for (let n = 0; n < 3; n++) expect(vcpu.exitsOf(() => vcpu.write(0x400000))).toBe(1);
    expect(vcpu.leaves()).toEqual([]);
  });
});

describe("too many leaves of one gfn", () => {
  /** Every page of 8 MiB and more of addresses maps the same frame. */
  const crowd = (options: KvmOptions, pages: number): KvmVcpu => {
    const bed = new Bed();
    for (let page = 0; page < pages; page++) bed.map(0x400000 + page * 4096, 0x300000 | P | W | U | A | D);
    const vcpu = new KvmVcpu({ prefetch: false, ...options }, bed);
    for (let page = 0; page < pages; page++) vcpu.read(0x400000 + page * 4096);
    return vcpu;
  };
  const length = (vcpu: KvmVcpu) => vcpu.shadow.lists.length(vcpu.shadow.cells.rmap(0x300, 1));

  test("1001 stay; the next one empties the list, is repeated and is alone", () => {
    expect(length(crowd({}, RECYCLE_THRESHOLD + 1))).toBe(1001);
    const vcpu = crowd({}, RECYCLE_THRESHOLD + 2);
    expect(length(vcpu)).toBe(1);
    expect(vcpu.facts.take()).toContainEqual({ type: "shadow.recycled", gfn: 0x300, n: 1002 });
    sound(vcpu);
  });
  test("with recycling off all stay, and one pass protects them when the frame becomes a table", () => {
    const vcpu = crowd({ recycle: false }, 1500);
    expect(length(vcpu)).toBe(1500);
    const { counters } = vcpu.shadow.lists;
    const before = counters.slotVisits;
    vcpu.bed.setPde(0x100, 0x300000 | P | W | U);
    vcpu.bed.memory.write32(gpa(0x300000), 0x301000 | P);
    vcpu.read(0x40000000);
    // Under which address each is used, its page's one parent tells, until there are too many addresses to flush.
    expect(counters.slotVisits - before).toBe(1500 + FLUSH_CEILING + 1);
    sound(vcpu);
  });
});

describe("giving everything up", () => {
  test("by generations: obsolete pages are found no more and go in batches", () => {
    const bed = new Bed(32 * MIB, 0x4000);
    for (let slot = 1; slot < 31; slot++) bed.map(slot * 0x400000, 0x300000 | P | W | U);
    const vcpu = new KvmVcpu({}, bed);
    for (let slot = 1; slot < 31; slot++) vcpu.read(slot * 0x400000);
    expect(vcpu.shadow.pages.used).toBe(34);
    vcpu.pager.zapAll();
    vcpu.pager.enter();
    expect(vcpu.leaves()).toEqual([]);
    vcpu.read(0x400000);
    sound(vcpu);
    const left: number[] = [];
    while (vcpu.pager.zapObsolete()) left.push(vcpu.shadow.pages.used);
    expect(left).toEqual([29, 19, 9]);
    expect(vcpu.shadow.pages.used).toBe(5);
    sound(vcpu);
  });
  test("the host takes the oldest page, and spare frames", () => {
    const vcpu = mapped();
    vcpu.read(0x400000);
    for (let n = 0; n < 4; n++) vcpu.pager.shrink();
    vcpu.pager.enter();
    expect(vcpu.read(0x400000)).toEqual({ gpa: 0x400000, backed: true });
    sound(vcpu);
  });
  test("a budget cut takes the oldest pages", () => {
    const bed = new Bed(32 * MIB, 0x4000);
    for (let slot = 1; slot < 100; slot++) bed.map(slot * 0x400000, 0x300000 | P | W | U);
    const vcpu = new KvmVcpu({ budget: 128 }, bed);
    for (let slot = 1; slot < 100; slot++) vcpu.read(slot * 0x400000);
    vcpu.pager.changeBudget(64);
    expect(vcpu.shadow.pages.used).toBe(64);
    vcpu.pager.enter();
    sound(vcpu);
  });
});

describe("tables of four levels", () => {
  test("a middle table shared under a writable and a read-only entry: the second forbids writes", () => {
    const bed = new WideBed("4-level");
    // Both entries of level 3 lead to the directory at 0x13000.
    bed.put(TOP, 0, 0x12000 | P | W | U);
    bed.put(0x12000, 0, 0x13000 | P | W | U);
    bed.put(0x12000, 1, 0x13000 | P | U);
    bed.put(0x13000, 0, TABLE1 | P | W | U);
    bed.put(TABLE1, 0, 0x300000 | P | W | U | A | D);
    const vcpu = new KvmVcpu({ prefetch: false }, bed);
    expect(vcpu.write(0)).toEqual({ gpa: 0x300000, backed: true });
    expect(vcpu.read(0x40000000)).toEqual({ gpa: 0x300000, backed: true });
    expect(vcpu.write(0x40000000)).toEqual({ fault: 3 });
    expect(vcpu.livePages()).toEqual(["L4 11", "L3 12", "L2 13", "L1 14", "L2 13", "L1 14"]);
    sound(vcpu);
  });

  test("1 GiB and 2 MiB pages in small pieces, and addresses above 4 GiB", () => {
    const bed = new WideBed("4-level");
    bed.put(TOP, 1, 0x12000 | P | W | U);
    bed.put(0x12000, 2, 0 | P | W | U | PS);
    bed.put(0x12000, 3, 0x13000 | P | W | U);
    bed.put(0x13000, 5, 0x400000 | P | W | U | PS);
    const vcpu = new KvmVcpu({ prefetch: false }, bed);
    const base = 2 ** 39;
    // The page number of the test's TLB has 32-bit addresses: the walker is asked directly.
    const at = (address: number) => {
      for (let turn = 0; turn < 3; turn++) {
        if (bed.hardware.translate(address, 0, false, 0, 0, 0)) return bed.hardware.hpa / 4096 - bed.p2m.base;
        vcpu.pager.fault(address as never, bed.hardware.errorCode);
        vcpu.pager.enter();
      }
      return undefined;
    };
    expect(at(base + 2 * 2 ** 30 + 0x345000)).toBe(0x345);
    expect(at(base + 3 * 2 ** 30 + 5 * 0x200000 + 0x7000)).toBe(0x407);
    expect(vcpu.livePages()).toEqual([
      "L4 11",
      "L3 12",
      "L2 0 direct",
      "L1 200 direct",
      "L2 13",
      "L1 400 direct",
    ]);
    expect(vcpu.pager.audit()).toEqual([]);
  });
});
