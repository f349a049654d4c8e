/**
 * Lists of spte addresses, the interface of all reverse-map designs. An spte is named by its global index g = sid * 512 + slot
 * (sid 1 and up); a list by its cell number. An spte is in at most one list at any time.
 */

/** No spte. */
export const NIL = 0;
/** What a link that is in no list holds. */
export const POISON = 0xffffffff;

export interface PteListCounters {
  /**
   * Loads that find an entry: cells read, links followed from one entry or object to the next, predecessors. Neither the own link of an
   * entry that is being removed nor what is read only to check the contract.
   */
  linkLoads: number;
  /** Entries compared or handed to a callback; the single entry that stands in a cell of `descriptors` is none. */
  slotVisits: number;
  /** Objects taken from and given back to the pool of those set aside. */
  allocs: number;
  frees: number;
  /** Bytes of list objects (not of fixed arrays) now, and the most there ever were. */
  bytesNow: number;
  bytesPeak: number;
}

/**
 * Order is unspecified: callers must not depend on it. `keep` and `fn` may change sptes but must not add to or remove from the same
 * cell. Backends throw PteListError where a caller breaks the contract (removing what is not listed, adding what is).
 */
export interface PteLists {
  readonly name: PteListKind;
  /** Adds g; returns how many entries the list had before, counted up to `cap` (default: exactly). */
  add(cell: number, g: number, cap?: number): number;
  remove(cell: number, g: number): void;
  first(cell: number): number;
  /** The entry after g, which must still be listed. */
  next(cell: number, g: number): number;
  /** One pass: entries for which `keep` says false are unlinked. Returns how many. */
  filter(cell: number, keep: (g: number) => boolean): number;
  /** Pops until empty; `fn` sees an entry that is already unlinked. Returns how many. */
  drain(cell: number, fn: (g: number) => void): number;
  /** Entries, counted up to `cap`. */
  length(cell: number, cap?: number): number;
  /** Sets objects aside so that so many adds cannot fail. Throws when they cannot be had. */
  reserve(adds: number): void;
  /** Bytes of arrays whose size does not depend on how many entries are listed. */
  readonly fixedBytes: number;
  readonly counters: PteListCounters;
  /** What is wrong with the structure itself, in sentences. `listed`: the entries that a walk of all cells meets. */
  check(listed: ReadonlySet<number>): string[];
}

export const PTE_LIST_KINDS = ["descriptors", "sibling", "linked"] as const;
export type PteListKind = (typeof PTE_LIST_KINDS)[number];

/** A caller broke the contract of PteLists: a defect of the pager, never of a guest. */
export class PteListError extends Error {
  override readonly name = "PteListError";
}
