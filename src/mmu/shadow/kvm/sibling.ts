import { checkLengths, checkPoison } from "./links-check.ts";
import { newCounters, noSuchList, notListed, refusal } from "./list-counters.ts";
import { freshLinks, isLink, type ListSizes } from "./list-sizes.ts";
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
  readonly fixedBytes: number;
  readonly #count: SiblingCount;
  readonly #heads: Uint32Array;
  readonly #lengths: Uint32Array;
  readonly #sib: Uint32Array;

  constructor(sizes: ListSizes, count: SiblingCount = "counter") {
    this.#count = count;
    this.#heads = new Uint32Array(sizes.cells);
    this.#lengths = new Uint32Array(sizes.cells);
    this.#sib = freshLinks(sizes);
    this.fixedBytes = this.#heads.byteLength + this.#lengths.byteLength + this.#sib.byteLength;
  }

  add(cell: number, g: number, cap = Number.POSITIVE_INFINITY): number {
    const sib = this.#sib;
    if (sib[g] !== POISON) throw refusal(cell, g, sib.length);
    const head = this.#head(cell);
    const length = this.#lengths[cell] as number;
    const before = this.#count === "counter" ? Math.min(length, cap) : this.#walkLength(head, cap);
    sib[g] = head;
    this.#heads[cell] = g;
    this.#lengths[cell] = length + 1;
    return before;
  }

  remove(cell: number, g: number): void {
    const sib = this.#sib;
    const counters = this.counters;
    let previous = NIL;
    let c = this.#head(cell);
    while (c !== NIL) {
      counters.slotVisits++;
      if (c === g) break;
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
    const next = this.#sib[g];
    if (!isLink(next)) throw notListed(cell, g);
    this.counters.linkLoads++;
    return next;
  }

  filter(cell: number, keep: (g: number) => boolean): number {
    const sib = this.#sib;
    const counters = this.counters;
    let previous = NIL;
    let removed = 0;
    for (let c = this.#head(cell); c !== NIL; ) {
      // Read before the callback, which may change the spte but not its link.
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
      this.counters.slotVisits++;
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
    return [...checkPoison(this.#sib, listed), ...checkLengths(this.#heads, this.#lengths, this.#sib)];
  }

  #head(cell: number): number {
    const head = this.#heads[cell];
    if (head === undefined || cell === 0) throw noSuchList(cell, this.#heads.length);
    this.counters.linkLoads++;
    return head;
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
