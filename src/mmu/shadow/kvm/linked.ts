import { checkLengths, checkPoison } from "./links-check.ts";
import { newCounters, noSuchList, notListed, refusal, spteName } from "./list-counters.ts";
import { freshLinks, isLink, type ListSizes } from "./list-sizes.ts";
import { NIL, POISON, type PteLists } from "./pte-lists.ts";

/**
 * Doubly linked lists of indices: a second array of links buys removal in constant time. The price of not searching is that removing an
 * entry through the cell of another list is noticed only where the entry or the cell is at a head; OwnedLists notices it always.
 */
export class LinkedLists implements PteLists {
  readonly name = "linked";
  readonly counters = newCounters();
  readonly fixedBytes: number;
  readonly #heads: Uint32Array;
  readonly #lengths: Uint32Array;
  readonly #next: Uint32Array;
  /** NIL in the first entry of a list. */
  readonly #previous: Uint32Array;

  constructor(sizes: ListSizes) {
    this.#heads = new Uint32Array(sizes.cells);
    this.#lengths = new Uint32Array(sizes.cells);
    this.#next = freshLinks(sizes);
    this.#previous = freshLinks(sizes);
    this.fixedBytes = (sizes.cells + sizes.sptes) * 2 * 4;
  }

  add(cell: number, g: number, cap = Number.POSITIVE_INFINITY): number {
    const next = this.#next;
    if (next[g] !== POISON) throw refusal(cell, g, next.length);
    const head = this.#head(cell);
    next[g] = head;
    this.#previous[g] = NIL;
    if (head !== NIL) this.#previous[head] = g;
    this.#heads[cell] = g;
    const before = this.#lengths[cell] as number;
    this.#lengths[cell] = before + 1;
    return Math.min(before, cap);
  }

  remove(cell: number, g: number): void {
    const next = this.#next[g];
    if (!isLink(next)) throw notListed(cell, g);
    const head = this.#heads[cell];
    if (head === undefined || cell === 0) throw noSuchList(cell, this.#heads.length);
    // The entry without a predecessor is the head, and of this list; an empty list has no entry at all.
    if ((this.#previous[g] === NIL) !== (head === g) || head === NIL) throw notListed(cell, g);
    this.counters.linkLoads++;
    this.counters.slotVisits++;
    this.#unlink(cell, g, next);
  }

  first(cell: number): number {
    return this.#head(cell);
  }

  next(cell: number, g: number): number {
    const next = this.#next[g];
    if (!isLink(next)) throw notListed(cell, g);
    this.counters.linkLoads++;
    return next;
  }

  filter(cell: number, keep: (g: number) => boolean): number {
    let removed = 0;
    for (let c = this.#head(cell); c !== NIL; ) {
      const next = this.#next[c] as number;
      this.counters.linkLoads++;
      this.counters.slotVisits++;
      if (!keep(c)) {
        this.#unlink(cell, c, next);
        removed++;
      }
      c = next;
    }
    return removed;
  }

  drain(cell: number, fn: (g: number) => void): number {
    let drained = 0;
    for (let c = this.#head(cell); c !== NIL; c = this.#head(cell)) {
      this.counters.linkLoads++;
      this.counters.slotVisits++;
      this.#unlink(cell, c, this.#next[c] as number);
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
    const found = [...checkPoison(this.#next, listed), ...checkPoison(this.#previous, listed)];
    for (const g of listed) {
      const next = this.#next[g] as number;
      if (isLink(next) && next !== NIL && this.#previous[next] !== g)
        found.push(`the entry after ${spteName(g)} does not lead back to it`);
    }
    return [...found, ...checkLengths(this.#heads, this.#lengths, this.#next)];
  }

  #head(cell: number): number {
    const head = this.#heads[cell];
    if (head === undefined || cell === 0) throw noSuchList(cell, this.#heads.length);
    this.counters.linkLoads++;
    return head;
  }

  #unlink(cell: number, g: number, next: number): void {
    const previous = this.#previous[g] as number;
    if (previous === NIL) this.#heads[cell] = next;
    else this.#next[previous] = next;
    if (next !== NIL) this.#previous[next] = previous;
    this.#next[g] = POISON;
    this.#previous[g] = POISON;
    this.#lengths[cell] = (this.#lengths[cell] as number) - 1;
  }
}
