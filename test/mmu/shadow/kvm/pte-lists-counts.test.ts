import { describe, expect, test } from "vitest";
import { PTE_LIST_KINDS, type PteListKind } from "../../../../src/mmu/shadow/kvm/pte-lists.ts";
import { SiblingLists } from "../../../../src/mmu/shadow/kvm/sibling.ts";
import { costOf, emptyLists, fill, LEAVES, PARENTS, sizesOf, walk } from "./pte-lists-bed.ts";

/** An entry's worth of loads to reach it, as the tables give them: hops are loads beyond the one of the cell, one per operation. */
const hops = (linkLoads: number, operations: number): number => linkLoads - operations;

describe("a full walk", () => {
  for (const [n, visits] of [
    [1, 0],
    [2, 5],
    [4, 14],
    [5, 20],
    [10, 65],
    [100, 5150],
    [1000, 501_500],
  ] as const)
    test(`of ${n}: ${visits} slot visits with descriptors, ${n + 1} loads with links`, () => {
      const old = emptyLists("descriptors");
      fill(old, LEAVES, n);
      expect(costOf(old, () => walk(old, LEAVES)).slotVisits).toBe(visits);
      for (const kind of ["sibling", "linked"] as const) {
        const lists = emptyLists(kind);
        fill(lists, LEAVES, n);
        expect(costOf(lists, () => walk(lists, LEAVES))).toMatchObject({ linkLoads: n + 1, slotVisits: 0 });
      }
    });

  test("the successor of the last of 1,000: 1,000 slot visits with descriptors, one load with links", () => {
    const costs = PTE_LIST_KINDS.map((kind) => {
      const lists = emptyLists(kind);
      fill(lists, LEAVES, 1000);
      const last = walk(lists, LEAVES).at(-1) as number;
      const { linkLoads, slotVisits } = costOf(lists, () => lists.next(LEAVES, last));
      return [kind, kind === "descriptors" ? slotVisits : linkLoads];
    });
    expect(Object.fromEntries(costs)).toEqual({ descriptors: 1000, sibling: 1, linked: 1 });
  });
});

describe("removing 1,000", () => {
  const removal = (kind: PteListKind, order: "oldest" | "newest") => {
    const lists = emptyLists(kind);
    const sptes = fill(lists, LEAVES, 1000);
    if (order === "newest") sptes.reverse();
    const { linkLoads, slotVisits } = costOf(lists, () => {
      for (const g of sptes) lists.remove(LEAVES, g);
    });
    expect(lists.length(LEAVES)).toBe(0);
    return { linkLoads, slotVisits };
  };

  test("oldest first costs descriptors 1,500 visits without a hop, sibling links 500,500", () => {
    const old = removal("descriptors", "oldest");
    expect([old.slotVisits, hops(old.linkLoads, 1000)]).toEqual([1500, 0]);
    expect(removal("sibling", "oldest")).toEqual({ linkLoads: 500_500, slotVisits: 500_500 });
    expect(removal("linked", "oldest")).toEqual({ linkLoads: 1000, slotVisits: 1000 });
  });

  test("newest first costs descriptors 500,500 visits and 124,500 hops, sibling links 1,000", () => {
    const old = removal("descriptors", "newest");
    expect([old.slotVisits, hops(old.linkLoads, 1000)]).toEqual([500_500, 124_500]);
    expect(removal("sibling", "newest")).toEqual({ linkLoads: 1000, slotVisits: 1000 });
    expect(removal("linked", "newest")).toEqual({ linkLoads: 1000, slotVisits: 1000 });
  });

  test("draining takes one visit an entry in every design, and gives every object back", () => {
    for (const kind of PTE_LIST_KINDS)
      for (const cell of [LEAVES, PARENTS]) {
        const lists = emptyLists(kind);
        fill(lists, cell, 1000);
        const { slotVisits, frees } = costOf(lists, () => lists.drain(cell, () => {}));
        expect([kind, slotVisits, frees]).toEqual([kind, 1000, lists.counters.allocs]);
      }
  });
});

