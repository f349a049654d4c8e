import type { PteLists } from "../../src/mmu/shadow/kvm/pte-lists.ts";
import { costOf, emptyLists, inOrder, listOf, scatteredSptes, seeded, shuffle } from "./bed.ts";
import { DESIGNS, type Design, KERNEL_LOADS_PER_HOP, SIBLING } from "./designs.ts";
import { expected } from "./expected.ts";
import { grouped, type Ledger } from "./ledger.ts";
import { descriptorRemovals, siblingRemovals } from "./model.ts";
import type { Section } from "./section.ts";
import { duration, freshNs, type Patience } from "./timing.ts";

interface Removals {
  readonly visits: number;
  readonly hops: number;
}

const ORDERS = ["oldest first", "newest first", "at random"] as const;

function removalOrder(order: (typeof ORDERS)[number], entries: readonly number[]): number[] {
  if (order === "newest first") return entries.toReversed();
  return order === "oldest first" ? [...entries] : shuffle([...entries], seeded(35));
}

/** What the formulas, or for a random order a model without lists, say. */
function mustBe(design: Design, order: (typeof ORDERS)[number], entries: readonly number[]): Removals {
  const n = entries.length;
  const leaving = removalOrder(order, entries);
  if (design.name === "linked") return { visits: n, hops: 0 };
  if (design.name === "sibling") {
    const visits = {
      "oldest first": expected.worstRemovals(n),
      "newest first": n,
      "at random": siblingRemovals(entries, leaving),
    }[order];
    return { visits, hops: visits - n };
  }
  return {
    "oldest first": { visits: expected.oldestFirstVisits(n), hops: 0 },
    "newest first": { visits: expected.worstRemovals(n), hops: expected.worstRemovalHops(n) },
    "at random": descriptorRemovals(entries, leaving),
  }[order];
}

function removeAll(lists: PteLists, leaving: readonly number[]): void {
  for (const g of leaving) lists.remove(1, g);
}

export function removalSection(ledger: Ledger, { rounds }: Patience): Section {
  const entries = scatteredSptes(1000);
  const rows = ORDERS.flatMap((order) =>
    DESIGNS.map((design) => {
      const what = `removing 1,000 ${order}, ${design.title}`;
      const leaving = removalOrder(order, entries);
      const lists = listOf(design, entries);
      const cost = costOf(lists, () => removeAll(lists, leaving));
      const must = mustBe(design, order, entries);
      const ns = freshNs(
        () => listOf(design, entries),
        (fresh) => removeAll(fresh, leaving),
        rounds,
      );
      const inKernel = cost.linkLoads * (design.name === "descriptors" ? 1 : KERNEL_LOADS_PER_HOP);
      return [
        order,
        design.title,
        ledger.check(`${what}, visits`, must.visits, cost.slotVisits),
        ledger.check(`${what}, hops`, must.hops, cost.linkLoads - 1000),
        grouped(cost.linkLoads),
        grouped(inKernel),
        duration(ns),
      ];
    }),
  );
  return {
    title: "Removing 1,000 entries, one by one (not claimed)",
    text:
      "visits: entries compared. hops: loads of links that were followed, without the one of the cell. in the kernel: what the loads come to " +
      `there, where one hop along sibling links is ${KERNEL_LOADS_PER_HOP} dependent loads (of a descriptor: one).`,
    heading: ["order", "", "visits", "hops", "loads", "in the kernel", "time"],
    rows,
    findings: [
      "Opposite best cases: processes that share a page and exit in the order in which they were made are the worst case of sibling links and " +
        "the best of descriptors. At random both search half of the list, descriptors four entries at a hop.",
      "Linked both ways, removal does not depend on the order at all; that is what the second array buys.",
    ],
  };
}

/** For each of the 512 entries a position from the newest on, random, but such that they lie evenly about the middle. */
function evenPositions(n: number): number[] {
  const random = seeded(n);
  const half = Array.from({ length: 256 }, () => 1 + random(n));
  return shuffle([...half, ...half.map((position) => n + 1 - position)], random);
}

