import { noSuchList, notListed } from "./list-counters.ts";
import { ObjectPool } from "./object-pool.ts";
import { NIL, type PteListCounters } from "./pte-lists.ts";

/** What the lists of leaves and those of parents have in common: arrays by cell and by spte. */
export interface ObjectListArrays {
  /** Word of a cell: 0, a single entry (g << 1), or the first object (id << 1 | 1). */
  readonly heads: Uint32Array;
  readonly lengths: Uint32Array;
  /** One bit per spte, set while it is in a list. */
  readonly listed: Uint32Array;
  readonly counters: PteListCounters;
}

/**
 * Lists whose entries stand in objects of a few slots, packed to the front of each, with the number of the next object in the word
 * behind the slots. A list of one entry needs no object until it has had two; one that has had two keeps an object until it is empty.
 * Designs differ in where an entry is added, how the gap of a removed one is closed, and how an empty object is unlinked.
 */
export abstract class ObjectLists {
  readonly pool: ObjectPool;
  protected readonly slots: number;
  protected readonly heads: Uint32Array;
  protected readonly counters: PteListCounters;
  readonly #lengths: Uint32Array;
  readonly #listed: Uint32Array;

  constructor(slots: number, wordsPerObject: number, arrays: ObjectListArrays) {
    this.slots = slots;
    this.heads = arrays.heads;
    this.counters = arrays.counters;
    this.#lengths = arrays.lengths;
    this.#listed = arrays.listed;
    this.pool = new ObjectPool(wordsPerObject, arrays.counters);
  }

  /** Puts `g` into a list whose first object is `first`. */
  protected abstract addToObjects(cell: number, first: number, g: number): void;
  /** Takes out the entry at `index` and leaves the others packed. */
  protected abstract closeGap(id: number, index: number): void;
  /** Takes an empty object out of its list. `previous` is 0 for the first one. */
  protected abstract unlink(cell: number, id: number, previous: number): void;

  /** `g` is known to be in no list. */
  add(cell: number, g: number): void {
    const word = this.#word(cell);
    if (word === 0) this.heads[cell] = g << 1;
    else if ((word & 1) === 0) {
      const id = this.pool.take();
      const base = this.pool.base(id);
      this.pool.words[base] = word >>> 1;
      this.pool.words[base + 1] = g;
      this.setFirst(cell, id);
    } else this.addToObjects(cell, word >>> 1, g);
    this.#lengths[cell] = (this.#lengths[cell] as number) + 1;
    this.#listed[g >>> 5] = (this.#listed[g >>> 5] as number) | (1 << (g & 31));
  }

