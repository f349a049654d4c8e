import { describe, expect, test } from "vitest";
import { DescriptorLists } from "../../../../src/mmu/shadow/kvm/descriptors.ts";
import { ObjectPool } from "../../../../src/mmu/shadow/kvm/object-pool.ts";
import { OwnedLists } from "../../../../src/mmu/shadow/kvm/owned-lists.ts";
import { NIL, PTE_LIST_KINDS, PteListError } from "../../../../src/mmu/shadow/kvm/pte-lists.ts";
import { CELLS, emptyLists, fill, LEAVES, members, ownedLists, PARENTS, sizesOf } from "./pte-lists-bed.ts";

for (const kind of PTE_LIST_KINDS)
  describe(`${kind}: breaches of the contract`, () => {
    test("cells and sptes that do not exist are refused before anything changes", () => {
      const lists = emptyLists(kind);
      for (const cell of [0, CELLS + 1, 1e6]) {
        expect(() => lists.add(cell, 600)).toThrow(`there is no list ${cell}: cells go from 1 to ${CELLS}`);
        expect(() => lists.first(cell)).toThrow(PteListError);
        expect(() => lists.filter(cell, () => true)).toThrow(PteListError);
        expect(() => lists.drain(cell, () => {})).toThrow(PteListError);
      }
      for (const g of [NIL, 511, 5 * 512, 1e6]) {
        expect(() => lists.add(LEAVES, g)).toThrow(`there is no spte ${g}: indices go from 512 to 2559`);
        expect(() => lists.remove(LEAVES, g)).toThrow(PteListError);
        lists.add(LEAVES, 600);
        expect(() => lists.remove(LEAVES, g)).toThrow(PteListError);
        lists.remove(LEAVES, 600);
      }
      lists.add(LEAVES, 600);
      expect(() => lists.remove(0, 600)).toThrow(PteListError);
      expect(() => lists.remove(CELLS + 1, 600)).toThrow(PteListError);
      expect(members(lists, LEAVES)).toEqual([600]);
      expect(lists.check(new Set([600]))).toEqual([]);
    });

    test("next of an entry that is in no list is refused, NIL among them", () => {
      for (const count of [1, 6])
        for (const cell of [LEAVES, PARENTS]) {
          const lists = ownedLists(kind);
          fill(lists, cell, count);
          for (const g of [NIL, 900, 1e6]) expect(() => lists.next(cell, g)).toThrow(PteListError);
        }
    });

    test("with owners, removing or going on through the cell of another list is refused everywhere", () => {
      const lists = ownedLists(kind);
      for (let n = 0; n < 6; n++) {
        lists.add(LEAVES, 600 + n);
        lists.add(PARENTS, 700 + n);
      }
      for (let n = 0; n < 6; n++) {
        expect(() => lists.remove(LEAVES, 700 + n)).toThrow(PteListError);
        expect(() => lists.next(LEAVES, 700 + n)).toThrow(PteListError);
        expect(() => lists.remove(PARENTS, 600 + n)).toThrow(PteListError);
      }
      expect([lists.length(LEAVES), lists.length(PARENTS)]).toEqual([6, 6]);
    });

    test("with owners, a callback that changes its own list is refused, one that changes another is not", () => {
      const lists = ownedLists(kind);
      fill(lists, LEAVES, 6);
      const own = [
        () => lists.add(LEAVES, 900),
        () => lists.remove(LEAVES, 517),
        () => lists.drain(LEAVES, () => {}),
      ];
      for (const change of own)
        expect(() =>
          lists.filter(LEAVES, () => {
            change();
            return true;
          }),
        ).toThrow("list 1 was changed from its own callback");
      expect(lists.length(LEAVES)).toBe(6);
      lists.filter(LEAVES, (g) => {
        lists.add(PARENTS, g + 300);
        return false;
      });
      expect([lists.length(LEAVES), lists.length(PARENTS)]).toEqual([0, 6]);
    });

    test("a callback may set objects aside and take some for another list", () => {
      const lists = emptyLists(kind);
      fill(lists, LEAVES, 9);
      lists.filter(LEAVES, (g) => {
        lists.reserve(5000);
        lists.add(PARENTS, g + 300);
        return g % 2 === 0;
      });
      expect(members(lists, LEAVES)).toEqual([512, 514, 516, 518, 520]);
      expect(lists.check(new Set([...members(lists, LEAVES), ...members(lists, PARENTS)]))).toEqual([]);
    });

    test("the check tells when what was found is not what is listed", () => {
      const lists = emptyLists(kind);
      fill(lists, LEAVES, 2);
      expect(lists.check(new Set([512, 513]))).toEqual([]);
      expect(lists.check(new Set([512]))[0]).toMatch(/^spte 1\[1\] /);
      expect(lists.check(new Set([512, 513, 514]))[0]).toMatch(/^spte 1\[2\] is listed but/);
    });

    test("the owners' check tells of a change that went past them", () => {
      const inner = emptyLists(kind);
      const lists = new OwnedLists(inner, sizesOf(4));
      lists.add(LEAVES, 600);
      lists.add(LEAVES, 601);
      expect(lists.check(new Set([600, 601]))).toEqual([]);
      inner.remove(LEAVES, 601);
      expect(lists.check(new Set([600]))).toEqual(["spte 1[89] is in no list, its owner is 1"]);
      inner.add(LEAVES + 1, 601);
      expect(lists.check(new Set([600, 601]))).toEqual(["spte 1[89] is in list 2, its owner is 1"]);
    });
  });

describe("objects set aside", () => {
  test("an add that needs one and has none is refused, and leaves the list as it was", () => {
    for (const cell of [LEAVES, PARENTS]) {
      const lists = new DescriptorLists(sizesOf(4));
      lists.add(cell, 600);
      expect(() => lists.add(cell, 601)).toThrow("call reserve() first");
      expect([members(lists, cell), lists.length(cell)]).toEqual([[600], 1]);
      lists.reserve(1);
      const full = cell === LEAVES ? 4 : 5;
      for (let n = 1; n < full; n++) lists.add(cell, 600 + n);
      expect(() => lists.add(cell, 700)).toThrow(PteListError);
      expect(members(lists, cell)).toHaveLength(full);
      expect(lists.check(new Set(members(lists, cell)))).toEqual([]);
    }
  });

  test("so many adds cannot fail, however they are spread", () => {
    const lists = new DescriptorLists(sizesOf(4));
    for (let cell = 1; cell <= CELLS; cell++) lists.add(cell, 512 + cell);
    lists.reserve(CELLS);
    for (let cell = 1; cell <= CELLS; cell++) lists.add(cell, 1024 + cell);
    expect(lists.counters.allocs).toBe(CELLS);
  });

  test("free objects are used again before memory grows, and come back as zeroes", () => {
    const counters = { linkLoads: 0, slotVisits: 0, allocs: 0, frees: 0, bytesNow: 0, bytesPeak: 0 };
    const pool = new ObjectPool(5, counters);
    pool.reserve(3);
    const taken = [pool.take(), pool.take(), pool.take()];
    expect(new Set(taken).size).toBe(3);
    pool.words.fill(7);
    pool.give(taken[1] as number);
    pool.reserve(1);
    const again = pool.take();
    expect([again, pool.made, pool.inUse]).toEqual([taken[1], 3, 3]);
    expect([...pool.words.subarray(pool.base(again), pool.base(again) + 5)]).toEqual([0, 0, 0, 0, 0]);
    expect(counters).toMatchObject({ allocs: 4, frees: 1, bytesNow: 60, bytesPeak: 60 });
  });
});
