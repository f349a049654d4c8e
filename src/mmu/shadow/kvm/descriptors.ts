import { newCounters, refusal, spteName } from "./list-counters.ts";
import { FIRST_SPTE, type ListSizes } from "./list-sizes.ts";
import type { ObjectLists } from "./object-lists.ts";
import { ParentChains } from "./parent-chains.ts";
import { NIL, type PteListCounters, type PteLists } from "./pte-lists.ts";
import { RmapDescriptors } from "./rmap-descriptors.ts";

/**
 * The lists as they were before sibling links (Linux 2.6.35): a cell holds its single entry, or leads to objects of 4 entries (leaves of a
 * gfn) or 5 (parents of a page) taken from a pool. Finding the successor of an entry searches from the beginning.
 *
 * Two things are not of that design. A counter per cell makes the number that `add` returns exact (there it left out what stood behind
 * the first free slot), and a bit per spte makes adding one twice an error (there it was listed twice). Neither costs a load of a link.
 */
export class DescriptorLists implements PteLists {
  readonly name = "descriptors";
  readonly counters: PteListCounters = newCounters();
  readonly fixedBytes: number;
  readonly #sizes: ListSizes;
  readonly #lengths: Uint32Array;
  readonly #listed: Uint32Array;
  readonly #rmaps: RmapDescriptors;
  readonly #parents: ParentChains;

  constructor(sizes: ListSizes) {
    this.#sizes = sizes;
    const heads = new Uint32Array(sizes.cells);
    this.#lengths = new Uint32Array(sizes.cells);
    this.#listed = new Uint32Array((sizes.sptes + 31) >>> 5);
    this.fixedBytes = heads.byteLength + this.#lengths.byteLength + this.#listed.byteLength;
    const arrays = { heads, lengths: this.#lengths, listed: this.#listed, counters: this.counters };
    this.#rmaps = new RmapDescriptors(arrays);
    this.#parents = new ParentChains(arrays);
  }

  add(cell: number, g: number, cap = Number.POSITIVE_INFINITY): number {
    const { sptes } = this.#sizes;
    if (!(g >= FIRST_SPTE && g < sptes) || this.#isListed(g)) throw refusal(cell, g, sptes);
    this.#of(cell).add(cell, g);
    return Math.min((this.#lengths[cell] as number) - 1, cap);
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
    return Math.min(this.#lengths[cell] as number, cap);
  }

  reserve(adds: number): void {
    this.#rmaps.pool.reserve(adds);
    this.#parents.pool.reserve(adds);
  }

  check(listed: ReadonlySet<number>): string[] {
    const { firstParentCell, cells, sptes } = this.#sizes;
    const found = [
      ...this.#rmaps.check("descriptor", 1, firstParentCell),
      ...this.#parents.check("chain", firstParentCell, cells),
    ];
    for (let g = FIRST_SPTE; g < sptes; g++)
      if (this.#isListed(g) !== listed.has(g))
        found.push(
          `${spteName(g)} ${listed.has(g) ? "is listed but not marked" : "is marked but in no list"}`,
        );
    return found;
  }

  /** Descriptors and chains in use. */
  get objectsInUse(): { descriptors: number; chains: number } {
    return { descriptors: this.#rmaps.pool.inUse, chains: this.#parents.pool.inUse };
  }

  #of(cell: number): ObjectLists {
    return cell < this.#sizes.firstParentCell ? this.#rmaps : this.#parents;
  }

  #isListed(g: number): boolean {
    return ((this.#listed[g >>> 5] as number) & (1 << (g & 31))) !== 0;
  }
}
