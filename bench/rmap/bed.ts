import { NIL, type PteListCounters, type PteLists } from "../../src/mmu/shadow/kvm/pte-lists.ts";
import type { Design } from "./designs.ts";

/** Whole numbers from 0 to below `limit`, the same ones for the same seed (Lehmer's generator, 48271 mod 2^31 - 1). */
export function seeded(seed: number): (limit: number) => number {
  let state = (seed % 0x7ffffffe) + 1;
  return (limit) => {
    state = (state * 48271) % 0x7fffffff;
    return state % limit;
  };
}

export function shuffle<Item>(items: Item[], random: (limit: number) => number): Item[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = random(i + 1);
    [items[i], items[j]] = [items[j] as Item, items[i] as Item];
  }
  return items;
}

/** Indices of `count` sptes in shuffled order: neighbours in a list are not neighbours in memory. */
export function scatteredSptes(count: number, seed = 20100802): number[] {
  return shuffle(
    Array.from({ length: count }, (_, n) => 512 + n),
    seeded(seed),
  );
}

/** Empty lists for so many sptes (and whole pages), with `rmapCells` lists of leaves, and objects set aside. */
export function emptyLists(design: Design, sptes: number, rmapCells = 1): PteLists {
  const lists = design.make({
    sptes: 512 + Math.ceil(sptes / 512) * 512,
    cells: rmapCells + 1,
    firstParentCell: rmapCells + 1,
  });
  lists.reserve(Math.ceil(sptes / 2) + rmapCells + 1);
  return lists;
}

/** List 1 with these entries, added in this order, without regard to the cost of counting. */
export function listOf(design: Design, entries: readonly number[]): PteLists {
  const lists = emptyLists(design, entries.length);
  for (const g of entries) lists.add(1, g, 0);
  return lists;
}

/** From entry to entry, as callers that only know first and next do. Returns how many there were. */
export function walk(lists: PteLists, cell: number): number {
  let count = 0;
  for (let g = lists.first(cell); g !== NIL; g = lists.next(cell, g)) count++;
  return count;
}

/** Entries in the order of the list, found in one pass. */
export function inOrder(lists: PteLists, cell: number): number[] {
  const found: number[] = [];
  lists.filter(cell, (g) => {
    found.push(g);
    return true;
  });
  return found;
}

export type Cost = Pick<PteListCounters, "linkLoads" | "slotVisits" | "allocs" | "frees">;

/** What `work` adds to the counters. */
export function costOf(lists: PteLists, work: () => void): Cost {
  const { linkLoads, slotVisits, allocs, frees } = lists.counters;
  work();
  const after = lists.counters;
  return {
    linkLoads: after.linkLoads - linkLoads,
    slotVisits: after.slotVisits - slotVisits,
    allocs: after.allocs - allocs,
    frees: after.frees - frees,
  };
}
