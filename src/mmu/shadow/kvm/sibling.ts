import { listedTwice, newCounters, notListed, spteName } from "./list-counters.ts";
import type { ListSizes } from "./list-sizes.ts";
import { NIL, POISON, type PteLists } from "./pte-lists.ts";

/** How `add` learns the length of a list: `counter` keeps one word per cell, `walk` counts the entries, as the patch of 2010 does. */
export type SiblingCount = "counter" | "walk";

/**
 * Singly linked lists through one array parallel to the sptes ("sibling_pte"): nothing is ever allocated, adding and walking are cheap,
 * removing searches from the head. A link means something only while its spte is listed; it is poisoned otherwise.
 */
export class SiblingLists implements PteLists {
  readonly name = "sibling";
  readonly counters = newCounters();
  readonly #count: SiblingCount;
  readonly #heads: Uint32Array;
  readonly #lengths: Uint32Array;
  readonly #sib: Uint32Array;
  readonly fixedBytes: number;

  constructor(sizes: ListSizes, count: SiblingCount = "counter") {
    this.#count = count;
    this.#heads = new Uint32Array(sizes.cells);
    this.#lengths = new Uint32Array(sizes.cells);
    this.#sib = new Uint32Array(sizes.sptes).fill(POISON);
    const words = sizes.cells * (count === "counter" ? 2 : 1) + sizes.sptes;
    this.fixedBytes = words * 4;
  }

  add(cell: number, g: number, cap = Number.POSITIVE_INFINITY): number {
    const sib = this.#sib;
    if (sib[g] !== POISON) throw listedTwice(cell, g);
    const head = this.#head(cell);
    const before = this.#count === "counter" ? (this.#lengths[cell] as number) : this.#walkLength(head, cap);
    sib[g] = head;
    this.#heads[cell] = g;
    this.#lengths[cell] = (this.#lengths[cell] as number) + 1;
    return Math.min(before, cap);
  }

  remove(cell: number, g: number): void {
    const sib = this.#sib;
    const counters = this.counters;
    let previous = NIL;
    let c = this.#head(cell);
    while (c !== NIL && c !== g) {
      previous = c;
      c = sib[c] as number;
      counters.linkLoads++;
    }
    if (c === NIL) throw notListed(cell, g);
    this.#unlink(cell, previous, g, sib[g] as number);
  }

  first(cell: number): number {
    return this.#head(cell);
  }

  next(cell: number, g: number): number {
    const next = this.#sib[g] as number;
    if (next === POISON) throw notListed(cell, g);
    this.counters.linkLoads++;
    return next;
  }

  filter(cell: number, keep: (g: number) => boolean): number {
    const sib = this.#sib;
    const counters = this.counters;
    let previous = NIL;
    let removed = 0;
    for (let c = this.#head(cell); c !== NIL; ) {
      const next = sib[c] as number;
      counters.linkLoads++;
      counters.slotVisits++;
      if (keep(c)) previous = c;
      else {
        this.#unlink(cell, previous, c, next);
        removed++;
      }
      c = next;
    }
    return removed;
  }

  drain(cell: number, fn: (g: number) => void): number {
    let drained = 0;
    for (let c = this.#head(cell); c !== NIL; c = this.#head(cell)) {
      const next = this.#sib[c] as number;
      this.counters.linkLoads++;
      this.#unlink(cell, NIL, c, next);
      drained++;
      fn(c);
    }
    return drained;
  }

  length(cell: number, cap = Number.POSITIVE_INFINITY): number {
    return Math.min(this.#lengths[cell] as number, cap);
  }

  reserve(_adds: number): void {}

  check(listed: ReadonlySet<number>): string[] {
    const found: string[] = [];
    for (let g = 512; g < this.#sib.length; g++)
      if ((this.#sib[g] !== POISON) !== listed.has(g))
        found.push(
          `${spteName(g)} ${listed.has(g) ? "is listed but poisoned" : "has a link but is in no list"}`,
        );
    for (let cell = 0; cell < this.#heads.length; cell++) {
      let length = 0;
      for (
        let c = this.#heads[cell] as number;
        c !== NIL && length <= listed.size;
        c = this.#sib[c] as number
      )
        length++;
      if (length !== this.#lengths[cell])
        found.push(`list ${cell} has ${length} entries, its counter says ${this.#lengths[cell]}`);
    }
    return found;
  }

  #head(cell: number): number {
    this.counters.linkLoads++;
    return this.#heads[cell] as number;
  }

  #unlink(cell: number, previous: number, g: number, next: number): void {
    if (previous === NIL) this.#heads[cell] = next;
    else this.#sib[previous] = next;
    this.#sib[g] = POISON;
    this.#lengths[cell] = (this.#lengths[cell] as number) - 1;
  }

  #walkLength(head: number, cap: number): number {
    let length = 0;
    for (let c = head; c !== NIL && length < cap; length++) {
      c = this.#sib[c] as number;
      this.counters.linkLoads++;
    }
    return length;
  }
}
