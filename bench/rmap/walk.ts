import { NIL, type PteLists } from "../../src/mmu/shadow/kvm/pte-lists.ts";
import { costOf, inOrder, listOf, scatteredSptes, walk } from "./bed.ts";
import { DESIGNS, type Design, KERNEL_LOADS_PER_HOP } from "./designs.ts";
import { expected } from "./expected.ts";
import { grouped, type Ledger } from "./ledger.ts";
import type { Section } from "./section.ts";
import { duration, logLogSlope, onceNs, type Patience, repeatedNs } from "./timing.ts";

/** The note's lengths, and that of the test "rmap_chain" on 512 MiB. */
const LENGTHS = [1, 2, 4, 5, 10, 100, 1000, 10_000, 100_000, 130_072];
/** Shorter lists are not long enough for their slope to show. */
const SLOPE_FROM = 100;

/** What walking a list of `n` costs in a design: entries and links read (calculated, if it was left out), and time. */
export interface WalkPoint {
  readonly n: number;
  readonly reads: number;
  readonly counted: boolean;
  readonly ns: number | undefined;
}
export type WalkSeries = Readonly<Record<string, readonly WalkPoint[]>>;

const usesSlots = (design: Design): boolean => design.name === "descriptors";

function measure(design: Design, n: number, ledger: Ledger, patience: Patience): [string, WalkPoint] {
  const what = `walk of ${n}, ${design.title}`;
  const reads = usesSlots(design) ? expected.walkVisits(n) : expected.walkLoads(n);
  if (reads > patience.most)
    return [ledger.calculated(what, reads), { n, reads, counted: false, ns: undefined }];
  const lists = listOf(design, scatteredSptes(n));
  let ns = 0;
  let count = 0;
  const cost = costOf(lists, () => {
    ns = onceNs(() => {
      count = walk(lists, 1);
    });
  });
  if (count !== n) throw new Error(`${what}: ${count} entries were met`);
  if (reads <= patience.once) ns = repeatedNs(() => walk(lists, 1), patience.rounds);
  const text = ledger.check(what, reads, usesSlots(design) ? cost.slotVisits : cost.linkLoads);
  return [text, { n, reads, counted: true, ns }];
}

export function walkSection(ledger: Ledger, patience: Patience): { section: Section; series: WalkSeries } {
  const series: Record<string, WalkPoint[]> = Object.fromEntries(DESIGNS.map(({ name }) => [name, []]));
  const rows = LENGTHS.map((n) => {
    const measured = DESIGNS.map((design) => {
      const [text, point] = measure(design, n, ledger, patience);
      (series[design.name] as WalkPoint[]).push(point);
      return { text, point };
    });
    return [
      grouped(n),
      ...measured.map(({ text }) => text),
      ...measured.map(({ point }) => duration(point.ns)),
    ];
  });
  const findings = DESIGNS.map(({ name, title }) => {
    const points = (series[name] as WalkPoint[]).filter(({ n, counted }) => n >= SLOPE_FROM && counted);
    const reads = logLogSlope(points.map((point) => [point.n, point.reads]));
    const times = logLogSlope(points.map((point) => [point.n, point.ns as number]));
    const most = grouped(Math.max(...points.map(({ n }) => n)));
    return `${title}: log-log slope from N = ${SLOPE_FROM} to ${most}: ${reads.toFixed(3)} in reads, ${times.toFixed(2)} in time.`;
  });
  findings.push(
    `In the kernel one hop along sibling links is about ${KERNEL_LOADS_PER_HOP} dependent loads (struct page, shadow page, array, entry), here it is one: ` +
      `read ${grouped(KERNEL_LOADS_PER_HOP * 1001)} instead of 1,001 for N = 1,000. A slot of a descriptor is one load, and a hop another for every fourth.`,
  );
  const section: Section = {
    title: "Walking a list from entry to entry (claim: O(N²) becomes O(N))",
    text: "first(), then next() until the end. descriptors: slot visits; the others: loads of cell and links. Entries lie scattered in memory.",
    heading: ["N", ...DESIGNS.map(({ title }) => title), ...DESIGNS.map(({ title }) => `${title}, time`)],
    rows,
    findings,
  };
  return { section, series };
}

/** next() of the last entry. */
export function nextSection(ledger: Ledger, { rounds }: Patience): Section {
  const rows = [100, 1000, 10_000].map((n) => {
    const measured = DESIGNS.map((design) => {
      const lists = listOf(design, scatteredSptes(n));
      const tail = inOrder(lists, 1).at(-1) as number;
      let after = -1;
      const cost = costOf(lists, () => {
        after = lists.next(1, tail);
      });
      if (after !== NIL) throw new Error(`the last of ${n} has a successor`);
      const text = usesSlots(design)
        ? ledger.check(`next at the tail of ${n}, ${design.title}`, n, cost.slotVisits)
        : ledger.check(`next at the tail of ${n}, ${design.title}`, 1, cost.linkLoads);
      return { text, ns: repeatedNs(() => lists.next(1, tail), rounds) };
    });
    return [grouped(n), ...measured.map(({ text }) => text), ...measured.map(({ ns }) => duration(ns))];
  });
  return {
    title: "The successor of one entry (claim: O(N) becomes O(1))",
    text: "One next() of the last entry. descriptors: slot visits; the others: loads of links.",
    heading: ["N", ...DESIGNS.map(({ title }) => title), ...DESIGNS.map(({ title }) => `${title}, time`)],
    rows,
    findings: [],
  };
}

const pass = (lists: PteLists): number => {
  let count = 0;
  lists.filter(1, () => {
    count++;
    return true;
  });
  return count;
};

/** What walking costs when the backend keeps its place: then the old design is linear, too. */
export function passSection(ledger: Ledger, { rounds }: Patience): Section {
  const rows = LENGTHS.filter((n) => n === 1 || n >= 10).map((n) => {
    const measured = DESIGNS.map((design) => {
      const what = `pass over ${n}, ${design.title}`;
      const lists = listOf(design, scatteredSptes(n));
      let count = 0;
      const cost = costOf(lists, () => {
        count = pass(lists);
      });
      if (count !== n) throw new Error(`${what}: ${count} entries were met`);
      let text: string;
      if (usesSlots(design)) {
        const visits = ledger.check(`${what}, visits`, expected.passVisits(n), cost.slotVisits);
        const hops = ledger.check(`${what}, hops`, expected.passHops(n), cost.linkLoads - 1);
        text = `${visits} (${hops})`;
      } else text = ledger.check(what, expected.walkLoads(n), cost.linkLoads);
      return { text, ns: repeatedNs(() => pass(lists), rounds) };
    });
    return [grouped(n), ...measured.map(({ text }) => text), ...measured.map(({ ns }) => duration(ns))];
  });
  return {
    title: "The same in one pass of filter()",
    text: "Nothing is dropped. descriptors: slot visits (hops from one to the next); the others: loads of cell and links.",
    heading: ["N", ...DESIGNS.map(({ title }) => title), ...DESIGNS.map(({ title }) => `${title}, time`)],
    rows,
    findings: [
      "The square of the old walk belongs to its next(), which searches for its place, not to descriptors: whoever keeps the place walks " +
        "them in N visits and a quarter as many hops. Umbra's pager uses filter() and drain() wherever it can, so it would not see the square.",
    ],
  };
}
