import type { Gva } from "../../address.ts";
import type { GuestMemory } from "../../guest-memory.ts";
import { PagerError } from "../../pager.ts";
import type { PagerContext } from "../context.ts";
import { createPteLists } from "./create-lists.ts";
import { type GuestMode, guestMode } from "./guest-mode.ts";
import { GuestPath } from "./guest-path.ts";
import type { KvmListener } from "./listener.ts";
import {
  defaultBudget,
  type KvmOptions,
  MINIMUM_BUDGET,
  type ResolvedOptions,
  resolveOptions,
} from "./options.ts";
import { OwedFlush } from "./owed-flush.ts";
import { ShadowPages, SPTES } from "./pages.ts";
import type { PteLists } from "./pte-lists.ts";
import { LeafRecords } from "./records.ts";
import { CellNumbers } from "./rmap.ts";
import { RootTags } from "./root-tags.ts";
import { MemorySlots } from "./slots.ts";

/** What has happened, in numbers. */
export interface KvmStats {
  faults: number;
  created: number;
  hits: number;
  zapped: number;
  /** Pages zapped to make room. */
  recycledPages: number;
  /** Gfns whose leaves were dropped because there were too many. */
  recycledGfns: number;
  flooded: number;
  /** Links dropped by writes to tables above level 1. */
  pdeZapped: number;
  unsynced: number;
  synced: number;
  prefetched: number;
  tableWrites: number;
  dropped: number;
  reloads: number;
  flushes: number;
  /** A or D of leaves seen by the host when they were dropped. */
  frameAccessed: number;
  frameDirty: number;
  /** Large leaves at present. */
  largeLeaves: number;
}

/** A turn that may take pages begins with so many available: four roots, or the path of a fault, and one more. */
export const LOW_MARK = 5;

/** Sptes of the last speculative install, and the writes to tables in a row: what the vcpu's flood detection goes by. */
export interface LastWrites {
  spte: number;
  spteGfn: number;
  tableGfn: number;
  count: number;
}

/** Why the vcpu must not enter the guest yet. */
export interface EntryRequests {
  /** A root was zapped: load the roots anew. */
  reload: boolean;
  /** A page with unsync pages below it was linked: synchronise first. */
  sync: boolean;
}

/** All that the shadow of one guest consists of. The functions of this folder work on it. */
export class KvmShadow {
  readonly context: PagerContext;
  readonly memory: GuestMemory;
  readonly options: ResolvedOptions;
  readonly listener: KvmListener;
  readonly pages: ShadowPages;
  readonly lists: PteLists;
  readonly cells: CellNumbers;
  readonly slots: MemorySlots;
  readonly path: GuestPath;
  readonly records: LeafRecords | undefined;
  /** Pages that the vcpu's root registers name, one a GiB (with 4-level tables only the first); 0 for none. */
  readonly roots: [number, number, number, number] = [0, 0, 0, 0];
  rootsLoaded = false;
  /** Nothing unsync has been reachable from the roots since they were last brought up to date. */
  rootsSynced = false;
  mode: GuestMode;
  /** The last mode with 8-byte gptes was one with four levels: pages made of such tables are of that kind. */
  longTables = false;
  /** Most pages in use. */
  budget: number;
  /** A budget cut could not reach its goal: what it did reach. */
  budgetMissed = false;
  /** Pages made under an older one are obsolete. */
  generation = 1;
  /** Sptes for MMIO of an older one are not believed. */
  mmioGeneration = 0;
  readonly requests: EntryRequests = { reload: false, sync: false };
  readonly last: LastWrites = { spte: 0, spteGfn: 0, tableGfn: -1, count: 0 };
  readonly stats: KvmStats = {
    faults: 0,
    created: 0,
    hits: 0,
    zapped: 0,
    recycledPages: 0,
    recycledGfns: 0,
    flooded: 0,
    pdeZapped: 0,
    unsynced: 0,
    synced: 0,
    prefetched: 0,
    tableWrites: 0,
    dropped: 0,
    reloads: 0,
    flushes: 0,
    frameAccessed: 0,
    frameDirty: 0,
    largeLeaves: 0,
  };
  /** Cached translations that may allow more than the sptes do: nothing may rely on the change, nor the guest run, before `settleFlush`. */
  readonly owed = new OwedFlush();
  readonly tags = new RootTags();

  /** Throws RangeError for an impossible budget. */
  constructor(context: PagerContext, options: KvmOptions = {}) {
    const { memory, frames } = context;
    this.context = context;
    this.memory = memory;
    this.options = resolveOptions(options);
    this.listener = this.options.listener;
    this.slots = new MemorySlots(memory.p2m);
    this.budget = options.budget ?? defaultBudget(this.slots.pages);
    const capacity = options.capacity ?? Math.max(2 * this.budget, 4 * MINIMUM_BUDGET);
    checkBudget(this.budget, this.options.smallestBudget, capacity);
    this.pages = new ShadowPages(memory.machine, frames, `${memory.p2m.owner}/kvm`, capacity);
    this.cells = new CellNumbers(this.slots.limit, capacity);
    this.lists = createPteLists(this.options.rmap, {
      sptes: (capacity + 1) * SPTES,
      cells: this.cells.count,
      firstParentCell: this.cells.firstParent,
    });
    this.path = new GuestPath(memory);
    this.records = this.options.records ? new LeafRecords(capacity) : undefined;
    this.mode = guestMode(context.paging);
    this.longTables = this.mode.rootLevel === 4;
  }

  get available(): number {
    return Math.max(0, this.budget - this.pages.used);
  }

  /** Too few pages are available for a fault, or the roots, to be served for certain. */
  get isShort(): boolean {
    return this.available < LOW_MARK;
  }

  /** Everything that the hardware has cached goes, under all tags. */
  dropTranslations(): void {
    this.owed.addAll();
    this.settleFlush();
  }

  settleFlush(): void {
    if (!this.owed.isOwed) return;
    this.stats.flushes++;
    const { tlb } = this.context;
    const owed = this.owed.take();
    if (owed === undefined) {
      tlb.flush();
      this.listener.flushed(undefined, undefined);
      return;
    }
    const tags = owed.roots.length === 0 ? undefined : this.tags.tagsWith(owed.roots);
    if (tags !== undefined) for (const tag of tags) tlb.flushTag(tag);
    for (const gva of owed.pages) tlb.flushPage(gva as Gva);
    this.listener.flushed(owed.pages, tags);
  }

  failure(what: string): PagerError {
    return new PagerError(`the kvm pager of ${this.memory.p2m.owner} ${what}`);
  }
}

/** Throws RangeError unless a budget is a whole number between the smallest and the capacity. */
export function checkBudget(budget: number, smallest: number, capacity: number): void {
  if (!Number.isInteger(budget) || budget < smallest || budget > capacity)
    throw new RangeError(
      `a budget of ${budget} shadow pages is impossible: it takes at least ${smallest} to live, and there is room for ${capacity}`,
    );
}
