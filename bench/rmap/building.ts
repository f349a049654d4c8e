import type { PteLists } from "../../src/mmu/shadow/kvm/pte-lists.ts";
import { costOf, emptyLists, listOf, scatteredSptes } from "./bed.ts";
import { ADDING_DESIGNS, COUNT_CAP, DESIGNS, type Design } from "./designs.ts";
import { expected } from "./expected.ts";
import { grouped, type Ledger } from "./ledger.ts";
import type { Section } from "./section.ts";
import { duration, freshNs, onceNs, type Patience } from "./timing.ts";

/** How far `add` walks when it counts; 0 where a counter stands beside the cell. */
function countCap(design: Design): number {
  return design.name === "sibling-posted" || design.name === "sibling-capped" ? design.cap : 0;
}

export function addSection(ledger: Ledger): Section {
  const rows = [10, 1000, 10_000].map((n) => [
    grouped(n),
    ...ADDING_DESIGNS.map((design) => {
      const [last, ...entries] = scatteredSptes(n + 1) as [number, ...number[]];
      const lists = listOf(design, [...entries, last]);
      lists.remove(1, last);
      const { linkLoads } = costOf(lists, () => lists.add(1, last, design.cap));
      const most =
        design.name === "descriptors" ? expected.addHops(n) : expected.countLoads(n, countCap(design));
      return ledger.check(`add with ${n} present, ${design.title}`, most, linkLoads - 1);
    }),
  ]);
  return {
    title: "Adding one entry with N present (claim: O(N) becomes O(1))",
    text: "Hops (descriptors) or loads of links, beyond the one load of the cell that all need.",
    heading: ["N", ...ADDING_DESIGNS.map(({ title }) => title)],
    rows,
    findings: [
      "The link itself is one pair of stores, as the patch says. But rmap_add() returns the length, and the patch counts it by walking the " +
        "whole list: as posted, add takes four times as many loads as the hops that it replaces, and in the kernel each is some four dependent loads.",
      `The pager keeps a counter per cell instead; a count that stops at ${grouped(COUNT_CAP)} (one more than the length at which a reverse map is ` +
        "recycled) would do, too.",
    ],
  };
}

function build(lists: PteLists, entries: readonly number[], cap: number): void {
  for (const g of entries) lists.add(1, g, cap);
}

function buildCell(
  design: Design,
  n: number,
  ledger: Ledger,
  patience: Patience,
): [string, string | undefined] {
  const what = `building ${n}, ${design.title}`;
  const old = design.name === "descriptors";
  const reads = old ? expected.buildHops(n) : expected.buildLoads(n, countCap(design));
  if (reads > patience.most) return [ledger.calculated(what, reads), undefined];
  const entries = scatteredSptes(n);
  const lists = emptyLists(design, n);
  let ns = 0;
  const cost = costOf(lists, () => {
    ns = onceNs(() => build(lists, entries, design.cap));
  });
  const text = ledger.check(what, reads, old ? cost.linkLoads - n : cost.linkLoads);
  ledger.check(`${what}: objects taken`, old ? expected.descriptors(n) : 0, cost.allocs);
  if (reads <= patience.once)
    ns = freshNs(
      () => emptyLists(design, n),
      (fresh) => build(fresh, entries, design.cap),
      patience.rounds,
    );
  return [text, duration(ns)];
}

export function buildSection(ledger: Ledger, patience: Patience): Section {
  const rows = [1000, 10_000, 100_000].map((n) => {
    const cells = ADDING_DESIGNS.map((design) => buildCell(design, n, ledger, patience));
    return [grouped(n), ...cells.map(([text]) => text), ...cells.map(([, time]) => time)];
  });
  return {
    title: "Building a list by N adds, without recycling (not claimed)",
    text: "descriptors: hops; the others: loads of cells and links.",
    heading: [
      "N",
      ...ADDING_DESIGNS.map(({ title }) => title),
      ...ADDING_DESIGNS.map(({ title }) => `${title}, time`),
    ],
    rows,
    findings: [
      "As posted, building costs N(N+1)/2 loads where the old design took N²/8 hops: the patch makes it worse. In the kernel, recycling at " +
        "1,000 entries hides that.",
    ],
  };
}

export function allocationSection(ledger: Ledger, { rounds }: Patience): Section {
  const cycles = 10_000;
  const [a, b] = scatteredSptes(2) as [number, number];
  const cycle = (lists: PteLists): void => {
    for (let n = 0; n < cycles; n++) {
      lists.add(1, a);
      lists.add(1, b);
      lists.remove(1, a);
      lists.remove(1, b);
    }
  };
  const rows = DESIGNS.map((design) => {
    const lists = emptyLists(design, 2);
    const { allocs, frees } = costOf(lists, () => cycle(lists));
    const many = design.name === "descriptors" ? cycles : 0;
    const ns = freshNs(() => emptyLists(design, 2), cycle, rounds);
    return [
      design.title,
      ledger.check(`allocations of ${cycles} cycles, ${design.title}`, many, allocs),
      ledger.check(`frees of ${cycles} cycles, ${design.title}`, many, frees),
      duration(ns / (4 * cycles)),
    ];
  });
  return {
    title: "Allocations when mappings change (claim: none any more)",
    text: `${grouped(cycles)} times: add a, add b, remove a, remove b, of one frame. Time is that of one operation.`,
    heading: ["", "taken", "given back", "time"],
    rows,
    findings: [
      "An object here comes from a free list set aside beforehand, so it costs little more than a few stores; in the kernel it is a slab object, " +
        "and 'may I still add?' has to be asked at each place.",
    ],
  };
}
