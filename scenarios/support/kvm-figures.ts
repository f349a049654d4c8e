import type { KvmStats } from "../../src/mmu/shadow/kvm/state.ts";
import type { Vm } from "../../src/vm/vm.ts";
import { UsageError } from "./flags.ts";

/** List lengths counted one by one up to here; longer ones by powers of two. */
const COUNTED_SINGLY = 4;

/** How many lists have how many entries. */
export type Histogram = Readonly<Record<string, number>>;

/** What the kvm pager of a vm has done, and what it holds now. */
export interface KvmFigures {
  readonly rmap: string;
  readonly stats: Readonly<KvmStats>;
  readonly shadowPages: { readonly used: number; readonly unsync: number; readonly budget: number };
  /** Entries that are links to lower pages, and leaves. */
  readonly links: number;
  readonly leaves: number;
  readonly lists: { readonly rmap: Histogram; readonly parents: Histogram };
  readonly bytes: {
    /** Frames of shadow pages. */
    readonly frames: number;
    /** Arrays and list objects beside them. */
    readonly metadata: number;
    /** Of the latter, objects of the reverse maps: now, and the most there ever were. */
    readonly listObjects: number;
    readonly listObjectsPeak: number;
  };
  readonly listCounters: Readonly<Record<string, number>>;
}

/** @throws UsageError if the vm has another pager */
export function kvmFigures(vm: Vm): KvmFigures {
  const { kvm } = vm;
  if (kvm === undefined)
    throw new UsageError(`the vm runs under ${vm.pager}: these figures are those of --pager kvm`);
  const { pages, lists, cells, stats, budget } = kvm.shadow;
  const rmap = new Map<string, number>();
  const parents = new Map<string, number>();
  let links = 0;
  let leaves = 0;
  for (let cell = 1; cell < cells.count; cell++) {
    const length = lists.length(cell);
    if (length === 0) continue;
    const isParents = cell >= cells.firstParent;
    if (isParents) links += length;
    else leaves += length;
    count(isParents ? parents : rmap, length);
  }
  let unsync = 0;
  for (const sid of pages.active) if (pages.isUnsync(sid)) unsync++;
  return {
    rmap: lists.name,
    stats: { ...stats },
    shadowPages: { used: pages.used, unsync, budget },
    links,
    leaves,
    lists: { rmap: Object.fromEntries(rmap), parents: Object.fromEntries(parents) },
    bytes: {
      frames: kvm.framesHeld * 4096,
      metadata: kvm.metadataBytes,
      listObjects: lists.counters.bytesNow,
      listObjectsPeak: lists.counters.bytesPeak,
    },
    listCounters: { ...lists.counters },
  };
}

function count(histogram: Map<string, number>, length: number): void {
  const power = 2 ** Math.floor(Math.log2(length));
  const from = Math.max(power, COUNTED_SINGLY + 1);
  const name = length <= COUNTED_SINGLY ? String(length) : `${from}..${2 * power - 1}`;
  histogram.set(name, (histogram.get(name) ?? 0) + 1);
}

/** The figures for a person. */
export function kvmTable({
  rmap,
  stats,
  shadowPages,
  links,
  leaves,
  lists,
  bytes,
  listCounters,
}: KvmFigures): string {
  const rows: [string, string | number][] = [
    ["page faults brought to the pager", stats.faults],
    ["shadow pages made / found in the cache", `${stats.created} / ${stats.hits}`],
    ["shadow pages zapped / of these to make room", `${stats.zapped} / ${stats.recycledPages}`],
    ["shadow pages now / most allowed", `${shadowPages.used} / ${shadowPages.budget}`],
    ["tables gone out of step / synchronised", `${stats.unsynced} / ${stats.synced}`],
    ["  of these out of step now", shadowPages.unsync],
    ["stores to tables done for the guest", stats.tableWrites],
    ["tables given up after too many stores", stats.flooded],
    ["leaves prefetched / dropped", `${stats.prefetched} / ${stats.dropped}`],
    ["frames mapped too often, recycled", stats.recycledGfns],
    ["reloads of roots / flushes of the TLB", `${stats.reloads} / ${stats.flushes}`],
    ["leaves now / links now", `${leaves} / ${links}`],
    [`reverse maps (${rmap}): lists of so many leaves`, shownHistogram(lists.rmap)],
    ["pages with so many parents", shownHistogram(lists.parents)],
    [
      "links followed / entries visited in lists",
      `${listCounters["linkLoads"]} / ${listCounters["slotVisits"]}`,
    ],
    ["bytes: frames / metadata", `${bytes.frames} / ${bytes.metadata}`],
    ["bytes: list objects now / at most", `${bytes.listObjects} / ${bytes.listObjectsPeak}`],
  ];
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return rows.map(([name, value]) => `${name.padEnd(width)}${value}`).join("\n");
}

function shownHistogram(histogram: Histogram): string {
  const entries = Object.entries(histogram).sort(
    ([a], [b]) => Number.parseInt(a, 10) - Number.parseInt(b, 10),
  );
  return entries.length === 0 ? "none" : entries.map(([length, lists]) => `${length}: ${lists}`).join(", ");
}
