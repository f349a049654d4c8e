import { createPteLists } from "../../../../src/mmu/shadow/kvm/create-lists.ts";
import type { ListSizes } from "../../../../src/mmu/shadow/kvm/list-sizes.ts";
import { OwnedLists } from "../../../../src/mmu/shadow/kvm/owned-lists.ts";
import {
  NIL,
  type PteListCounters,
  type PteListKind,
  type PteLists,
} from "../../../../src/mmu/shadow/kvm/pte-lists.ts";

/** Sizes for tests: `CELLS` lists, the lower half of leaves, the upper half of parents. */
export const CELLS = 64;
export const LEAVES = 1;
export const PARENTS = CELLS;
export const sizesOf = (pages: number): ListSizes => ({
  sptes: (pages + 1) * 512,
  cells: CELLS + 1,
  firstParentCell: CELLS / 2 + 1,
});

/** Empty lists with enough objects set aside. */
export function emptyLists(kind: PteListKind, pages = 4): PteLists {
  const lists = createPteLists(kind, sizesOf(pages));
  lists.reserve(pages * 512);
  return lists;
}

/** The same, with owners: every breach of the contract is noticed. */
export function ownedLists(kind: PteListKind, pages = 4): OwnedLists {
  return new OwnedLists(emptyLists(kind, pages), sizesOf(pages));
}

/** Adds 512, 513, … */
export function fill(lists: PteLists, cell: number, count: number): number[] {
  const sptes = Array.from({ length: count }, (_, n) => 512 + n);
  for (const g of sptes) lists.add(cell, g);
  return sptes;
}

/** Entries in the order of the list. */
export function walk(lists: PteLists, cell: number): number[] {
  const found: number[] = [];
  for (let g = lists.first(cell); g !== NIL; g = lists.next(cell, g)) found.push(g);
  return found;
}

export const members = (lists: PteLists, cell: number): number[] => walk(lists, cell).sort((a, b) => a - b);

/** What `work` has cost. */
export function costOf(lists: PteLists, work: () => void): Omit<PteListCounters, "bytesNow" | "bytesPeak"> {
  const before = { ...lists.counters };
  work();
  const { linkLoads, slotVisits, allocs, frees } = lists.counters;
  return {
    linkLoads: linkLoads - before.linkLoads,
    slotVisits: slotVisits - before.slotVisits,
    allocs: allocs - before.allocs,
    frees: frees - before.frees,
  };
}
