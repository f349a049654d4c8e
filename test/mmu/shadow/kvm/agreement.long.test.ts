import { describe, expect, test } from "vitest";
import { Cr0, Cr4 } from "../../../../src/cpu/state.ts";
import type { KvmFact } from "../../../../src/mmu/shadow/kvm/listener.ts";
import type { KvmOptions } from "../../../../src/mmu/shadow/kvm/options.ts";
import { PTE_LIST_KINDS } from "../../../../src/mmu/shadow/kvm/pte-lists.ts";
import { A, Bed, D, gpa, P, PS, U, W } from "../../bed.ts";
import { NX, WideBed } from "../../wide-bed.ts";
import { seededRandom } from "./random.ts";
import { KvmVcpu, type Seen } from "./vcpu.ts";

/**
 * Random guests: three address spaces whose tables lie where the guest can write them through a window of its own, and does so by linear
 * stores. What the guest sees must be what the processor would do with its tables, and the tables must come out the same, A and D
 * included.
 */
interface World {
  readonly wide: boolean;
  readonly directories: readonly number[];
  readonly tables: readonly number[];
  /** Linear base of one directory entry. */
  readonly span: number;
  readonly entryBytes: number;
  readonly slots: readonly number[];
  readonly pages: readonly number[];
  make(): Bed;
  /** Where a directory's entry of a slot is. */
  entryAt(directory: number, slot: number): number;
}

const WINDOW = 0xe0000000;
/** Tables of the window itself, which is never changed: it maps guest memory from 0 to 4 MiB. */
const WINDOW_TABLES = 0x3f0000;

const narrow: World = {
  wide: false,
  directories: [0x10000, 0x11000, 0x12000],
  tables: [0x20000, 0x21000, 0x22000, 0x23000],
  span: 0x400000,
  entryBytes: 4,
  slots: [0, 1, 0x100, 0x300],
  pages: [0, 1, 0x1ff, 0x200, 0x3ff],
  make: () => {
    const bed = new Bed();
    for (let page = 0; page < 1024; page++)
      bed.memory.write32(gpa(WINDOW_TABLES + page * 4), (page << 12) | P | W | A | D);
    for (const directory of narrow.directories)
      bed.setPde(WINDOW >>> 22, WINDOW_TABLES | P | W | A | D, directory);
    return bed;
  },
  entryAt: (directory, slot) => directory + slot * 4,
};

const PAE_POINTERS = [0x8000, 0x8020, 0x8040];
const pae: World = {
  wide: true,
  directories: [0x10000, 0x11000, 0x12000],
  tables: [0x20000, 0x21000, 0x22000, 0x23000],
  span: 0x200000,
  entryBytes: 8,
  slots: [0, 1, 0x1fe],
  pages: [0, 1, 7, 0x1ff],
  make: () => {
    const bed = new WideBed();
    bed.paging.cr3 = PAE_POINTERS[0] as number;
    for (let page = 0; page < 1024; page++)
      bed.put(WINDOW_TABLES + (page >>> 9) * 0x1000, page & 511, (page << 12) | P | W | A | D);
    // The last GiB is the window's in every address space; the first is the address space's own.
    const last = WINDOW_TABLES + 0x2000;
    bed.put(last, 256, WINDOW_TABLES | P | W | A | D);
    bed.put(last, 257, (WINDOW_TABLES + 0x1000) | P | W | A | D);
    for (const [i, pointers] of PAE_POINTERS.entries()) {
      bed.put(pointers, 0, (pae.directories[i] as number) | P);
      bed.put(pointers, 1, 0);
      bed.put(pointers, 2, (pae.directories[(i + 1) % 3] as number) | P);
      bed.put(pointers, 3, last | P);
    }
    bed.hardware.latchPdptes(bed.paging.cr3);
    return bed;
  },
  entryAt: (directory, slot) => directory + slot * 8,
};

const FRAMES = [0x300000, 0x301000, 0x302000, 0x9f000, 0xb8000, 0xfee00000, 0x20000, 0x21000, 0x10000];
const LARGE = [0, 0x400000, 0x800000, 0xc00000];

class Pair {
  readonly one: Bed;
  readonly two: KvmVcpu;
  readonly world: World;
  readonly random: (limit: number) => number;
  allowed = 0;
  refused = 0;

  constructor(world: World, options: KvmOptions, seed: number) {
    this.world = world;
    this.random = seededRandom(seed);
    this.one = world.make();
    this.two = new KvmVcpu(options, world.make());
    for (const directory of world.directories)
      for (const slot of world.slots)
        this.#poke(world.entryAt(directory, slot), this.#pick(world.tables) | P | W | U, 0);
    for (const table of world.tables)
      for (const page of world.pages)
        this.#poke(table + page * world.entryBytes, this.#leafBits(), this.#high());
  }