function pageInLists(design: Design, n: number): PteLists {
  const lists = emptyLists(design, 512 * n, 512);
  const others = shuffle(
    Array.from({ length: 512 * (n - 1) }, (_, i) => 1024 + i),
    seeded(n),
  );
  for (const [slot, position] of evenPositions(n).entries())
    for (let added = n; added >= 1; added--)
      lists.add(1 + slot, added === position ? 512 + slot : (others.pop() as number), 0);
  return lists;
}

function zapPage(lists: PteLists): void {
  for (let slot = 0; slot < 512; slot++) lists.remove(1 + slot, 512 + slot);
}

export function zapSection(ledger: Ledger, { rounds }: Patience): Section {
  const rows = [1, 10, 100].map((n) => {
    const measured = DESIGNS.map((design) => {
      const what = `zapping a full page, lists of ${n}, ${design.title}`;
      const lists = pageInLists(design, n);
      const cost = costOf(lists, () => zapPage(lists));
      const ns = freshNs(() => pageInLists(design, n), zapPage, rounds);
      const reads = expected.zapLoads(n);
      const text =
        design.name === "sibling"
          ? ledger.check(what, reads, cost.linkLoads)
          : design.name === "linked"
            ? ledger.check(what, 512, cost.linkLoads)
            : // A single entry stands in its cell, in no slot.
              ledger.check(what, n === 1 ? 0 : reads, cost.slotVisits);
      return { text, ns };
    });
    return [grouped(n), ...measured.map(({ text }) => text), ...measured.map(({ ns }) => duration(ns))];
  });
  return {
    title: "Zapping a full level-1 page (not claimed)",
    text: "Its 512 leaves leave lists of N each, from random positions. descriptors: slot visits; the others: loads of cells and links.",
    heading: ["N", ...DESIGNS.map(({ title }) => title), ...DESIGNS.map(({ title }) => `${title}, time`)],
    rows,
    findings: [
      "Both designs search half of each list: the patch saves nothing here, and needs a hop for each entry that it passes where descriptors need one " +
        `for four. In the kernel its loads count ${KERNEL_LOADS_PER_HOP} times: ${grouped(KERNEL_LOADS_PER_HOP * expected.zapLoads(100))} for N = 100. Linked both ways, zapping a ` +
        "page costs the same however widely its frames are shared.",
    ],
  };
}

export function writeProtectSection(ledger: Ledger): Section {
  const entries = scatteredSptes(1000);
  const rows = DESIGNS.map((design) => {
    const passed = listOf(design, entries);
    const ordered = inOrder(passed, 1);
    const writable = new Set(ordered.filter((_, n) => n % 2 === 0));
    const cost = costOf(passed, () => passed.filter(1, (g) => !writable.has(g)));
    const pass = ledger.check(`write-protection in one pass, ${design.title}`, 1000, cost.slotVisits);
    if (design.name === "descriptors") return [design.title, pass, undefined, undefined];
    const restarted = listOf(design, entries);
    let visits = 0;
    const { slotVisits } = costOf(restarted, () => {
      for (let g = restarted.first(1); g !== 0; ) {
        visits++;
        if (writable.has(g)) {
          restarted.remove(1, g);
          g = restarted.first(1);
        } else g = restarted.next(1, g);
      }
    });
    const removals = design === SIBLING ? expected.restartRemovals(1000) : 500;
    return [
      design.title,
      pass,
      ledger.check(`write-protection with restarts, ${design.title}`, expected.restartVisits(1000), visits),
      ledger.check(`removals of write-protection with restarts, ${design.title}`, removals, slotVisits),
    ];
  });
  return {
    title: "Write-protecting 1,000 large leaves, every second one dropped (ours)",
    text: "Slot visits in one pass of filter(); and of walk and removals, when the walk begins again after each drop, as the patch does.",
    heading: ["", "one pass", "with restarts", "its removals"],
    rows,
    findings: [],
  };
}
