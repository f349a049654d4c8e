import type { Gfn, Gva, Mfn, NO_FRAME } from "../../mmu/address.ts";
import type { AuditViolation, ShadowFault as Fault, TranslationChange } from "../../mmu/pager.ts";

/** Mmu → ShadowManager: the guest's tables allow the access, the shadow does not yet. Answered by `shadow.resolved`. */
export interface ShadowFault extends Fault {
  readonly type: "shadow.fault";
}

/** Fact, from ShadowManager: an entry was made. */
export interface ShadowFilled {
  readonly type: "shadow.filled";
  readonly gva: Gva;
  readonly gfn: Gfn;
  /** NO_FRAME when no frame backs the page; the access will come back as an mmio exit. */
  readonly mfn: Mfn | typeof NO_FRAME;
  readonly writable: boolean;
  readonly user: boolean;
  readonly level: 1 | 2;
  /** Shadow tables that had to be allocated for it. */
  readonly tablesAllocated: number;
}

/** ShadowManager → Mmu: the shadow allows the access. */
export interface ShadowResolved {
  readonly type: "shadow.resolved";
  readonly gva: Gva;
}

/** Mmu → ShadowManager: the guest has changed its paging registers. Answered by `shadow.flushed`. */
export interface ShadowFlush {
  readonly type: "shadow.flush";
  readonly change: TranslationChange;
}

/** ShadowManager → Mmu: done; how many shadow entries were dropped. */
export interface ShadowFlushed {
  readonly type: "shadow.flushed";
  readonly dropped: number;
}

/** Mmu → ShadowManager: the guest has executed INVLPG. Answered by `shadow.invalidated`. */
export interface ShadowInvalidate {
  readonly type: "shadow.invalidate";
  readonly gva: Gva;
}

/** ShadowManager → Mmu: the page's entry is gone. */
export interface ShadowInvalidated {
  readonly type: "shadow.invalidated";
  readonly gva: Gva;
}

/** Fact, from ShadowManager: every invariant was checked. */
export interface ShadowAudited {
  readonly type: "shadow.audited";
  readonly violations: readonly AuditViolation[];
}

export type ShadowMessage =
  | ShadowFault
  | ShadowFilled
  | ShadowResolved
  | ShadowFlush
  | ShadowFlushed
  | ShadowInvalidate
  | ShadowInvalidated
  | ShadowAudited;
