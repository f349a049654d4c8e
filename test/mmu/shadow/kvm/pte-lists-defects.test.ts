import { describe, expect, test } from "vitest";
import { PTE_LIST_KINDS, PteListError } from "../../../../src/mmu/shadow/kvm/pte-lists.ts";
import { SiblingLists } from "../../../../src/mmu/shadow/kvm/sibling.ts";
import {
  costOf,
  emptyLists,
  fill,
  LEAVES,
  members,
  ownedLists,
  PARENTS,
  sizesOf,
  walk,
} from "./pte-lists-bed.ts";

/** What the patch of 2010 and the code around it got wrong about lists (S1 to S11 of the design note), and must not happen here. */
for (const kind of PTE_LIST_KINDS)
  describe(`${kind}: defects of the original that are not repeated`, () => {
    test("S1: while parents are unlinked, the list is whole at every step", () => {
      const lists = ownedLists(kind);
      const left = new Set(fill(lists, PARENTS, 17));
      lists.drain(PARENTS, (g) => {
        left.delete(g);
        expect(members(lists, PARENTS)).toEqual([...left].sort((a, b) => a - b));
        expect(lists.length(PARENTS)).toBe(left.size);
        expect(lists.check(left)).toEqual([]);
      });
      expect(left.size).toBe(0);
    });

    test("S2: what has left a list keeps no way back into it, and may join another", () => {
      for (const cell of [LEAVES, PARENTS]) {
        const lists = emptyLists(kind);
        fill(lists, cell, 9);
        lists.remove(cell, 515);
        expect(() => lists.next(cell, 515)).toThrow(PteListError);
        expect(() => lists.remove(cell, 515)).toThrow(PteListError);
        lists.add(cell + 1 > PARENTS ? cell - 1 : cell + 1, 515);
        expect(members(lists, cell)).toEqual([512, 513, 514, 516, 517, 518, 519, 520]);
      }
    });

    test("S3: going on from a dropped entry is an error, whether filter, drain or remove dropped it", () => {
      const lists = emptyLists(kind);
      const [a, b, c, d] = fill(lists, LEAVES, 4) as [number, number, number, number];
      lists.remove(LEAVES, b);
      lists.filter(LEAVES, (g) => g !== c);
      for (const gone of [b, c]) expect(() => lists.next(LEAVES, gone)).toThrow(PteListError);
      expect(members(lists, LEAVES)).toEqual([a, d]);
      lists.drain(LEAVES, () => {});
      for (const gone of [a, d]) expect(() => lists.next(LEAVES, gone)).toThrow(PteListError);
    });

    test("S4: a pass that drops is linear: each entry is seen once, none is missed", () => {
      for (const cell of [LEAVES, PARENTS]) {
        const lists = emptyLists(kind);
        const sptes = fill(lists, cell, 500);
        const seen: number[] = [];
        const { slotVisits } = costOf(lists, () =>
          lists.filter(cell, (g) => {
            seen.push(g);
            return g % 7 === 0;
          }),
        );
        expect(seen.sort((a, b) => a - b)).toEqual(sptes);
        expect(slotVisits).toBe(500);
        expect(members(lists, cell)).toEqual(sptes.filter((g) => g % 7 === 0));
      }
    });

    test("S5: adding does not count a long list", () => {
      const lists = emptyLists(kind);
      fill(lists, LEAVES, 1500);
      const { linkLoads } = costOf(lists, () => lists.add(LEAVES, 512 + 1500, 1001));
      expect(linkLoads).toBe(kind === "descriptors" ? 375 : 1);
    });

    test("S6: the count before an add is exact, also with gaps in front", () => {
      const lists = emptyLists(kind);
      fill(lists, LEAVES, 9);
      lists.remove(LEAVES, 512);
      expect(lists.add(LEAVES, 600)).toBe(8);
      expect(lists.add(LEAVES, 601, 5)).toBe(5);
      expect(lists.add(LEAVES, 602)).toBe(10);
    });

    test("S7: removal costs what the position costs, and one visit when linked both ways", () => {
      const lists = emptyLists(kind);
      fill(lists, LEAVES, 100);
      const order = walk(lists, LEAVES);
      const visits = [order[99], order[49], order[0]].map(
        (g) => costOf(lists, () => lists.remove(LEAVES, g as number)).slotVisits,
      );
      expect(visits).toEqual(kind === "linked" ? [1, 1, 1] : [100, 50, 1]);
    });

    test("S8: an entry that changes lists leaves the first one before it joins the second, or is refused", () => {
      const lists = emptyLists(kind);
      const sptes = fill(lists, PARENTS, 6);
      expect(() => lists.add(LEAVES, 514)).toThrow(PteListError);
      expect(members(lists, PARENTS)).toEqual(sptes);
      lists.remove(PARENTS, 514);
      lists.add(LEAVES, 514);
      expect(members(lists, PARENTS)).toEqual(sptes.filter((g) => g !== 514));
      expect(members(lists, LEAVES)).toEqual([514]);
    });

    test("S9: a slot of a page that is made anew must be in no list", () => {
      const lists = emptyLists(kind);
      lists.add(PARENTS, 777);
      lists.add(PARENTS, 778);
      expect(() => lists.add(PARENTS - 1, 777)).toThrow(/spte 1\[265\] cannot be added to list 63/);
      lists.drain(PARENTS, () => {});
      expect(lists.add(PARENTS - 1, 777)).toBe(0);
    });

    test("S10: adding twice is refused, at the head, in the middle and at the end, and the list stays as it was", () => {
      for (const cell of [LEAVES, PARENTS]) {
        const lists = emptyLists(kind);
        lists.add(cell, 512);
        expect(() => lists.add(cell, 512)).toThrow(PteListError);
        for (let n = 1; n < 9; n++) lists.add(cell, 512 + n);
        const order = walk(lists, cell);
        for (const g of order) expect(() => lists.add(cell, g)).toThrow(PteListError);
        expect(walk(lists, cell)).toEqual(order);
        expect(lists.length(cell)).toBe(9);
        expect(lists.check(new Set(order))).toEqual([]);
      }
    });

    test("S11: an entry listed under another frame is not found there, and moves by leaving first", () => {
      const lists = ownedLists(kind);
      const [ours, other] = [LEAVES, LEAVES + 1];
      for (let n = 0; n < 5; n++) {
        lists.add(ours, 600 + n);
        lists.add(other, 700 + n);
      }
      for (let n = 0; n < 5; n++) expect(() => lists.remove(other, 600 + n)).toThrow(PteListError);
      lists.remove(ours, 602);
      lists.add(other, 602);
      expect([lists.ownerOf(601), lists.ownerOf(602)]).toEqual([ours, other]);
      expect(members(lists, other)).toEqual([602, 700, 701, 702, 703, 704]);
    });
  });

test("S5: sibling links that count as the patch did pay for the whole list, capped ones for 1,001", () => {
  const costs = [undefined, 1001].map((cap) => {
    const lists = new SiblingLists(sizesOf(4), "walk");
    for (let n = 0; n < 1500; n++) lists.add(LEAVES, 512 + n, 1);
    return costOf(lists, () => lists.add(LEAVES, 512 + 1500, cap)).linkLoads;
  });
  expect(costs).toEqual([1501, 1002]);
});
