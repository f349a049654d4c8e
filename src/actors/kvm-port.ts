import type { Gfn, Gpa, Hpa } from "../mmu/address.ts";
import type { Pager, ShadowFault, TranslationChange } from "../mmu/pager.ts";

/** What came of a shadow fault. `unsync`: as `resume`, and the guest may now write a table of last level unseen. */
export type KvmFaultOutcome = "resume" | "unsync" | "tableWrite" | "mmio" | "reload";

/** What the ShadowManager and the Roots of kvm drive: one turn, one call. Each may throw PagerError or OutOfFrames; then the guest is killed. */
export interface KvmPort extends Pager {
  /** The vcpu has no roots, or one of them has been zapped. */
  readonly rootsLost: boolean;
  /** Too few shadow pages are left to serve a fault for certain. */
  readonly isShort: boolean;
  /** Zaps the oldest pages until there are enough. */
  reclaim(): void;
  /** The guest's tables allow the access: make the shadow allow it, or say what else is to be done. */
  fault(fault: ShadowFault): KvmFaultOutcome;
  /** Writes guest memory, then all that shadows it. True: shadow pages of the frame were zapped rather than brought up to date. */
  write(gpa: Gpa, bytes: number, value: number): boolean;
  /** Lets go of the roots and takes those that the vcpu's registers ask for. Returns the hardware's root, and how many pages were made. */
  takeRoots(change: TranslationChange | "reload"): { readonly root: Hpa; readonly created: number };
  /** Brings up to date all that the roots reach. */
  syncRoots(): void;
  changeBudget(pages: number): void;
  /** Gives up the oldest page. */
  relieve(): void;
  startDirtyLog(): void;
  stopDirtyLog(): void;
  readDirtyLog(): readonly Gfn[];
}

/** Whether a pager is one that needs the actors of kvm. */
export function isKvm(pager: Pager): pager is KvmPort {
  return (pager.name as string) === "kvm";
}
