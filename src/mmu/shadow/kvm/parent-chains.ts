import { notListed } from "./list-counters.ts";
import { ObjectPool } from "./object-pool.ts";
import { NIL, type PteListCounters } from "./pte-lists.ts";

const SLOTS = 5;
const MORE = SLOTS;
const BACK = SLOTS + 1;

/**
 * Lists of parents: a cell word is 0, a single parent (g << 1), or the first chain object (id << 1 | 1). An object holds up to five
 * parents, packed to its front, and is linked both ways. New objects go to the front; the first one with room takes a new parent.
 */
export class ParentChains {
  readonly #heads: Uint32Array;
  readonly pool: ObjectPool;
  readonly #counters: PteListCounters;

  constructor(heads: Uint32Array, counters: PteListCounters) {
    this.#heads = heads;
    this.#counters = counters;
    this.pool = new ObjectPool(SLOTS + 2, counters);
  }

  add(cell: number, g: number, cap: number): number {
    const word = this.#heads[cell] as number;
    if (word === 0) {
      this.#heads[cell] = g << 1;
      return 0;
    }
    if ((word & 1) === 0) {
      const id = this.pool.take();
      const base = this.pool.base(id);
      this.pool.words[base] = word >>> 1;
      this.pool.words[base + 1] = g;
      this.#heads[cell] = ((id << 1) | 1) >>> 0;
      return 1;
    }
    let before = 0;
    let room = 0;
    for (let id = word >>> 1; id !== 0; id = this.#more(id)) {
      const used = this.#used(id);
      before += used;
      if (used < SLOTS && room === 0) room = id;
      if (room !== 0 && before >= cap) break;
    }
    if (room === 0) {
      room = this.pool.take();
      const { words } = this.pool;
      words[this.pool.base(room) + MORE] = word >>> 1;
      words[this.pool.base(word >>> 1) + BACK] = room;
      this.#heads[cell] = ((room << 1) | 1) >>> 0;
    }
    this.pool.words[this.pool.base(room) + this.#used(room)] = g;
    return Math.min(before, cap);
  }

  remove(cell: number, g: number): void {
    const word = this.#heads[cell] as number;
    if ((word & 1) === 0) {
      if (word === 0 || word >>> 1 !== g) throw notListed(cell, g);
      this.#heads[cell] = 0;
      return;
    }
    const { words } = this.pool;
    for (let id = word >>> 1; id !== 0; id = this.#more(id)) {
      const base = this.pool.base(id);
      for (let i = 0; i < SLOTS && words[base + i] !== NIL; i++) {
        this.#counters.slotVisits++;
        if (words[base + i] !== g) continue;
        this.#removeAt(cell, id, i);
        return;
      }
    }
    throw notListed(cell, g);
  }

  /** The parent after `g`, found by searching from the beginning; the first one for NIL. */
  after(cell: number, g: number): number {
    const word = this.#heads[cell] as number;
    if ((word & 1) === 0) return g === NIL ? word >>> 1 : NIL;
    const { words } = this.pool;
    let previous = NIL;
    for (let id = word >>> 1; id !== 0; id = this.#more(id)) {
      const base = this.pool.base(id);
      for (let i = 0; i < SLOTS && words[base + i] !== NIL; i++) {
        this.#counters.slotVisits++;
        if (previous === g) return words[base + i] as number;
        previous = words[base + i] as number;
      }
    }
    if (previous !== g) throw notListed(cell, g);
    return NIL;
  }

  filter(cell: number, keep: (g: number) => boolean): number {
    const word = this.#heads[cell] as number;
    if (word === 0) return 0;
    if ((word & 1) === 0) {
      this.#counters.slotVisits++;
      if (keep(word >>> 1)) return 0;
      this.#heads[cell] = 0;
      return 1;
    }
    const { words } = this.pool;
    let removed = 0;
    for (let id = word >>> 1; id !== 0; ) {
      const more = this.#more(id);
      const base = this.pool.base(id);
      let freed = false;
      for (let i = 0; !freed && i < SLOTS && words[base + i] !== NIL; ) {
        this.#counters.slotVisits++;
        if (keep(words[base + i] as number)) {
          i++;
          continue;
        }
        freed = this.#removeAt(cell, id, i);
        removed++;
      }
      id = more;
    }
    return removed;
  }

  /** Takes the first parent out; NIL when there is none. */
  pop(cell: number): number {
    const word = this.#heads[cell] as number;
    if ((word & 1) === 0) {
      this.#heads[cell] = 0;
      return word >>> 1;
    }
    this.#counters.slotVisits++;
    const id = word >>> 1;
    const g = this.pool.words[this.pool.base(id)] as number;
    this.#removeAt(cell, id, 0);
    return g;
  }

  length(cell: number, cap: number): number {
    const word = this.#heads[cell] as number;
    if ((word & 1) === 0) return word === 0 ? 0 : Math.min(1, cap);
    let length = 0;
    for (let id = word >>> 1; id !== 0 && length < cap; id = this.#more(id)) length += this.#used(id);
    return Math.min(length, cap);
  }

  check(from: number, to: number): string[] {
    const found: string[] = [];
    let used = 0;
    for (let cell = from; cell < to; cell++) {
      const word = this.#heads[cell] as number;
      if ((word & 1) === 0) continue;
      let back = 0;
      for (let id = word >>> 1; id !== 0; id = this.pool.words[this.pool.base(id) + MORE] as number) {
        if (++used > this.pool.made) return [...found, `chains of list ${cell} run in a circle`];
        const base = this.pool.base(id);
        const entries = [...this.pool.words.subarray(base, base + SLOTS)];
        const count = entries.filter((g) => g !== NIL).length;
        if (count === 0) found.push(`chain ${id} of list ${cell} is empty`);
        if (entries.slice(0, count).includes(NIL)) found.push(`chain ${id} of list ${cell} has a gap`);
        if (this.pool.words[base + BACK] !== back)
          found.push(`chain ${id} of list ${cell} leads back wrongly`);
        back = id;
      }
    }
    if (used !== this.pool.inUse) found.push(`${used} chains are in lists, ${this.pool.inUse} are taken`);
    return found;
  }

  #more(id: number): number {
    const more = this.pool.words[this.pool.base(id) + MORE] as number;
    if (more !== 0) this.#counters.linkLoads++;
    return more;
  }

  #used(id: number): number {
    const { words } = this.pool;
    const base = this.pool.base(id);
    let used = SLOTS;
    while (used > 0 && words[base + used - 1] === NIL) used--;
    return used;
  }

  /** Those behind move up. True when the object became empty and was freed. */
  #removeAt(cell: number, id: number, index: number): boolean {
    const { words } = this.pool;
    const base = this.pool.base(id);
    for (let i = index; i < SLOTS - 1; i++) words[base + i] = words[base + i + 1] as number;
    words[base + SLOTS - 1] = NIL;
    if (words[base] !== NIL) return false;
    const more = words[base + MORE] as number;
    const back = words[base + BACK] as number;
    if (back !== 0) words[this.pool.base(back) + MORE] = more;
    else this.#heads[cell] = more === 0 ? 0 : ((more << 1) | 1) >>> 0;
    if (more !== 0) words[this.pool.base(more) + BACK] = back;
    this.pool.give(id);
    return true;
  }
}
