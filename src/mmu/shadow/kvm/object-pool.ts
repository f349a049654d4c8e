import { type PteListCounters, PteListError } from "./pte-lists.ts";

/** Objects of a few words each, by number from 1 on. Memory grows in `reserve` only; `take` never fails after it. */
export class ObjectPool {
  readonly #size: number;
  readonly #counters: PteListCounters;
  words: Uint32Array;
  /** Objects that exist, used or free. */
  #made = 0;
  readonly #free: number[] = [];

  constructor(wordsPerObject: number, counters: PteListCounters) {
    this.#size = wordsPerObject;
    this.#counters = counters;
    this.words = new Uint32Array(0);
  }

  get inUse(): number {
    return this.#made - this.#free.length;
  }
  get made(): number {
    return this.#made;
  }
  get free(): number {
    return this.#free.length;
  }

  /** First word of an object. */
  base(id: number): number {
    return (id - 1) * this.#size;
  }

  reserve(count: number): void {
    const missing = count - this.#free.length;
    if (missing <= 0) return;
    const needed = (this.#made + missing) * this.#size;
    if (needed > this.words.length) {
      const longer = new Uint32Array(Math.max(needed, this.words.length * 2));
      longer.set(this.words);
      this.words = longer;
    }
    for (let i = 0; i < missing; i++) this.#free.push(++this.#made);
  }

  /** An object of zeroes. Throws PteListError when nothing was reserved. */
  take(): number {
    const id = this.#free.pop();
    if (id === undefined) throw new PteListError("an object was needed that had not been reserved");
    this.#counters.allocs++;
    const counters = this.#counters;
    counters.bytesNow += this.#size * 4;
    if (counters.bytesNow > counters.bytesPeak) counters.bytesPeak = counters.bytesNow;
    const base = this.base(id);
    this.words.fill(0, base, base + this.#size);
    return id;
  }

  give(id: number): void {
    this.#counters.frees++;
    this.#counters.bytesNow -= this.#size * 4;
    this.#free.push(id);
  }
}
