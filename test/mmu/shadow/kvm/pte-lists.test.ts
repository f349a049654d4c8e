import { describe, expect, test } from "vitest";
import { NIL, PTE_LIST_KINDS, type PteLists } from "../../../../src/mmu/shadow/kvm/pte-lists.ts";
import { CELLS, emptyLists, members, sizesOf } from "./pte-lists-bed.ts";
import { seededRandom } from "./random.ts";

const PAGES = 4;
const sizes = sizesOf(PAGES);

/** Spreads an index over 32 bits, so that sums of different sets differ. */
function scrambled(g: number): number {
  const x = Math.imul(g ^ (g >>> 7), 0x9e3779b1);
  return Math.imul(x ^ (x >>> 15), 0x85ebca6b);
}

/** Order-independent fingerprint of a list, taken in one pass. */
function fingerprint(lists: PteLists, cell: number): number {
  let sum = 0;
  lists.filter(cell, (g) => {
    sum = (sum + scrambled(g)) | 0;
    return true;
  });
  return sum;
}

/** The same of a whole walk from entry to entry. */
function walkedFingerprint(lists: PteLists, cell: number): number {
  let sum = 0;
  for (let g = lists.first(cell); g !== NIL; g = lists.next(cell, g)) sum = (sum + scrambled(g)) | 0;
  return sum;
}

describe("lists of sptes", () => {
  test("a million random operations: every design agrees with a map of sets after each", () => {
    const random = seededRandom(20100802);
    const all = PTE_LIST_KINDS.map((kind) => emptyLists(kind, PAGES));
    const model = Array.from({ length: CELLS + 1 }, () => new Set<number>());
    const home = new Int32Array(sizes.sptes);
    const operations = new Map<string, number>();
    for (let step = 0; step < 1_000_000; step++) {
      const g = 512 + random(PAGES * 512);
      const cell = 1 + random(CELLS);
      const set = model[cell] as Set<number>;
      const kind = random(1000);
      let name = "add";
      if (kind === 0) {
        name = "drain";
        for (const lists of all) {
          const seen: number[] = [];
          const count = lists.drain(cell, (each) => seen.push(each));
          if (count !== set.size || seen.length !== set.size || seen.some((each) => !set.has(each)))
            throw new Error(`step ${step}: drain saw ${seen}, not ${[...set]}`);
        }
        for (const each of set) home[each] = 0;
        set.clear();
      } else if (kind < 5) {
        name = "filter";
        const bits = random(7) + 1;
        const goes = [...set].filter((each) => (each & bits) === 0);
        for (const lists of all)
          if (lists.filter(cell, (each) => (each & bits) !== 0) !== goes.length)
            throw new Error(`step ${step}: filter`);
        for (const each of goes) {
          set.delete(each);
          home[each] = 0;
        }
      } else if (kind < 15) {
        name = "next";
        for (const lists of all)
          if (walkedFingerprint(lists, cell) !== fingerprint(lists, cell))
            throw new Error(`step ${step}: next`);
      } else if (home[g] === 0) {
        for (const lists of all) if (lists.add(cell, g) !== set.size) throw new Error(`step ${step}: add`);
        set.add(g);
        home[g] = cell;
      } else {
        name = "remove";
        const from = home[g] as number;
        for (const lists of all) lists.remove(from, g);
        (model[from] as Set<number>).delete(g);
        home[g] = 0;
      }
      operations.set(name, (operations.get(name) ?? 0) + 1);
      let expected = 0;
      for (const each of set) expected = (expected + scrambled(each)) | 0;
      for (const lists of all)
        if (fingerprint(lists, cell) !== expected)
          throw new Error(`step ${step}: list ${cell} differs after ${name}`);
    }
    for (const lists of all) {
      for (let cell = 1; cell <= CELLS; cell++) {
        expect(members(lists, cell)).toEqual([...(model[cell] as Set<number>)].sort((a, b) => a - b));
        expect(lists.length(cell)).toBe((model[cell] as Set<number>).size);
      }
      expect(lists.check(new Set(model.flatMap((set) => [...set])))).toEqual([]);
    }
    for (const name of ["add", "remove", "next", "filter", "drain"])
      expect(operations.get(name) ?? 0).toBeGreaterThan(500);
  }, 60_000);
});