  remove(cell: number, g: number): void {
    const word = this.#word(cell);
    if ((word & 1) === 0) {
      if (word === 0 || word >>> 1 !== g) throw notListed(cell, g);
      this.#removeSingle(cell, g);
      return;
    }
    const { words } = this.pool;
    let previous = 0;
    for (let id = word >>> 1; id !== 0; id = this.more(id)) {
      const base = this.pool.base(id);
      for (let i = 0; i < this.slots && words[base + i] !== NIL; i++) {
        this.counters.slotVisits++;
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
    const word = this.#word(cell);
    if ((word & 1) === 0) {
      if (g === NIL) return word >>> 1;
      if (word >>> 1 !== g) throw notListed(cell, g);
      return NIL;
    }
    const { words } = this.pool;
    let previous = NIL;
    for (let id = word >>> 1; id !== 0; id = this.more(id)) {
      const base = this.pool.base(id);
      for (let i = 0; i < this.slots && words[base + i] !== NIL; i++) {
        this.counters.slotVisits++;
        if (previous === g) return words[base + i] as number;
        previous = words[base + i] as number;
      }
    }
    if (previous !== g) throw notListed(cell, g);
    return NIL;
  }

  filter(cell: number, keep: (g: number) => boolean): number {
    const word = this.#word(cell);
    if (word === 0) return 0;
    if ((word & 1) === 0) {
      if (keep(word >>> 1)) return 0;
      this.#removeSingle(cell, word >>> 1);
      return 1;
    }
    let removed = 0;
    let previous = 0;
    for (let id = word >>> 1; id !== 0; ) {
      const more = this.more(id);
      const base = this.pool.base(id);
      let freed = false;
      for (let i = 0; !freed && i < this.slots; ) {
        const g = this.pool.words[base + i] as number;
        if (g === NIL) break;
        this.counters.slotVisits++;
        if (keep(g)) {
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
    const word = this.#word(cell);
    if (word === 0) return NIL;
    if ((word & 1) === 0) {
      this.#removeSingle(cell, word >>> 1);
      return word >>> 1;
    }
    this.counters.slotVisits++;
    const id = word >>> 1;
    const g = this.pool.words[this.pool.base(id)] as number;
    this.#removeAt(cell, id, 0, 0);
    return g;
  }

  /** What is wrong with cells `from` up to before `to`, and with the pool; `noun` names an object. */
  check(noun: string, from: number, to: number): string[] {
    const found: string[] = [];
    const used = new Set<number>();
    for (let cell = from; cell < to; cell++) {
      const word = this.heads[cell] as number;
      let length = word === 0 ? 0 : 1;
      if ((word & 1) !== 0) {
        length = 0;
        for (let id = word >>> 1; id !== 0; id = this.pool.words[this.pool.base(id) + this.slots] as number) {
          const where = `${noun} ${id} of list ${cell}`;
          if (id > this.pool.made) return [...found, `${where} does not exist`];
          if (used.has(id)) return [...found, `${where} is met twice`];
          used.add(id);
          const base = this.pool.base(id);
          const entries = [...this.pool.words.subarray(base, base + this.slots)];
          const count = entries.filter((g) => g !== NIL).length;
          if (count === 0) found.push(`${where} is empty`);
          if (entries.slice(0, count).includes(NIL)) found.push(`${where} has a gap`);
          length += count;
        }
      }
      if (length !== this.#lengths[cell])
        found.push(`list ${cell} has ${length} entries, its counter says ${this.#lengths[cell]}`);
    }
    const free = this.pool.freeIds();
    if (free.some((id) => used.has(id))) found.push(`a ${noun} is free and in a list`);
    if (used.size + free.length !== this.pool.made)
      found.push(
        `${used.size} ${noun}s in lists and ${free.length} free ones are not the ${this.pool.made} that exist`,
      );
    return found;
  }

  protected setFirst(cell: number, id: number): void {
    this.heads[cell] = id === 0 ? 0 : (id << 1) | 1;
  }

  /** The object behind. Only a link that is followed counts as a load. */
  protected more(id: number): number {
    const more = this.pool.words[this.pool.base(id) + this.slots] as number;
    if (more !== 0) this.counters.linkLoads++;
    return more;
  }

  protected setMore(id: number, more: number): void {
    this.pool.words[this.pool.base(id) + this.slots] = more;
  }

  protected used(id: number): number {
    const base = this.pool.base(id);
    let used = this.slots;
    while (used > 0 && this.pool.words[base + used - 1] === NIL) used--;
    return used;
  }

  #word(cell: number): number {
    const word = this.heads[cell];
    if (word === undefined || cell === 0) throw noSuchList(cell, this.heads.length);
    this.counters.linkLoads++;
    return word;
  }

  #removeSingle(cell: number, g: number): void {
    this.heads[cell] = 0;
    this.#forget(cell, g);
  }

  /** True when the object became empty and was freed. */
  #removeAt(cell: number, id: number, index: number, previous: number): boolean {
    const base = this.pool.base(id);
    this.#forget(cell, this.pool.words[base + index] as number);
    this.closeGap(id, index);
    if (this.pool.words[base] !== NIL) return false;
    this.unlink(cell, id, previous);
    this.pool.give(id);
    return true;
  }

  #forget(cell: number, g: number): void {
    this.#lengths[cell] = (this.#lengths[cell] as number) - 1;
    this.#listed[g >>> 5] = (this.#listed[g >>> 5] as number) & ~(1 << (g & 31));
  }
}