describe("objects", () => {
  const allocatingAdds = (cell: number, count: number): number[] => {
    const lists = emptyLists("descriptors");
    const found: number[] = [];
    for (let n = 1; n <= count; n++)
      if (costOf(lists, () => lists.add(cell, 511 + n)).allocs === 1) found.push(n);
    return found;
  };

  test("leaves take one at the 2nd, 5th, 9th … entry, parents at the 2nd, 6th, 11th …", () => {
    expect(allocatingAdds(LEAVES, 18)).toEqual([2, 5, 9, 13, 17]);
    expect(allocatingAdds(PARENTS, 18)).toEqual([2, 6, 11, 16]);
  });

  test("links take none, ever", () => {
    for (const kind of ["sibling", "linked"] as const) {
      const lists = emptyLists(kind);
      fill(lists, LEAVES, 1000);
      lists.drain(LEAVES, () => {});
      expect(lists.counters).toMatchObject({ allocs: 0, frees: 0, bytesPeak: 0 });
    }
  });

  test("two entries coming and going 10,000 times take and give back 10,000 descriptors", () => {
    const lists = emptyLists("descriptors");
    const cost = costOf(lists, () => {
      for (let cycle = 0; cycle < 10_000; cycle++) {
        lists.add(LEAVES, 600);
        lists.add(LEAVES, 601);
        lists.remove(LEAVES, 600);
        lists.remove(LEAVES, 601);
      }
    });
    expect(cost).toMatchObject({ allocs: 10_000, frees: 10_000 });
    expect(lists.counters).toMatchObject({ bytesNow: 0, bytesPeak: 20 });
  });

  test("one survivor of two keeps its descriptor until it leaves, too", () => {
    const lists = emptyLists("descriptors");
    lists.add(LEAVES, 600);
    lists.add(LEAVES, 601);
    lists.remove(LEAVES, 600);
    expect([lists.counters.bytesNow, lists.counters.frees]).toEqual([20, 0]);
    lists.remove(LEAVES, 601);
    expect([lists.counters.bytesNow, lists.counters.frees]).toEqual([0, 1]);
  });

  test("the first descriptor with room takes an entry, wherever it stands", () => {
    const lists = emptyLists("descriptors");
    fill(lists, LEAVES, 12);
    lists.remove(LEAVES, 513);
    expect(costOf(lists, () => lists.add(LEAVES, 600))).toMatchObject({ linkLoads: 1, allocs: 0 });
    expect(walk(lists, LEAVES).slice(0, 5)).toEqual([512, 515, 514, 600, 516]);
  });

  test("the first chain with room takes a parent, and those behind a removed one move up", () => {
    const lists = emptyLists("descriptors");
    fill(lists, PARENTS, 10);
    expect(walk(lists, PARENTS)).toEqual([517, 518, 519, 520, 521, 512, 513, 514, 515, 516]);
    lists.remove(PARENTS, 513);
    lists.add(PARENTS, 600);
    expect(walk(lists, PARENTS)).toEqual([517, 518, 519, 520, 521, 512, 514, 515, 516, 600]);
    expect(lists.counters.allocs).toBe(2);
  });
});

describe("building a list of 1,000", () => {
  const build = (lists: ReturnType<typeof emptyLists>, cap?: number): number =>
    costOf(lists, () => {
      for (let n = 0; n < 1000; n++) expect(lists.add(LEAVES, 512 + n, cap)).toBe(Math.min(n, cap ?? n));
    }).linkLoads;

  test("takes descriptors 124,251 hops, links with a counter none", () => {
    expect(hops(build(emptyLists("descriptors")), 1000)).toBe(124_251);
    expect(hops(build(emptyLists("sibling")), 1000)).toBe(0);
    expect(hops(build(emptyLists("linked")), 1000)).toBe(0);
  });

  test("takes sibling links that count as the patch did 500,500 loads, fewer with a cap", () => {
    expect(build(new SiblingLists(sizesOf(4), "walk"))).toBe(500_500);
    // 100 lists shorter than the cap, 900 that are counted up to it.
    expect(build(new SiblingLists(sizesOf(4), "walk"), 100)).toBe(1000 + 4950 + 900 * 100);
  });
});

test("write-protecting 1,000 large leaves, every second one dropped: 1,000 visits in one pass, 125,750 with restarts", () => {
  for (const kind of PTE_LIST_KINDS) {
    const lists = emptyLists(kind);
    fill(lists, LEAVES, 1000);
    const writable = new Set(walk(lists, LEAVES).filter((_, n) => n % 2 === 0));
    expect(costOf(lists, () => lists.filter(LEAVES, (g) => !writable.has(g))).slotVisits).toBe(1000);
    expect(lists.length(LEAVES)).toBe(500);
  }
  const lists = emptyLists("sibling");
  fill(lists, LEAVES, 1000);
  const writable = new Set(walk(lists, LEAVES).filter((_, n) => n % 2 === 0));
  let seen = 0;
  const { slotVisits } = costOf(lists, () => {
    for (let g = lists.first(LEAVES); g !== 0; ) {
      seen++;
      if (writable.has(g)) {
        lists.remove(LEAVES, g);
        g = lists.first(LEAVES);
      } else g = lists.next(LEAVES, g);
    }
  });
  expect([seen, slotVisits]).toEqual([125_750, 125_250]);
});

test("the 1,002nd of a frame's leaves is told that 1,001 are there, and the list empties for recycling", () => {
  for (const kind of PTE_LIST_KINDS) {
    const lists = emptyLists(kind);
    for (let n = 0; n < 1001; n++) expect(lists.add(LEAVES, 512 + n, 1001)).toBe(n);
    expect(lists.add(LEAVES, 512 + 1001, 1001)).toBe(1001);
    expect(lists.drain(LEAVES, () => {})).toBe(1002);
    expect(lists.add(LEAVES, 512 + 1001, 1001)).toBe(0);
    expect(walk(lists, LEAVES)).toEqual([512 + 1001]);
  }
});
