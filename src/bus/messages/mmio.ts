import type { Gpa } from "../../mmu/address.ts";

/** Mmu → the device at this guest-physical address. Answered by `mmio.data`. */
export interface MmioRead {
  readonly type: "mmio.read";
  readonly gpa: Gpa;
  /** 1, 2, 4 or 8 bytes. */
  readonly size: number;
}

/** Mmu → the device at this guest-physical address. Answered by `mmio.done`. */
export interface MmioWrite {
  readonly type: "mmio.write";
  readonly gpa: Gpa;
  readonly size: number;
  readonly value: number;
}

/** Device → Mmu: what was read, zero-extended; all ones where there is no device. */
export interface MmioData {
  readonly type: "mmio.data";
  readonly value: number;
}

/** Device → Mmu: the write is done. */
export interface MmioDone {
  readonly type: "mmio.done";
}

export type MmioMessage = MmioRead | MmioWrite | MmioData | MmioDone;
