import type { KvmListener } from "./listener.ts";
import { SILENT } from "./listener.ts";
import type { PteListKind } from "./pte-lists.ts";

/** Who counts writes to a table: each page above level 1 its own (Linux 3.11), or the vcpu those in a row (2.6.35). */
export type FloodPolicy = "page" | "vcpu";

/**
 * What becomes of an access where no memory is. `unbacked`: an spte that makes the hardware report it (an mmio exit, no page fault).
 * `reserved`: an spte with reserved bits and a generation, whose page faults are known at once. `none`: nothing is kept.
 */
export type MmioCaching = "unbacked" | "reserved" | "none";

export interface KvmOptions {
  /** Design of the reverse maps. */
  readonly rmap?: PteListKind;
  /** Let the guest write its page tables freely until it flushes. */
  readonly unsync?: boolean;
  readonly flood?: FloodPolicy;
  /** Fill the neighbours of a faulting page too. */
  readonly prefetch?: boolean;
  /** Drop all leaves of a gfn when there are more than 1000. */
  readonly recycle?: boolean;
  /** Map large guest pages by large leaves where the host's frames allow it. */
  readonly largeHostPages?: boolean;
  readonly mmio?: MmioCaching;
  /** Writes of devices to a guest table give its shadow up (KVM leaves that to the guest). */
  readonly strictDma?: boolean;
  /** Most shadow pages in use; by default 2 % of the guest's pages, at least 64. */
  readonly budget?: number;
  /** Budgets below this are refused: with too few, making room takes what was just made. For tests only. */
  readonly smallestBudget?: number;
  /** Most shadow pages that the budget may ever be raised to. */
  readonly capacity?: number;
  /** Keep records that the audit of stale leaves needs (6 KiB a page and 4 MiB). */
  readonly records?: boolean;
  readonly listener?: KvmListener;
  /** For tests: called before a guest entry is read again and its table linked. */
  readonly beforeLink?: () => void;
}

export type ResolvedOptions = Required<Omit<KvmOptions, "budget" | "capacity">>;

export const MINIMUM_BUDGET = 64;

export function resolveOptions(options: KvmOptions): ResolvedOptions {
  return {
    rmap: options.rmap ?? "sibling",
    unsync: options.unsync ?? true,
    flood: options.flood ?? "page",
    prefetch: options.prefetch ?? true,
    recycle: options.recycle ?? true,
    largeHostPages: options.largeHostPages ?? false,
    mmio: options.mmio ?? "unbacked",
    strictDma: options.strictDma ?? false,
    records: options.records ?? false,
    smallestBudget: options.smallestBudget ?? MINIMUM_BUDGET,
    listener: options.listener ?? SILENT,
    beforeLink: options.beforeLink ?? (() => {}),
  };
}

/** Shadow pages for a guest of so many pages, unless told otherwise. */
export function defaultBudget(guestPages: number): number {
  return Math.max(MINIMUM_BUDGET, Math.floor(guestPages / 50));
}
