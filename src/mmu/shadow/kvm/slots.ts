import { NO_FRAME } from "../../address.ts";
import type { P2m } from "../../p2m.ts";
import type { Level } from "./role.ts";

/** A run of guest memory. A gfn outside every slot is MMIO. */
export interface MemorySlot {
  readonly id: number;
  readonly baseGfn: number;
  readonly pages: number;
  /** Present while writes to the slot are logged: one bit a page. */
  dirty: Uint32Array | undefined;
}

const PAGES_PER_ENTRY = [0, 1, 2 ** 9, 2 ** 18, 2 ** 27] as const;

/** gfns that one entry of a level maps. */
export const pagesPerEntry = (level: Level): number => PAGES_PER_ENTRY[level];

/**
 * The guest's memory slots: host frames (from the p2m), dirty bitmaps, and per large frame the reasons why it must not be mapped by a
 * writable large leaf ("write count").
 */
export class MemorySlots {
  readonly p2m: P2m;
  /** gfns are below this. */
  readonly limit: number;
  #slots: MemorySlot[] = [];
  /** By gfn >>> 9 and gfn >>> 18. */
  readonly #writeCounts: readonly [Uint32Array, Uint32Array];
  readonly #baseCounts: readonly [Uint32Array, Uint32Array];
  readonly #readOnly: Uint8Array;

  /** A slot for every run of gfns that the p2m backs. */
  constructor(p2m: P2m) {
    this.p2m = p2m;
    this.limit = p2m.table.length;
    const arrays = () =>
      [
        new Uint32Array(Math.ceil(this.limit / 2 ** 9)),
        new Uint32Array(Math.ceil(this.limit / 2 ** 18)),
      ] as const;
    this.#writeCounts = arrays();
    this.#baseCounts = arrays();
    this.#readOnly = new Uint8Array(this.limit);
    for (let gfn = 0; gfn < this.limit; gfn++) {
      if (p2m.lookup(gfn) === NO_FRAME) continue;
      let end = gfn;
      while (end < this.limit && p2m.lookup(end) !== NO_FRAME) end++;
      this.#slots.push({ id: this.#slots.length, baseGfn: gfn, pages: end - gfn, dirty: undefined });
      gfn = end;
    }
    this.layoutChanged();
  }

  get all(): readonly MemorySlot[] {
    return this.#slots;
  }
  /** Pages of all slots. */
  get pages(): number {
    return this.#slots.reduce((sum, slot) => sum + slot.pages, 0);
  }
  get arrayBytes(): number {
    const counts = [...this.#writeCounts, ...this.#baseCounts].reduce(
      (sum, array) => sum + array.byteLength,
      0,
    );
    return counts + this.#readOnly.byteLength;
  }

  find(gfn: number): MemorySlot | undefined {
    const at = this.p2m.a20Masked(gfn);
    for (const slot of this.#slots) if (at >= slot.baseGfn && at < slot.baseGfn + slot.pages) return slot;
    return undefined;
  }
  byId(id: number): MemorySlot | undefined {
    return this.#slots.find((slot) => slot.id === id);
  }

  /** Machine frame of a gfn of memory; NO_FRAME outside every slot. */
  frame(gfn: number): number {
    return this.find(gfn) === undefined ? NO_FRAME : this.p2m.lookup(gfn);
  }

  hostWritable(gfn: number): boolean {
    return this.#readOnly[gfn] === 0;
  }
  setHostWritable(gfn: number, writable: boolean): void {
    this.#readOnly[gfn] = writable ? 0 : 1;
  }

  /** The caller has zapped everything. */
  removeSlot(id: number): void {
    this.#slots = this.#slots.filter((slot) => slot.id !== id);
    this.layoutChanged();
  }
  addSlot(slot: MemorySlot): void {
    this.#slots = [...this.#slots, slot];
    this.layoutChanged();
  }

  /** Notes a write to a page, if its slot is logged. */
  markDirty(gfn: number): void {
    const slot = this.find(gfn);
    if (slot?.dirty === undefined) return;
    const index = this.p2m.a20Masked(gfn) - slot.baseGfn;
    slot.dirty[index >>> 5] = (slot.dirty[index >>> 5] as number) | (1 << (index & 31));
  }

  /** Counts a shadow page of a table in (+1) or out (-1): the frame around it cannot be mapped large and writable. */
  account(gfn: number, delta: 1 | -1): void {
    if (gfn >= this.limit) return;
    const [two, three] = this.#writeCounts;
    two[gfn >>> 9] = (two[gfn >>> 9] as number) + delta;
    three[gfn >>> 18] = (three[gfn >>> 18] as number) + delta;
  }
  /** Reasons against a large leaf of that level around a gfn. */
  writeCount(gfn: number, level: 2 | 3): number {
    return this.#writeCounts[level - 2]?.[gfn >>> (9 * (level - 1))] ?? 1;
  }
  baseCount(gfn: number, level: 2 | 3): number {
    return this.#baseCounts[level - 2]?.[gfn >>> (9 * (level - 1))] ?? 1;
  }

  /** The highest level at which the host backs the surroundings of a gfn by one aligned run of frames. */
  hostLevel(gfn: number): Level {
    if (this.baseCount(gfn, 2) !== 0) return 1;
    return this.baseCount(gfn, 3) !== 0 ? 2 : 3;
  }

  /** Slots, or frames of the p2m, have changed: which large frames are possible is found out anew. */
  layoutChanged(): void {
    for (const [i, base] of this.#baseCounts.entries()) {
      const counts = this.#writeCounts[i] as Uint32Array;
      for (let index = 0; index < base.length; index++) {
        const now = this.#isLarge(index, 2 ** (9 * (i + 1))) ? 0 : 1;
        counts[index] = (counts[index] as number) + now - (base[index] as number);
        base[index] = now;
      }
    }
  }

  #isLarge(index: number, size: number): boolean {
    const first = index * size;
    const slot = this.find(first);
    if (slot === undefined || first + size > slot.baseGfn + slot.pages) return false;
    const mfn = this.p2m.lookup(first);
    if (mfn === NO_FRAME || mfn % size !== 0) return false;
    for (let i = 1; i < size; i++) if (this.p2m.lookup(first + i) !== mfn + i) return false;
    return true;
  }
}
