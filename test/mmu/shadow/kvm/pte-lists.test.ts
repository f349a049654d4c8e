import { describe, expect, test } from "vitest";
import { createPteLists } from "../../../../src/mmu/shadow/kvm/create-lists.ts";
import { DescriptorLists } from "../../../../src/mmu/shadow/kvm/descriptors.ts";
import {
  NIL,
  PTE_LIST_KINDS,
  PteListError,
  type PteListKind,
  type PteLists,
} from "../../../../src/mmu/shadow/kvm/pte-lists.ts";
import { SiblingLists } from "../../../../src/mmu/shadow/kvm/sibling.ts";
import { seededRandom } from "./random.ts";

const CELLS = 64;
const PAGES = 4;
const sizes = { sptes: (PAGES + 1) * 512, cells: CELLS + 1, firstParentCell: CELLS / 2 + 1 };
const make = (kind: PteListKind): PteLists => {
  const lists = createPteLists(kind, sizes);
  lists.reserve(2048);
  return lists;
};

function members(lists: PteLists, cell: number): number[] {
  const found: number[] = [];
  for (let g = lists.first(cell); g !== NIL; g = lists.next(cell, g)) found.push(g);
  return found.sort((a, b) => a - b);
}

/** Order-independent fingerprint of a list, taken in one pass. */
function fingerprint(lists: PteLists, cell: number): number {
  let sum = 0;
  lists.filter(cell, (g) => {
    sum = (sum + Math.imul(g, 0x9e3779b1)) | 0;
    return true;
  });
  return sum;
}

describe("lists of sptes", () => {
  test("a million random operations: every design agrees with a map of sets after each", () => {
    const random = seededRandom(20100802);
    const all = PTE_LIST_KINDS.map(make);
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
          if (members(lists, cell).length !== set.size) throw new Error(`step ${step}: next`);
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
      for (const each of set) expected = (expected + Math.imul(each, 0x9e3779b1)) | 0;
      for (const lists of all)
        if (fingerprint(lists, cell) !== expected)
          throw new Error(`step ${step}: list ${cell} differs after ${name}`);
    }
    for (const lists of all) {
      for (let cell = 1; cell <= CELLS; cell++) {
        expect(members(lists, cell)).toEqual([...(model[cell] as Set<number>)].sort((a, b) => a - b));
        expect(lists.length(cell)).toBe((model[cell] as Set<number>).size);
      }
      expect(lists.check?.(new Set(model.flatMap((set) => [...set])))).toEqual([]);
    }
    for (const name of ["add", "remove", "next", "filter", "drain"])
      expect(operations.get(name) ?? 0).toBeGreaterThan(500);
  }, 60_000);

  for (const kind of PTE_LIST_KINDS) {
    describe(kind, () => {
      test("counts up to the cap before an add, exactly below it", () => {
        const lists = make(kind);
        for (let n = 0; n < 20; n++) expect(lists.add(1, 512 + n, 15)).toBe(Math.min(n, 15));
        expect([lists.length(1), lists.length(1, 7), lists.length(2)]).toEqual([20, 7, 0]);
      });

      test("refuses to remove what is not listed, in the list or at all", () => {
        const lists = make(kind);
        expect(() => lists.remove(1, 600)).toThrow(PteListError);
        lists.add(1, 600);
        lists.add(2, 601);
        lists.add(2, 602);
        // The doubly linked design notices the wrong list only at a head, which is where 600 and 602 are.
        expect(() => lists.remove(1, 602)).toThrow(PteListError);
        expect(() => lists.remove(2, 600)).toThrow(PteListError);
        if (kind !== "linked") expect(() => lists.remove(1, 601)).toThrow(PteListError);
        expect([members(lists, 1), members(lists, 2)]).toEqual([[600], [601, 602]]);
      });

      test("an entry seen by drain is in no list any more and may be added elsewhere", () => {
        const lists = make(kind);
        for (let n = 0; n < 11; n++) lists.add(1, 700 + n);
        expect(lists.drain(1, (g) => lists.add(2, g))).toBe(11);
        expect([lists.length(1), lists.length(2)]).toEqual([0, 11]);
      });

      test("filter looks at each entry once, in lists of leaves and of parents", () => {
        for (const cell of [1, CELLS]) {
          const lists = make(kind);
          for (let n = 0; n < 100; n++) lists.add(cell, 1000 + n);
          const seen = new Set<number>();
          lists.filter(cell, (g) => {
            expect(seen.has(g)).toBe(false);
            seen.add(g);
            return g % 3 === 0;
          });
          expect(seen.size).toBe(100);
          expect(members(lists, cell)).toEqual([...seen].filter((g) => g % 3 === 0).sort((a, b) => a - b));
        }
      });
    });
  }

  for (const kind of ["sibling", "linked"] as const)
    test(`${kind}: an entry is never listed twice`, () => {
      const lists = make(kind);
      lists.add(1, 600);
      expect(() => lists.add(1, 600)).toThrow(PteListError);
      expect(() => lists.add(2, 600)).toThrow(PteListError);
      expect(lists.counters.allocs).toBe(0);
    });

  test("sibling: walking and counting give the same lengths", () => {
    const walking = new SiblingLists(sizes, "walk");
    for (let n = 0; n < 50; n++) expect(walking.add(3, 512 + n, 40)).toBe(Math.min(n, 40));
  });

  test("descriptors: objects are set aside first, and all come back", () => {
    const lists = new DescriptorLists(sizes);
    lists.add(1, 600);
    expect(() => lists.add(1, 601)).toThrow(PteListError);
    lists.reserve(10);
    for (let n = 1; n < 9; n++) {
      lists.add(1, 600 + n);
      lists.add(CELLS, 700 + n);
    }
    expect(lists.objectsInUse).toEqual({ descriptors: 3, chains: 2 });
    expect(lists.counters.bytesNow).toBe(3 * 20 + 2 * 28);
    lists.drain(1, () => {});
    lists.drain(CELLS, () => {});
    expect(lists.objectsInUse).toEqual({ descriptors: 0, chains: 0 });
    expect(lists.counters.allocs).toBe(5);
    expect(lists.counters.frees).toBe(5);
  });

  test("the check finds a cut and a circle", () => {
    const lists = make("sibling") as SiblingLists;
    lists.add(1, 600);
    lists.add(1, 601);
    expect(lists.check(new Set([600]))).toHaveLength(1);
    expect(lists.check(new Set([600, 601, 602]))).toHaveLength(1);
  });
});
