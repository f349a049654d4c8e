import type { Access } from "../../cpu/exit.ts";
import type { Gpa, Gva } from "../../mmu/address.ts";
import type { UpperMemoryAccess } from "../../mmu/upper-memory.ts";

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

/** Device → Mmu: address line 20 has been opened, or is held low. Nobody answers: it is done before the guest goes on. */
export interface MmuA20 {
  readonly type: "mmu.a20";
  readonly open: boolean;
}

/** Ports → Mmu: the host bridge shows other memory in a part of C0000 to FFFFF. Nobody answers: it is done before the guest goes on. */
export interface MmuUpper extends UpperMemoryAccess {
  readonly type: "mmu.upper";
  readonly gpa: Gpa;
  readonly sizeBytes: number;
}

export type MmuMessage = MmuFault | MmuUnbacked | MmuResolved | MmuEmulated | MmuA20 | MmuUpper;
