import { describe, expect, test } from "vitest";
import { Cr0, Cr4, Efer } from "../../../src/cpu/state.ts";
import type { TranslationChange } from "../../../src/mmu/pager.ts";
import { A, type Bed, D, G, gpa, gva, P, PS, U, W } from "../bed.ts";
import { NX, WideBed } from "../wide-bed.ts";
import { seededRandom } from "./kvm/random.ts";
import { type Seen, ShadowVcpu } from "./vcpu.ts";

/** Three address spaces: the first GiB and the second have directories of their own in each, the last one, the kernel's, is shared. */
const POINTERS = [0x8000, 0x8020, 0x8040];
const DIRECTORIES = [0x10000, 0x11000, 0x12000];
const KERNEL = 0x18000;
const TABLES = [0x20000, 0x21000, 0x22000];
const KERNEL_TABLES = [0x28000, 0x29000];
const SLOTS = [0, 1, 0x1ff];
const PAGES = [0, 1, 0x1ff];
const GIB = 2 ** 30;
const FRAMES = [0x345000, 0x346000, 0x9f000, 0xb8000, 0xbff000, 0xc00000, 0xfffff000];
const LARGE_FRAMES = [0, 0x200000, 0x400000, 0xa00000, 0xc00000];
const ROUNDS = 10;
const STEPS = 300;
const AUDIT_EVERY = 10;

