import type { Gfn, Gpa, Gva, Hpa, Mfn, NO_FRAME } from "./address.ts";
import type { ShadowFormatName } from "./format.ts";

export const PAGER_NAMES = ["bare", "vtlb", "kvm"] as const;
export type PagerName = (typeof PAGER_NAMES)[number];

/**
 * Page-fault error code bits (Intel SDM vol. 3, 4.7). `guarded` is for the monitor alone, and never seen by a guest: SMAP applies to the
 * access, a supervisor's to data, explicit with EFLAGS.AC clear or implicit.
 */
export const PageFault = {
  present: 1,
  write: 2,
  user: 4,
  reserved: 8,
  fetch: 16,
  guarded: 1 << 16,
} as const;
/** The bits that a guest may see. */
export const GUEST_PAGE_FAULT = 0x1f;

/** The guest's own paging registers, as the guest sees them (live view over the vcpu's state). */
export interface GuestPaging {
  readonly cr0: number;
  readonly cr3: number;
  readonly cr4: number;
  /** IA32_EFER, low word. */
  readonly efer: number;
  /** PagingFeature bits of its processor (CPUID leaf 1 EDX). Absent: none. */
  readonly features?: number;
  /** The four PDPTEs that the last load of CR3 (or of paging bits) latched under PAE: low word, high word, four times. */
  readonly pdptes: Uint32Array;
}

/**
 * What the hardware's page walker is set to while a guest runs.
 * `guest`: it walks the guest's own tables as CR0, CR3, CR4, EFER and the latched PDPTEs say, every guest-physical frame number going
 * through `p2m`.
 * `shadow`: paging is always on (CR0.WP as given, CR4.PSE, PGE and EFER.NXE on) in the format given, the tables hold machine frames. `root`
 * is the hpa of the topmost table; with PAE, of four pointers that the hardware latches (any 32-byte boundary below 4 GiB). After a change
 * of `format`, of `root` or of those four pointers the root must be loaded anew: `TlbControl.loadRoot`. `p2m` is for what the
 * processor itself reads from guest-physical memory: the PDPTEs of a guest with PAE.
 */
export type HardwarePaging =
  | { readonly mode: "guest"; readonly p2m: Int32Array }
  | {
      readonly mode: "shadow";
      readonly p2m: Int32Array;
      format: ShadowFormatName;
      root: Hpa;
      writeProtect: boolean;
      /** What is translated through these tables is cached under this tag (from 1 on; 0: under none). */
      tag: number;
    };

/** A translation that the physical CPU has cached. */
export interface CachedTranslation {
  /** Tag of the tables that it was made through; 0 for none. */
  readonly tag: number;
  /** Address of the 4 KiB page. */
  readonly gva: Gva;
  readonly hpa: Hpa;
  /** What it lets pass for a supervisor, and for a user. */
  readonly supervisor: CachedRights;
  readonly user: CachedRights;
}

export interface CachedRights {
  readonly read: boolean;
  readonly write: boolean;
  readonly execute: boolean;
}

/** The cached translations of the physical CPU, as a pager may drop them; each drop concerns those under every tag. */
export interface TlbControl {
  /** All of them, global ones too. */
  flush(): void;
  /** All but global ones; dropping more is allowed. */
  flushNonGlobal(): void;
  /** Of the 4 KiB page that holds the address, global or not. */
  flushPage(gva: Gva): void;
  /** All that were cached under a tag. */
  flushTag(tag: number): void;
  /**
   * Loads the hardware's root anew, as `Pager.hardware` now has it. Translations cached under the tag that it has are used again, those under others are
   * kept; without a tag all are dropped.
   */
  loadRoot(): void;
  /** What is cached at present, under all tags. */
  translations(): Iterable<CachedTranslation>;
}

/** What the walk of the guest's tables for one access says (guest walker). */
export type GuestWalk =
  | { readonly kind: "fault"; readonly errorCode: number }
  | {
      readonly kind: "mapped";
      /** Of the 4 KiB page that holds the address. */
      readonly gfn: Gfn;
      readonly gpa: Gpa;
      /** Combined rights of the path. */
      readonly writable: boolean;
      readonly user: boolean;
      readonly executable: boolean;
      readonly global: boolean;
      /** D of the leaf after the walk (set by it for a write). */
      readonly dirty: boolean;
      /** Of the entry that maps the page. 1: 4 KiB; 2: 4 MiB, with 8-byte entries 2 MiB; 3: 1 GiB. */
      readonly level: 1 | 2 | 3;
    };

/**
 * One guest access that the shadow did not allow although the guest's tables do. No frame needs to back `walk.gfn`: the pager then
 * makes the hardware report the access as one to that guest-physical address (an mmio exit) when the instruction is begun anew.
 */
export interface ShadowFault {
  readonly gva: Gva;
  /** Error code of the hardware fault. */
  readonly errorCode: number;
  readonly walk: Extract<GuestWalk, { kind: "mapped" }>;
}

/** What a fill did; becomes the fact `shadow.filled`. */
export interface ShadowFill {
  readonly gva: Gva;
  readonly gfn: Gfn;
  /** Of the 4 KiB page; NO_FRAME when no frame backs it. */
  readonly mfn: Mfn | typeof NO_FRAME;
  readonly writable: boolean;
  readonly user: boolean;
  readonly level: 1 | 2;
  /** Shadow tables allocated for it. */
  readonly tablesAllocated: number;
}

/** The register whose change makes translations stale; of EFER, its NXE. */
export type TranslationChange = "cr3" | "cr0" | "cr4" | "efer";

export interface AuditViolation {
  /** Short rule name, e.g. "spte-without-gpte". */
  readonly rule: string;
  /** A sentence with the addresses and entries concerned. */
  readonly detail: string;
  readonly gva?: Gva;
}

/** A pager could not go on; the guest that it serves must be killed, others are unharmed. */
export class PagerError extends Error {
  override readonly name = "PagerError";
}

/** A policy for keeping shadow tables. Plain synchronous mechanism; the ShadowManager actor drives it. */
export interface Pager {
  readonly name: PagerName;
  /** ExitControl bits that it needs. */
  readonly controls: number;
  readonly hardware: HardwarePaging;
  /** Makes the shadow allow the access, or throws PagerError when no frame is left (the guest is then killed). */
  fill(fault: ShadowFault): ShadowFill;
  /** The guest has loaded CR3 or changed paging bits of CR0/CR4 (its registers already hold the new values). Returns the number of shadow entries dropped. */
  contextChanged(change: TranslationChange): number;
  invalidatePage(gva: Gva): void;
  /** The p2m shows other frames than before (ROM or RAM, address line 20): nothing that leads to the old ones may stay. Throws PagerError. */
  remapped(): void;
  /** Checks every invariant against the guest's tables and the p2m. */
  audit(): AuditViolation[];
  /** Machine frames held for tables. */
  readonly framesHeld: number;
  /** Gives all frames back. */
  dispose(): void;
}
