import { type PteListCounters, PteListError } from "./pte-lists.ts";

/** Objects of a few words each, by number from 1 on. Memory grows in `reserve` only; `take` never fails after it. */
export class ObjectPool {
  readonly #size: number;
  readonly #counters: PteListCounters;
  /** All objects. Replaced by a longer array in `reserve`: not to be kept across a call of it. */
  words = new Uint32Array(0);
  #made = 0;
  /** First word of a free object: the number of the next free one, or 0. */
  #firstFree = 0;
  #free = 0;

  constructor(wordsPerObject: number, counters: PteListCounters) {
    this.#size = wordsPerObject;
    this.#counters = counters;
  }

  get objectBytes(): number {
    return this.#size * 4;
  }
  /** Objects that exist, used or free. */
  get made(): number {
    return this.#made;
  }
  get inUse(): number {
    return this.#made - this.#free;
  }

  /** First word of an object. */
  base(id: number): number {
    return (id - 1) * this.#size;
  }

  /** Sees to it that `count` objects are free. */
  reserve(count: number): void {
    const missing = count - this.#free;
    if (missing <= 0) return;
    const needed = (this.#made + missing) * this.#size;
    if (needed > this.words.length) {
      const longer = new Uint32Array(Math.max(needed, this.words.length * 2));
      longer.set(this.words);
      this.words = longer;
    }
    for (let i = 0; i < missing; i++) this.#release(++this.#made);
  }

  /** An object of zeroes. Throws PteListError when nothing was reserved. */
  take(): number {
    const id = this.#firstFree;
    if (id === 0)
      throw new PteListError("an object was needed that had not been reserved: call reserve() first");
    const base = this.base(id);
    this.#firstFree = this.words[base] as number;
    this.#free--;
    this.words.fill(0, base, base + this.#size);
    const counters = this.#counters;
    counters.allocs++;
    counters.bytesNow += this.objectBytes;
    if (counters.bytesNow > counters.bytesPeak) counters.bytesPeak = counters.bytesNow;
    return id;
  }

  give(id: number): void {
    this.#counters.frees++;
    this.#counters.bytesNow -= this.objectBytes;
    this.#release(id);
  }

  /** Numbers of the free objects, found by following the free list; stops after as many as exist. */
  freeIds(): number[] {
    const ids: number[] = [];
    for (
      let id = this.#firstFree;
      id !== 0 && ids.length <= this.#made;
      id = this.words[this.base(id)] as number
    )
      ids.push(id);
    return ids;
  }

  #release(id: number): void {
    this.words[this.base(id)] = this.#firstFree;
    this.#firstFree = id;
    this.#free++;
  }
}
