import { notListed, refusal, spteName } from "./list-counters.ts";
import { FIRST_SPTE, type ListSizes } from "./list-sizes.ts";
import { NIL, type PteListCounters, PteListError, type PteLists } from "./pte-lists.ts";

/**
 * Lists that know for each spte which list it is in, for audits: every breach of the contract is an error, also those that a design
 * cannot see by itself (removal through the wrong cell, a change of a list from its own callback). 4 more bytes per spte.
 */
export class OwnedLists implements PteLists {
  readonly #lists: PteLists;
  readonly #sizes: ListSizes;
  /** Cell of the list that an spte is in, or 0. */
  readonly #owner: Uint32Array;
  /** Cells in the middle of filter or drain. */
  readonly #busy = new Set<number>();

  constructor(lists: PteLists, sizes: ListSizes) {
    this.#lists = lists;
    this.#sizes = sizes;
    this.#owner = new Uint32Array(sizes.sptes);
  }

  get name(): PteLists["name"] {
    return this.#lists.name;
  }
  get counters(): PteListCounters {
    return this.#lists.counters;
  }
  get fixedBytes(): number {
    return this.#lists.fixedBytes + this.#owner.byteLength;
  }

  /** Cell of the list that an spte is in, or 0. */
  ownerOf(g: number): number {
    return this.#owner[g] ?? 0;
  }

  add(cell: number, g: number, cap?: number): number {
    this.#mustBeQuiet(cell);
    if (this.#owner[g] !== 0) throw refusal(cell, g, this.#owner.length);
    const before = this.#lists.add(cell, g, cap);
    this.#owner[g] = cell;
    return before;
  }
  remove(cell: number, g: number): void {
    this.#mustBeQuiet(cell);
    this.#mustOwn(cell, g);
    this.#lists.remove(cell, g);
    this.#owner[g] = 0;
  }
  first(cell: number): number {
    return this.#lists.first(cell);
  }
  next(cell: number, g: number): number {
    this.#mustOwn(cell, g);
    return this.#lists.next(cell, g);
  }
  filter(cell: number, keep: (g: number) => boolean): number {
    return this.#whileBusy(cell, () =>
      this.#lists.filter(cell, (g) => {
        const kept = keep(g);
        if (!kept) this.#owner[g] = 0;
        return kept;
      }),
    );
  }
  drain(cell: number, fn: (g: number) => void): number {
    return this.#whileBusy(cell, () =>
      this.#lists.drain(cell, (g) => {
        this.#owner[g] = 0;
        fn(g);
      }),
    );
  }
  length(cell: number, cap?: number): number {
    return this.#lists.length(cell, cap);
  }
  reserve(adds: number): void {
    this.#lists.reserve(adds);
  }

  /** Compares what a walk of all cells finds with the owners, too. */
  check(listed: ReadonlySet<number>): string[] {
    const found = [...this.#lists.check(listed)];
    if (found.length > 0) return found;
    const met = new Set<number>();
    for (let cell = 1; cell < this.#sizes.cells; cell++)
      for (let g = this.#lists.first(cell); g !== NIL; g = this.#lists.next(cell, g)) {
        if (met.has(g)) return [...found, `${spteName(g)} is met twice, the second time in list ${cell}`];
        met.add(g);
        if (this.#owner[g] !== cell)
          found.push(`${spteName(g)} is in list ${cell}, its owner is ${this.#owner[g]}`);
      }
    for (let g = FIRST_SPTE; g < this.#owner.length; g++)
      if (this.#owner[g] !== 0 && !met.has(g))
        found.push(`${spteName(g)} is in no list, its owner is ${this.#owner[g]}`);
    return found;
  }

  #mustOwn(cell: number, g: number): void {
    if (cell === 0 || this.#owner[g] !== cell) throw notListed(cell, g);
  }

  #mustBeQuiet(cell: number): void {
    if (this.#busy.has(cell)) throw new PteListError(`list ${cell} was changed from its own callback`);
  }

  #whileBusy(cell: number, work: () => number): number {
    this.#mustBeQuiet(cell);
    this.#busy.add(cell);
    try {
      return work();
    } finally {
      this.#busy.delete(cell);
    }
  }
}
