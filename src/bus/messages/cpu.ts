import type { Access } from "../../cpu/exit.ts";
import type { Gpa, Gva } from "../../mmu/address.ts";

/** Switcher → Cpu: the loaded vcpu may run guest code; the burst begins when the bus is quiet. */
export interface CpuEnter {
  readonly type: "cpu.enter";
  readonly vcpu: number;
}

/** Switcher → Cpu: the loaded vcpu has executed HLT; wait, in virtual time, for an interrupt. */
export interface CpuHalt {
  readonly type: "cpu.halt";
  readonly vcpu: number;
}

/** Machine → Cpu: the bus is quiet; run a burst of guest code, or in HLT go to the next alarm. */
export interface CpuRun {
  readonly type: "cpu.run";
}

/** Switcher → Cpu: leave the guest (or the halt) now; no further instruction is executed before the exit. */
export interface CpuKick {
  readonly type: "cpu.kick";
  readonly vcpu: number;
}

/** What every exit tells: whose it is, and the EIP of the instruction (of the next one for hlt, budget and kicked). */
interface Exit<Reason extends string> {
  readonly type: "cpu.exit";
  readonly vcpu: number;
  readonly reason: Reason;
  readonly eip: number;
}

/** The burst's instructions are spent: an alarm is due, the time slice is over, or a limit is reached. */
export type BudgetExit = Exit<"budget">;
/** `cpu.kick` was obeyed. */
export type KickedExit = Exit<"kicked">;
/** A halted vcpu has no alarm that could wake it: only input from outside can. */
export type AsleepExit = Exit<"asleep">;
/** The guest can take an interrupt now, as the Switcher asked to be told. */
export type InterruptWindowExit = Exit<"interruptWindow">;
/** HLT was executed. `interruptible` is EFLAGS.IF. */
export type HltExit = Exit<"hlt"> & { readonly interruptible: boolean };
/** An x87 error is to be told by IRQ 13 (CR0.NE clear). `fresh`: it has not been told yet. `interruptible` is EFLAGS.IF. */
export type CoprocessorErrorExit = Exit<"coprocessorError"> & {
  readonly fresh: boolean;
  readonly interruptible: boolean;
};
/** CPUID; the Switcher lets the CPU perform it. */
export type CpuidExit = Exit<"cpuid">;
/** A fault while a double fault was delivered. */
export type TripleFaultExit = Exit<"tripleFault">;

/** The hardware's walk of the shadow refused an access. */
export type PageFaultExit = Exit<"pageFault"> & {
  readonly gva: Gva;
  /** As the processor would push it (Intel SDM vol. 3, 4.7). */
  readonly errorCode: number;
  readonly access: Access;
  /** Bytes of the access; 0 for a check ahead of accesses that follow (a stack of a gate, a store that crosses pages). */
  readonly size: number;
  /** What would be written. */
  readonly value: number;
  /** Refused accesses of this instruction have been answered already; the instruction must be helped to its end in the same way. */
  readonly begun: boolean;
  /** Vector of the event that was being delivered, or -1. */
  readonly vectoring: number;
};

/** The hardware reached a guest-physical address that no frame backs (or that the shadow says none does). */
export type MmioExit = Exit<"mmio"> & {
  readonly gpa: Gpa;
  readonly access: Access;
  readonly size: number;
  readonly value: number;
};

/** IN, OUT, or iterations of INS or OUTS that nothing but the device keeps from being done together. */
export type IoExit = Exit<"io"> & {
  readonly port: number;
  /** 1, 2 or 4 bytes. */
  readonly size: number;
  readonly write: boolean;
  readonly value: number;
  /** How many iterations, if more than one. */
  readonly count?: number;
  /** Linear address of the first element, of INS and OUTS. */
  readonly gva?: Gva;
  /** What the iterations after the first would write. */
  readonly more?: readonly number[];
};

/** RDMSR or WRMSR of what the local APIC keeps. A read is of one word: `offset` 0 the low one, 4 the high one. */
export type ApicExit = Exit<"apic"> & {
  /** Index of the MSR. */
  readonly register: number;
  readonly write: boolean;
  readonly offset: number;
  readonly value: number;
  readonly valueHigh: number;
};

/** RDMSR or WRMSR. */
export type MsrExit = Exit<"msr"> & {
  readonly write: boolean;
};

/** A write of CR0, CR3 or CR4, or a read of CR3. */
export type ControlRegisterExit = Exit<"controlRegister"> & {
  readonly register: 0 | 3 | 4;
  readonly write: boolean;
  readonly value: number;
};

/** A task switch in hardware has loaded CR3; the new task's first instruction comes next. */
export type TaskSwitchExit = Exit<"taskSwitch">;

/** A task switch in hardware is about to begin, to the TSS of that selector. */
export type TaskSwitchAttemptExit = Exit<"taskSwitchAttempt"> & { readonly selector: number };

/** An exception that the monitor wants to see; the guest gets it when the CPU performs what has raised it. */
export type ExceptionExit = Exit<"exception"> & {
  readonly vector: number;
  /** -1 if there is none. */
  readonly errorCode: number;
};

/** A non-maskable interrupt can be taken now. */
export type NmiWindowExit = Exit<"nmiWindow">;
/** Instructions that leave by exit controls; the CPU performs them. */
export type RdtscExit = Exit<"rdtsc">;
export type RdpmcExit = Exit<"rdpmc">;
export type WbinvdExit = Exit<"wbinvd">;
export type PauseExit = Exit<"pause">;
/** MOV to or from a debug register. */
export type DebugRegisterExit = Exit<"debugRegister"> & {
  readonly register: number;
  readonly write: boolean;
};
/** Load or store of GDTR, IDTR, LDTR or TR (0 to 3). */
export type DescriptorTableExit = Exit<"descriptorTable"> & {
  readonly register: number;
  readonly write: boolean;
};

export type InvlpgExit = Exit<"invlpg"> & { readonly gva: Gva };

/** Cpu → Switcher: the physical CPU has left guest code. Discriminated by `reason`; a message of its own for each exit. */
export type CpuExit =
  | BudgetExit
  | KickedExit
  | AsleepExit
  | InterruptWindowExit
  | HltExit
  | CoprocessorErrorExit
  | CpuidExit
  | TripleFaultExit
  | PageFaultExit
  | MmioExit
  | IoExit
  | ApicExit
  | MsrExit
  | ControlRegisterExit
  | TaskSwitchExit
  | TaskSwitchAttemptExit
  | ExceptionExit
  | NmiWindowExit
  | RdtscExit
  | RdpmcExit
  | WbinvdExit
  | PauseExit
  | DebugRegisterExit
  | DescriptorTableExit
  | InvlpgExit;

export type CpuMessage = CpuEnter | CpuHalt | CpuRun | CpuKick | CpuExit;
