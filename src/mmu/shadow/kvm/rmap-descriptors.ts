import { notListed } from "./list-counters.ts";
import { ObjectPool } from "./object-pool.ts";
import { NIL, type PteListCounters } from "./pte-lists.ts";

const SLOTS = 4;
const MORE = SLOTS;

/**
 * Lists of leaves: a cell word is 0, a single entry (g << 1), or the first descriptor (id << 1 | 1). A descriptor holds up to four
 * entries, packed to its front, and the number of the next one. New descriptors go to the end.
 */
export class RmapDescriptors {
  readonly #heads: Uint32Array;
  readonly pool: ObjectPool;
  readonly #counters: PteListCounters;

  constructor(heads: Uint32Array, counters: PteListCounters) {
    this.#heads = heads;
    this.#counters = counters;
    this.pool = new ObjectPool(SLOTS + 1, counters);
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
    let id = word >>> 1;
    let before = 0;
    let room = 0;
    for (;;) {
      const used = this.#used(id);
      before += used;
      if (used < SLOTS && room === 0) room = id;
      const more = this.pool.words[this.pool.base(id) + MORE] as number;
      if (more === 0 || (room !== 0 && before >= cap)) break;
      id = more;
      this.#counters.linkLoads++;
    }
    if (room === 0) {
      room = this.pool.take();
      this.pool.words[this.pool.base(id) + MORE] = room;
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
    let previous = 0;
    for (let id = word >>> 1; id !== 0; id = this.#more(id)) {
      const base = this.pool.base(id);
      for (let i = 0; i < SLOTS && words[base + i] !== NIL; i++) {
        this.#counters.slotVisits++;
        if (words[base + i] !== g) continue;
        this.#removeAt(cell, id, i, previous);
        return;
      }
      previous = id;
    }
    throw notListed(cell, g);
  }

  /** The entry after `g`, found by searching from the beginning; the first one for NIL. */
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
    let previous = 0;
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
        // Another entry may move into this place: it is looked at next.
        freed = this.#removeAt(cell, id, i, previous);
        removed++;
      }
      if (!freed) previous = id;
      id = more;
    }
    return removed;
  }

  /** Takes the first entry out; NIL when there is none. */
  pop(cell: number): number {
    const word = this.#heads[cell] as number;
    if ((word & 1) === 0) {
      this.#heads[cell] = 0;
      return word >>> 1;
    }
    this.#counters.slotVisits++;
    const id = word >>> 1;
    const g = this.pool.words[this.pool.base(id)] as number;
    this.#removeAt(cell, id, 0, 0);
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
      for (let id = word >>> 1; id !== 0; id = this.pool.words[this.pool.base(id) + MORE] as number) {
        if (++used > this.pool.made) return [...found, `descriptors of list ${cell} run in a circle`];
        const base = this.pool.base(id);
        const entries = [...this.pool.words.subarray(base, base + SLOTS)];
        const count = entries.filter((g) => g !== NIL).length;
        if (count === 0) found.push(`descriptor ${id} of list ${cell} is empty`);
        if (entries.slice(0, count).includes(NIL)) found.push(`descriptor ${id} of list ${cell} has a gap`);
      }
    }
    if (used !== this.pool.inUse)
      found.push(`${used} descriptors are in lists, ${this.pool.inUse} are taken`);
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

  /** The last entry of the same descriptor takes the place. True when the descriptor became empty and was freed. */
  #removeAt(cell: number, id: number, index: number, previous: number): boolean {
    const { words } = this.pool;
    const base = this.pool.base(id);
    const last = this.#used(id) - 1;
    words[base + index] = words[base + last] as number;
    words[base + last] = NIL;
    if (last > 0) return false;
    const more = words[base + MORE] as number;
    if (previous !== 0) words[this.pool.base(previous) + MORE] = more;
    else this.#heads[cell] = more === 0 ? 0 : ((more << 1) | 1) >>> 0;
    this.pool.give(id);
    return true;
  }
}
