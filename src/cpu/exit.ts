import type { Gpa, Gva } from "../mmu/address.ts";

/** Why the CPU left guest code. */
export const ExitReason = {
  /** The burst's instructions are spent. */
  budget: "budget",
  /** The guest can take an interrupt now, and the monitor asked to know (window requested). */
  interruptWindow: "interruptWindow",
  /** The hardware's page walk refused the access and ExitControl.pageFault is set. */
  pageFault: "pageFault",
  /** An access reached a guest-physical address that no frame backs. */
  mmio: "mmio",
  /** IN, OUT, INS or OUTS. */
  io: "io",
  /** RDMSR or WRMSR of a register that the local APIC keeps: IA32_APIC_BASE and IA32_TSC_DEADLINE; WRMSR of the time-stamp counter that the latter is compared with. */
  apic: "apic",
  hlt: "hlt",
  cpuid: "cpuid",
  /** RDMSR or WRMSR. */
  msr: "msr",
  /** A task switch in hardware has loaded CR3 and ExitControl.cr3 is set: the new task's first instruction comes next. */
  taskSwitch: "taskSwitch",
  /** A task switch in hardware is about to begin, and ExitControl.taskSwitch is set. */
  taskSwitchAttempt: "taskSwitchAttempt",
  /** An exception of ExitIntercepts.exceptions has been raised and not been delivered. A #DB trap comes after its instruction, DR6 is set. */
  exception: "exception",
  /** A non-maskable interrupt can be taken now, and ExitControl.nmiWindow is set. */
  nmiWindow: "nmiWindow",
  rdtsc: "rdtsc",
  rdpmc: "rdpmc",
  /** MOV to or from a debug register. */
  debugRegister: "debugRegister",
  /** LGDT, LIDT, LLDT, LTR, SGDT, SIDT, SLDT or STR. */
  descriptorTable: "descriptorTable",
  /** PAUSE. */
  pause: "pause",
  /** WBINVD or INVD. */
  wbinvd: "wbinvd",
  /** MOV to CR0, CR3 or CR4, CLTS, LMSW; MOV from CR3 with ExitControl.cr3Store (else the guest reads its own values). */
  controlRegister: "controlRegister",
  invlpg: "invlpg",
  /** An x87 or MMX instruction finds an unmasked error pending, and CR0.NE is clear: FERR# is asserted, and the processor stands still. */
  coprocessorError: "coprocessorError",
  /** A fault while delivering a double fault. */
  tripleFault: "tripleFault",
} as const;
export type ExitReason = (typeof ExitReason)[keyof typeof ExitReason];

/** Bits of `Cpu.controls`: what leaves the guest rather than being done by the CPU itself. I/O, MMIO, registers of the local APIC and HLT always leave. */
export const ExitControl = {
  pageFault: 1 << 0,
  cr0: 1 << 1,
  cr3: 1 << 2,
  cr4: 1 << 3,
  invlpg: 1 << 4,
  cpuid: 1 << 5,
  msr: 1 << 6,
  rdtsc: 1 << 7,
  rdpmc: 1 << 8,
  debugRegister: 1 << 9,
  descriptorTable: 1 << 10,
  wbinvd: 1 << 11,
  taskSwitch: 1 << 12,
  cr3Store: 1 << 13,
  nmiWindow: 1 << 14,
  pause: 1 << 15,
  /** WRMSR that would change EFER.NXE; leaves as `msr`. */
  executeDisable: 1 << 16,
  /** Without it such an error is passed over, as with IGNNE# asserted. */
  coprocessorError: 1 << 17,
  /** Every element of a REP INS or OUTS leaves by itself, rather than with those that follow it. */
  singleIo: 1 << 18,
} as const;

/** What leaves besides, as masks (Intel SDM vol. 3, 24.6.3 and 24.6.6). */
export interface ExitIntercepts {
  /** Exceptions by vector. Events that the monitor injects are not looked at, what their delivery raises is. */
  exceptions: number;
  /** With ExitControl.cr0 or cr4: all ones, and every write leaves; else those that change one of these bits. */
  cr0Mask: number;
  cr4Mask: number;
}

export const noIntercepts = (): ExitIntercepts => ({ exceptions: 0, cr0Mask: -1, cr4Mask: -1 });

/** The register of an exit for `descriptorTable`. */
export const DescriptorTable = { gdtr: 0, idtr: 1, ldtr: 2, tr: 3 } as const;

/** Access kinds, as bits of the page-fault error code where they have one. */
export const Access = { read: 0, write: 1, execute: 2 } as const;
export type Access = (typeof Access)[keyof typeof Access];

/**
 * What `run` reports. One record per CPU, reused: copy what must outlive the next `run`. The guest state is precise:
 * unless said otherwise EIP is at the instruction that left, which has changed nothing.
 */
export interface ExitRecord {
  reason: ExitReason;
  /** EIP of the instruction; for hlt and budget, of the next one. */
  eip: number;
  /** Its length in bytes, 0 where not known (a fault while fetching or delivering). */
  length: number;
  /** pageFault, invlpg, exception 14: linear address. io: of the first element of INS or OUTS; 0 for IN and OUT. */
  gva: Gva;
  /** mmio: guest-physical address. */
  gpa: Gpa;
  /** pageFault: error code as the processor would push it (P, W/R, U/S, RSVD, I/D). exception: -1 if there is none. */
  errorCode: number;
  /** pageFault, mmio, io: what was tried; a read whose error code says write is the first half of a read-modify-write. */
  access: Access;
  /** pageFault, mmio, io: bytes of the access (1, 2, 4, 8); 0: a check ahead of accesses that follow. apic reads: 0 for the low word, 4 for the high one. */
  size: number;
  /** mmio and io writes: the value; controlRegister, msr, apic writes: the new value (low word); coprocessorError: 1 if it is the first exit for this error. */
  value: number;
  /** msr and apic writes: high word. */
  valueHigh: number;
  /** io: the port. */
  port: number;
  /**
   * io: accesses in a row, this one among them, that nothing but the device keeps from being done, elements of a REP INS or OUTS: as many as the monitor
   * likes may be answered at once. 1 at least.
   */
  count: number;
  /** io writes: the values of the others. */
  more: readonly number[];
  /** exception: its vector. */
  vector: number;
  /** controlRegister: 0, 3 or 4. debugRegister: 0 to 7. descriptorTable: DescriptorTable. msr: 0. apic: index of the MSR. */
  register: number;
  /** msr, apic: true when WRMSR; controlRegister, debugRegister, descriptorTable: true when it is loaded. */
  write: boolean;
  /**
   * pageFault: refused accesses of this instruction have been answered already. The instruction is begun anew after this exit too, and
   * takes those answers only where it is refused again: the pages must not become accessible before it has retired.
   */
  begun: boolean;
  /** Vector of the event that was being delivered when a pageFault, exception or taskSwitchAttempt left, else -1. */
  vectoring: number;
}

export function createExitRecord(): ExitRecord {
  return {
    reason: ExitReason.budget,
    eip: 0,
    length: 0,
    gva: 0 as Gva,
    gpa: 0 as Gpa,
    errorCode: 0,
    access: Access.read,
    size: 0,
    value: 0,
    valueHigh: 0,
    port: 0,
    count: 1,
    more: [],
    vector: 0,
    register: 0,
    write: false,
    begun: false,
    vectoring: -1,
  };
}
