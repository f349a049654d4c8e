import { newCounters } from "./list-counters.ts";
import type { ListSizes } from "./list-sizes.ts";
import { ParentChains } from "./parent-chains.ts";
import { NIL, type PteListCounters, type PteLists } from "./pte-lists.ts";
import { RmapDescriptors } from "./rmap-descriptors.ts";

/**
 * The lists as they were before sibling links (Linux 2.6.35): a cell holds its single entry, or leads to objects of 4 entries (leaves of a
 * gfn) or 5 (parents of a page) taken from a pool. Finding the successor of an entry searches from the beginning.
 */
export class DescriptorLists implements PteLists {
  readonly name = "descriptors";
  readonly counters: PteListCounters = newCounters();
  readonly fixedBytes: number;
  readonly #sizes: ListSizes;
  readonly #rmaps: RmapDescriptors;
  readonly #parents: ParentChains;

  constructor(sizes: ListSizes) {
    this.#sizes = sizes;
    const heads = new Uint32Array(sizes.cells);
    this.fixedBytes = heads.byteLength;
    this.#rmaps = new RmapDescriptors(heads, this.counters);
    this.#parents = new ParentChains(heads, this.counters);
  }

  add(cell: number, g: number, cap = Number.POSITIVE_INFINITY): number {
    return this.#of(cell).add(cell, g, cap);
  }
  remove(cell: number, g: number): void {
    this.#of(cell).remove(cell, g);
  }
  first(cell: number): number {
    return this.#of(cell).after(cell, NIL);
  }
  next(cell: number, g: number): number {
    return this.#of(cell).after(cell, g);
  }
  filter(cell: number, keep: (g: number) => boolean): number {
    return this.#of(cell).filter(cell, keep);
  }
  drain(cell: number, fn: (g: number) => void): number {
    const list = this.#of(cell);
    let drained = 0;
    for (let g = list.pop(cell); g !== NIL; g = list.pop(cell)) {
      drained++;
      fn(g);
    }
    return drained;
  }
  length(cell: number, cap = Number.POSITIVE_INFINITY): number {
    return this.#of(cell).length(cell, cap);
  }

  reserve(adds: number): void {
    this.#rmaps.pool.reserve(adds);
    this.#parents.pool.reserve(adds);
  }

  check(_listed: ReadonlySet<number>): string[] {
    const { firstParentCell, cells } = this.#sizes;
    return [...this.#rmaps.check(1, firstParentCell), ...this.#parents.check(firstParentCell, cells)];
  }

  /** Descriptors and chains in use. */
  get objectsInUse(): { descriptors: number; chains: number } {
    return { descriptors: this.#rmaps.pool.inUse, chains: this.#parents.pool.inUse };
  }

  #of(cell: number): RmapDescriptors | ParentChains {
    return cell < this.#sizes.firstParentCell ? this.#rmaps : this.#parents;
  }
}
