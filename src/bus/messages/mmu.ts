import type { Access } from "../../cpu/exit.ts";
import type { Gpa, Gva } from "../../mmu/address.ts";
import type { TranslationChange } from "../../mmu/pager.ts";

/** Switcher → Mmu: the hardware's walk refused an access; find out whose fault it is. Answered by `mmu.resolved` or `trap.inject`. */
export interface MmuFault {
  readonly type: "mmu.fault";
  readonly gva: Gva;
  readonly errorCode: number;
  readonly access: Access;
  readonly size: number;
  readonly value: number;
  /** Refused accesses of the same instruction have been answered already: as the exit says. */
  readonly begun: boolean;
}

/** Switcher → Mmu: an access of the guest reached an address that no frame backs. Answered by `mmu.emulated`. */
export interface MmuUnbacked {
  readonly type: "mmu.unbacked";
  readonly gpa: Gpa;
  readonly access: Access;
  readonly size: number;
  readonly value: number;
}

/** Mmu → Switcher: the shadow now allows the access; begin the instruction again. */
export interface MmuResolved {
  readonly type: "mmu.resolved";
  readonly vcpu: number;
}

/** Mmu → Switcher: a device answered the access; let the instruction finish with this value (reads). */
export interface MmuEmulated {
  readonly type: "mmu.emulated";
  readonly vcpu: number;
  readonly value: number;
}

/** Switcher → Mmu: the guest has loaded CR3 or changed paging bits (its registers hold the new values). Answered by `mmu.updated`. */
export interface MmuContext {
  readonly type: "mmu.context";
  readonly change: TranslationChange;
}

/** Switcher → Mmu: the guest has executed INVLPG. Answered by `mmu.updated`. */
export interface MmuInvlpg {
  readonly type: "mmu.invlpg";
  readonly gva: Gva;
}

/** Mmu → Switcher: shadow and TLB follow the change. */
export interface MmuUpdated {
  readonly type: "mmu.updated";
  readonly vcpu: number;
}

export type MmuMessage =
  | MmuFault
  | MmuUnbacked
  | MmuResolved
  | MmuEmulated
  | MmuContext
  | MmuInvlpg
  | MmuUpdated;
