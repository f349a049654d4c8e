import type { Gfn, Gpa, Gva, Hpa, Mfn, NO_FRAME } from "../../mmu/address.ts";
import type { AuditViolation, ShadowFault as Fault, TranslationChange } from "../../mmu/pager.ts";

/** Mmu → ShadowManager: the guest's tables allow the access, the shadow does not yet. Answered by `shadow.resolved` or `shadow.emulate`. */
export interface ShadowFault extends Fault {
  readonly type: "shadow.fault";
}

/** Fact, from a ShadowManager that treats the shadow as a TLB: an entry was made for an address. */
export interface ShadowTlbFilled {
  readonly type: "shadow.filled";
  readonly gva: Gva;
  readonly gfn: Gfn;
  /** NO_FRAME when no frame backs the page; the access will come back as an mmio exit. */
  readonly mfn: Mfn | typeof NO_FRAME;
  readonly writable: boolean;
  readonly user: boolean;
  /** 1: 4 KiB; 2: 4 MiB (2 MiB in 8-byte formats); 3: 1 GiB. */
  readonly level: 1 | 2 | 3;
  /** Shadow tables that had to be allocated for it. */
  readonly tablesAllocated: number;
}

/**
 * ShadowManager → Mmu: begin the instruction anew. `resume`: the shadow now allows the access, or no longer differs from what it was
 * asked about; `reload`: it lost its root meanwhile, and the access will fault again on a fresh one.
 */
export interface ShadowResolved {
  readonly type: "shadow.resolved";
  readonly gva: Gva;
  readonly outcome: "resume" | "reload";
}

/**
 * ShadowManager → Mmu: the access must not be let through; do it for the guest. `tableWrite`: it would change a guest table that the
 * shadow relies on; `mmio`: no memory is there, a device must answer.
 */
export interface ShadowEmulate {
  readonly type: "shadow.emulate";
  readonly gva: Gva;
  readonly gpa: Gpa;
  readonly why: "tableWrite" | "mmio";
}

/** Mmu → ShadowManager: other frames lie behind some gfns; nothing that leads to the old ones may stay. Nobody answers: it is done before the guest goes on. */
export interface ShadowRemapped {
  readonly type: "shadow.remapped";
}

/** Mmu → ShadowManager: the guest stores into one of its tables. The ShadowManager writes the memory and brings the shadow up to date. Answered by `shadow.written`. */
export interface ShadowWrite {
  readonly type: "shadow.write";
  readonly gpa: Gpa;
  /** 1, 2 or 4; never over the end of a page. */
  readonly bytes: number;
  /** Zero-extended. */
  readonly value: number;
}

/** ShadowManager → Mmu: guest memory holds the value, and the shadow agrees with it. */
export interface ShadowWritten {
  readonly type: "shadow.written";
  readonly gpa: Gpa;
}

/**
 * Switcher → ShadowManager, or Roots where the pager has them: the guest has loaded CR3 or changed paging bits (its registers hold the new values).
 * Answered by `shadow.flushed`.
 */
export interface ShadowCr {
  readonly type: "shadow.cr";
  readonly vcpu: number;
  readonly change: TranslationChange;
}

/** ShadowManager or Roots → Switcher: shadow and TLB follow the change; how many shadow entries were dropped. */
export interface ShadowFlushed {
  readonly type: "shadow.flushed";
  readonly vcpu: number;
  readonly dropped: number;
}

/** Switcher → ShadowManager: the guest has executed INVLPG. Answered by `shadow.invalidated`. */
export interface ShadowInvlpg {
  readonly type: "shadow.invlpg";
  readonly vcpu: number;
  readonly gva: Gva;
}

/** ShadowManager → Switcher: the page's entry is gone, or is what the guest's table says now. */
export interface ShadowInvalidated {
  readonly type: "shadow.invalidated";
  readonly vcpu: number;
  readonly gva: Gva;
}

/**
 * Roots → ShadowManager: let go of the vcpu's roots, take those that its registers now ask for, and synchronise all that they reach.
 * Answered by `shadow.loaded`.
 */
export interface ShadowLoad {
  readonly type: "shadow.load";
  /** The register that was changed; `reload`: none, the old roots have been zapped or there are none yet. */
  readonly change: TranslationChange | "reload";
}

/** ShadowManager → Roots: the hardware has the roots. */
export interface ShadowLoaded {
  readonly type: "shadow.loaded";
  /** What the hardware's root register holds now. */
  readonly root: Hpa;
  /** Shadow pages that had to be made for roots; 0: all were cached. */
  readonly created: number;
}

/** ShadowManager → Roots: a root of this vcpu has been zapped, or it has none; load anew. Always served before the vcpu runs again. */
export interface ShadowReload {
  readonly type: "shadow.reload";
}

/** Fact, from ShadowManager: every invariant was checked. */
export interface ShadowAudited {
  readonly type: "shadow.audited";
  readonly violations: readonly AuditViolation[];
}

export type ShadowRequest =
  | ShadowRemapped
  | ShadowFault
  | ShadowResolved
  | ShadowEmulate
  | ShadowWrite
  | ShadowWritten
  | ShadowCr
  | ShadowFlushed
  | ShadowInvlpg
  | ShadowInvalidated
  | ShadowLoad
  | ShadowLoaded
  | ShadowReload;