class Trio {
  readonly one = new WideBed();
  readonly two = new WideBed();
  readonly vcpu: ShadowVcpu<WideBed>;
  readonly random: (limit: number) => number;
  allowed = 0;
  refused = 0;
  #steps = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    const options = { keepGlobal: this.#oneIn(2), tableBudget: this.#pick([1, 2, 1024]) };
    this.vcpu = new ShadowVcpu(options, undefined, new WideBed());
    for (const [i, pointers] of POINTERS.entries())
      for (const gib of [0, 1, 3]) this.#put(pointers, gib, this.#directory(i, gib) | P);
    for (const directory of [...DIRECTORIES, KERNEL])
      for (const slot of SLOTS) this.#changeSlot(directory, slot);
    for (const table of [...TABLES, ...KERNEL_TABLES])
      for (const page of PAGES) this.#changePage(table, page);
    this.#setCr3(0);
  }

  step(): void {
    const { cr0, cr4, efer } = this.vcpu.bed.paging;
    const inPae = (cr0 & Cr0.PG) !== 0 && (cr4 & Cr4.PAE) !== 0;
    const kind = this.random(30);
    if (kind < 16) this.#access();
    else if (kind < 20 && inPae) this.#changeLeaf();
    else if (kind < 22 && inPae) this.#changeDirectory();
    else if (kind < 25) this.#setCr3(this.random(3));
    else if (kind === 25) this.#invlpg(this.#address());
    else if (kind === 26) this.#set("cr0", cr0 ^ Cr0.WP);
    else if (kind === 27) this.#set("cr4", cr4 ^ Cr4.PGE);
    else if (kind === 28) this.#set("efer", efer ^ Efer.NXE);
    else if (this.#oneIn(2)) this.#set("cr0", cr0 ^ Cr0.PG);
    else this.#set("cr4", cr4 ^ Cr4.PAE);
    if (++this.#steps % AUDIT_EVERY === 0) this.#compare();
  }

  get #beds(): WideBed[] {
    return [this.one, this.two, this.vcpu.bed];
  }

  #access(): void {
    const at = this.#address() + 0x123;
    const kind = this.#pick(["read", "write", "fetch"] as const);
    const user = this.#oneIn(2);
    const [write, fetch] = [kind === "write", kind === "fetch"];
    const errorCode = this.one.translate(at, write, user, fetch);
    const { notBacked, gpa: far, hpa } = this.one.hardware;
    const reached = notBacked ? far : hpa - this.one.p2m.base * 4096 + 0x123;
    const seen: Seen = errorCode === -1 ? { gpa: reached, backed: !notBacked } : { fault: errorCode };
    const walk = this.two.walker.walk({ gva: gva(at), write, user, fetch }, this.two.paging);
    const walked = walk.kind === "fault" ? { fault: walk.errorCode } : { gpa: walk.gpa, backed: !notBacked };
    expect(walked).toEqual(seen);
    expect(this.vcpu.access(at, write, user, fetch)).toEqual(seen);
    if (errorCode === -1) this.allowed++;
    else this.refused++;
  }

  /** An entry that maps 4 KiB changes, and the guest invalidates that page. */
  #changeLeaf(): void {
    const isKernel = this.#oneIn(2);
    const table = this.#pick(isKernel ? KERNEL_TABLES : TABLES);
    const page = this.#pick(PAGES);
    this.#changePage(table, page);
    for (const slot of SLOTS)
      for (const gib of isKernel ? [3] : [0, 1]) this.#invlpg(gib * GIB + slot * 0x200000 + page * 0x1000);
  }

  /** A directory's entry changes, or one of the pointers; the guest then drops everything, and the pointers are latched. */
  #changeDirectory(): void {
    if (this.#oneIn(3)) {
      const gib = this.random(3);
      const space = this.random(3);
      const isThere = this.#oneIn(3) ? 0 : P;
      this.#put(POINTERS[space] as number, gib, this.#directory(this.random(3), gib) | isThere);
    } else this.#changeSlot(this.#pick([...DIRECTORIES, KERNEL]), this.#pick(SLOTS));
    const { cr4 } = this.vcpu.bed.paging;
    for (const value of [cr4 ^ Cr4.PGE, cr4]) this.#set("cr4", value);
  }

  #setCr3(space: number): void {
    for (const bed of this.#beds) bed.paging.cr3 = POINTERS[space] as number;
    this.#told("cr3");
    // With two levels what is global differs from space to space: the guest drops it.
    const { cr4 } = this.vcpu.bed.paging;
    if ((cr4 & Cr4.PAE) === 0) for (const value of [cr4 ^ Cr4.PGE, cr4]) this.#set("cr4", value);
  }

  #set(register: "cr0" | "cr4" | "efer", value: number): void {
    for (const bed of this.#beds) bed.paging[register] = value >>> 0;
    this.#told(register);
  }

  #told(change: TranslationChange): void {
    const { cr0, cr3, cr4 } = this.vcpu.bed.paging;
    if ((cr0 & Cr0.PG) !== 0 && (cr4 & Cr4.PAE) !== 0)
      for (const bed of this.#beds) {
        // With two levels they were entries of a directory, and have got A, which is reserved in pointers.
        for (const pointers of POINTERS)
          for (let gib = 0; gib < 4; gib++)
            bed.put(pointers, gib, (bed.entry(pointers, gib)[0] & ~(A | D)) >>> 0);
        expect(bed.hardware.latchPdptes(cr3)).toBe(true);
      }
    this.vcpu.pager.contextChanged(change);
  }

  #invlpg(at: number): void {
    this.vcpu.invlpg(at);
  }

  #compare(): void {
    const bytes = (bed: Bed) => Buffer.from(bed.memory.readBytes(gpa(0x8000), 0x22000));
    const tables = bytes(this.one);
    expect(tables.equals(bytes(this.two))).toBe(true);
    expect(tables.equals(bytes(this.vcpu.bed))).toBe(true);
    const { violations, staleEntries } = this.vcpu.pager.auditReport();
    expect([violations, this.vcpu.uncovered(), staleEntries]).toEqual([[], [], 0]);
  }

  #address(): number {
    const gib = this.#pick([0, 1, 2, 3]);
    return gib * GIB + this.#pick(SLOTS) * 0x200000 + this.#pick(PAGES) * 0x1000;
  }

  #directory(space: number, gib: number): number {
    return gib === 3 ? KERNEL : (DIRECTORIES[(space + gib) % 3] as number);
  }

  /** Links the slot to a table, or maps 2 MiB. What is global is the kernel's. */
  #changeSlot(directory: number, slot: number): void {
    const isKernel = directory === KERNEL;
    const large = this.#oneIn(4);
    const place = large
      ? this.#pick(LARGE_FRAMES) |
        PS |
        (this.#oneIn(10) ? 0x2000 : 0) |
        this.#some(A, D, ...(isKernel ? [G] : []))
      : this.#pick(isKernel ? KERNEL_TABLES : TABLES) | this.#some(A);
    this.#put(directory, slot, place | this.#rights(), this.#high(large));
  }

  #changePage(table: number, page: number): void {
    const global = KERNEL_TABLES.includes(table) ? [G] : [];
    const low =
      this.#pick(FRAMES) | this.#rights() | this.#some(A, D, ...global) | (this.#oneIn(20) ? PS : 0);
    this.#put(table, page, low, this.#high(true));
  }

  #rights(): number {
    return (this.#oneIn(8) ? 0 : P) | (this.#oneIn(4) ? 0 : W) | (this.#oneIn(4) ? 0 : U);
  }

  #high(isLeaf: boolean): number {
    if (this.#oneIn(20)) return 0x10;
    return ((this.#oneIn(3) ? NX : 0) | (isLeaf && this.#oneIn(10) ? 0xc : 0)) >>> 0;
  }

  #put(table: number, index: number, low: number, high = 0): void {
    for (const bed of this.#beds) bed.put(table, index, low >>> 0, high);
  }

  #some(...bits: number[]): number {
    return bits.reduce((all, bit) => all | (this.#oneIn(2) ? bit : 0), 0);
  }
  #pick<Item>(items: readonly Item[]): Item {
    return items[this.random(items.length)] as Item;
  }
  #oneIn(n: number): boolean {
    return this.random(n) === 0;
  }
}

describe("random PAE tables, registers and accesses", () => {
  test("both walkers and vtlb agree on outcome, address, A and D while the guest invalidates what it changes", () => {
    let [allowed, refused] = [0, 0];
    for (let seed = 1; seed <= ROUNDS; seed++) {
      const trio = new Trio(seed * 7919);
      for (let step = 0; step < STEPS; step++) trio.step();
      allowed += trio.allowed;
      refused += trio.refused;
    }
    expect(allowed).toBeGreaterThan(300);
    expect(refused).toBeGreaterThan(300);
  }, 60_000);
});