  /** Both guests' memory, behind everyone's back: before the guest runs. */
  #poke(at: number, low: number, high: number): void {
    for (const bed of [this.one, this.two.bed]) {
      bed.memory.write32(gpa(at), low >>> 0);
      if (this.world.wide) bed.memory.write32(gpa(at + 4), high);
    }
    this.two.pager.guestTableWritten(gpa(at), this.world.wide ? 8 : 4);
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[this.random(items.length)] as Item;
  }
  #oneIn(n: number): boolean {
    return this.random(n) === 0;
  }
  #flags(): number {
    return (
      [W, U, A, D].reduce((bits, bit) => bits | (this.#oneIn(3) ? 0 : bit), 0) | (this.#oneIn(8) ? 0 : P)
    );
  }
  #leafBits(): number {
    return (this.#pick(FRAMES) | this.#flags() | (this.#oneIn(20) ? 0x80 : 0)) >>> 0;
  }
  #high(): number {
    return this.world.wide && this.#oneIn(6) ? (this.#oneIn(4) ? 0x10000 : NX) : 0;
  }

  address(): number {
    const gib = this.world.wide && this.#oneIn(4) ? 0x80000000 : 0;
    return (
      (gib + this.#pick(this.world.slots) * this.world.span + this.#pick(this.world.pages) * 4096 + 0x120) >>>
      0
    );
  }

  /** What the processor would do, with no TLB. */
  #bare(at: number, write: boolean, user: boolean, fetch: boolean): Seen {
    const errorCode = this.one.translate(at, write, user, fetch);
    if (errorCode !== -1) return { fault: errorCode };
    const { gpa: reached, notBacked } = this.one.hardware;
    return { gpa: reached, backed: !notBacked };
  }

  access(at: number, write: boolean, user: boolean, fetch = false): Seen {
    const seen = this.#bare(at, write, user, fetch);
    const other = this.two.access(at, write, user, undefined, 4, fetch);
    if (JSON.stringify(seen) !== JSON.stringify(other))
      throw new Error(
        `${at.toString(16)} ${write ? "w" : "r"}${user ? "u" : "s"}: ${JSON.stringify(other)}, not ${JSON.stringify(seen)}`,
      );
    if ("fault" in seen) this.refused++;
    else this.allowed++;
    return seen;
  }

  /** A supervisor's store by linear address, in both guests. */
  store(at: number, value: number, size: 1 | 2 | 4 = 4): void {
    const seen = this.#bare(at, true, false, false);
    if ("fault" in seen) throw new Error("the window does not fault");
    const { memory } = this.one;
    if (size === 4) memory.write32(gpa(seen.gpa), value >>> 0);
    else if (size === 2) memory.write16(gpa(seen.gpa), value & 0xffff);
    else memory.write8(gpa(seen.gpa), value & 0xff);
    this.two.write(at, value >>> 0, false, size);
  }

  /** The guest changes an entry of one of its tables, and invalidates what that concerns if it is a careful one. */
  changeEntry(careful: boolean): void {
    const { world } = this;
    const leaf = !this.#oneIn(4);
    const slot = this.#pick(world.slots);
    let at: number;
    if (leaf) at = this.#pick(world.tables) + this.#pick(world.pages) * world.entryBytes;
    else at = world.entryAt(this.#pick(world.directories), slot);
    let low: number;
    if (leaf) low = this.#leafBits();
    else if (this.#oneIn(3)) low = this.#pick(LARGE) | this.#flags() | PS | (this.#oneIn(10) ? 0x2000 : 0);
    else low = this.#pick([...world.tables, ...world.directories, 0x7f000000]) | this.#flags();
    const linear = WINDOW + at;
    switch (this.random(8)) {
      case 0:
        this.store(linear + this.random(world.entryBytes - 1), low, 2);
        break;
      case 1:
        this.store(linear + this.random(world.entryBytes), low, 1);
        break;
      default:
        if (world.wide) this.store(linear + 4, leaf ? this.#high() : 0);
        this.store(linear, low);
    }
    if (careful) this.reload();
  }

  invlpgAll(): void {
    for (const slot of this.world.slots)
      for (const page of this.world.pages)
        for (const gib of this.world.wide ? [0, 0x80000000] : [0])
          this.two.invlpg((gib + slot * this.world.span + page * 4096) >>> 0);
  }

  reload(): void {
    this.two.loadCr3(this.two.bed.paging.cr3);
  }

  loadCr3(): void {
    const cr3 = this.#pick(this.world.wide ? PAE_POINTERS : this.world.directories);
    this.one.paging.cr3 = cr3;
    if (this.world.wide) this.one.hardware.latchPdptes(cr3);
    this.two.loadCr3(cr3);
  }

  setControl(): void {
    const cr0 = (this.#pick([Cr0.WP, 0]) | Cr0.PG | Cr0.PE) >>> 0;
    this.one.paging.cr0 = cr0;
    this.two.setControl("cr0", cr0);
    if (this.world.wide) return;
    const cr4 = this.#pick([Cr4.PSE, Cr4.PSE | Cr4.PGE, 0]);
    this.one.paging.cr4 = cr4;
    this.two.setControl("cr4", cr4);
  }

  /** Guest memory up to 4 MiB, tables and all. */
  sameMemory(): boolean {
    const bytes = (bed: Bed) => [
      bed.memory.readBytes(gpa(0x8000), 0x20000),
      bed.memory.readBytes(gpa(0x300000), 0x8000),
    ];
    return bytes(this.one).every((each, i) =>
      Buffer.from(each).equals(Buffer.from(bytes(this.two.bed)[i] as Uint8Array)),
    );
  }

  step(careful: boolean): string {
    const kind = this.random(100);
    if (kind < 55) {
      const fetch = this.world.wide && this.#oneIn(5);
      this.access(this.address(), !fetch && this.#oneIn(2), this.#oneIn(2), fetch);
      return "access";
    }
    if (kind < 80) {
      this.changeEntry(careful);
      return "change";
    }
    if (kind < 86) {
      this.loadCr3();
      return "cr3";
    }
    if (kind < 89) {
      this.setControl();
      return "control";
    }
    if (kind < 92) {
      this.two.pager.shrink();
      this.two.pager.enter();
      return "shrink";
    }
    if (kind < 94) {
      this.two.pager.unprotect(this.#pick([...this.world.tables, ...this.world.directories]) >>> 12);
      this.two.pager.enter();
      return "unprotect";
    }
    if (kind < 96) {
      const { slots } = this.two.shadow;
      const slot = slots.all[1];
      if (slot?.dirty === undefined) this.two.pager.startDirtyLog(1);
      else if (this.#oneIn(3)) this.two.pager.stopDirtyLog(1);
      else this.two.pager.readDirtyLog(1);
      return "log";
    }
    if (kind < 98) {
      this.two.pager.age(0x300 + this.random(3));
      return "age";
    }
    this.two.pager.zapAll();
    this.two.pager.zapObsolete(3);
    this.two.pager.enter();
    return "zap";
  }
}

const variants: KvmOptions[] = [
  {},
  { unsync: false },
  { flood: "vcpu" },
  { rmap: "descriptors", largeHostPages: true },
  { rmap: "linked", prefetch: false, budget: 30, smallestBudget: 1 },
  { largeHostPages: true, unsync: false, flood: "vcpu" },
];

describe.each([
  ["two-level", narrow],
  ["PAE", pae],
] as const)("a random %s guest", (_name, world) => {
  test.each(variants)(
    "that invalidates what it changes sees what the processor shows (%o)",
    (options) => {
      let allowed = 0;
      let refused = 0;
      for (let seed = 1; seed <= 6; seed++) {
        const pair = new Pair(world, options, seed * 7919);
        for (let step = 0; step < 120; step++) {
          let what = "";
          try {
            what = pair.step(true);
            // A leaf changed while another address space was current is stale there no longer than until it is loaded.
            if (step % 6 === 0) expect([pair.two.pager.audit(), pair.two.uncovered()]).toEqual([[], []]);
            expect(pair.sameMemory()).toBe(true);
          } catch (error) {
            throw new Error(`seed ${seed}, step ${step} ${what}: ${(error as Error).message}`);
          }
        }
        expect(pair.two.pager.audit()).toEqual([]);
        allowed += pair.allowed;
        refused += pair.refused;
      }
      expect(Math.min(allowed, refused)).toBeGreaterThan(50);
    },
    60_000,
  );

  test("that forgets to invalidate breaks no invariant", () => {
    let unsynced = 0;
    for (let seed = 1; seed <= 10; seed++) {
      const pair = new Pair(world, variants[seed % variants.length] as KvmOptions, seed * 104729);
      for (let step = 0; step < 120; step++) {
        try {
          pair.step(false);
        } catch (error) {
          // It may see its old mappings, but nothing else may go wrong.
          if (!(error as Error).message.includes(", not ")) throw error;
        }
        if (step % 4 === 0)
          expect([seed, step, pair.two.pager.audit(), pair.two.uncovered()]).toEqual([seed, step, [], []]);
      }
      unsynced += pair.two.shadow.stats.unsynced;
    }
    expect(unsynced).toBeGreaterThan(10);
  }, 60_000);
});

test("the designs of reverse maps lead to the same facts, turn by turn, and to the same shadow", () => {
  for (const world of [narrow, pae]) {
    const pairs = PTE_LIST_KINDS.map((rmap) => new Pair(world, { rmap }, 20261121));
    const sorted = (facts: KvmFact[]) => facts.map((fact) => JSON.stringify(fact)).sort();
    for (let step = 0; step < 500; step++) {
      const turns = pairs.map((pair) => {
        pair.step(true);
        return sorted(pair.two.facts.take());
      });
      for (const facts of turns) expect(facts).toEqual(turns[0]);
    }
    for (const pair of pairs) expect(pair.two.leaves()).toEqual((pairs[0] as Pair).two.leaves());
    expect((pairs[0] as Pair).two.shadow.stats.unsynced).toBeGreaterThan(0);
  }
}, 60_000);
