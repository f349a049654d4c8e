import type { ExitIntercepts, ExitRecord } from "./exit.ts";
import type { CpuState } from "./state.ts";

/** Exception vectors of IA-32. */
export const Vector = {
  DE: 0,
  DB: 1,
  NMI: 2,
  BP: 3,
  OF: 4,
  BR: 5,
  UD: 6,
  NM: 7,
  DF: 8,
  TS: 10,
  NP: 11,
  SS: 12,
  GP: 13,
  PF: 14,
  MF: 16,
  AC: 17,
  XM: 19,
} as const;

/** Thrown (one reused object per CPU, no stack captured) when the running instruction raises a processor exception. */
export interface GuestFault {
  readonly kind: "guest-fault";
  vector: number;
  /** -1 when the exception pushes none. */
  errorCode: number;
  /** Linear address of a page fault; goes to CR2 when the fault is delivered. */
  address: number;
}

/** Thrown (one reused object per CPU) when the running instruction must leave the guest; the exit record is filled. */
export interface ExitSignal {
  readonly kind: "exit-signal";
}

/** What a helper tells the dispatcher. */
export const Outcome = {
  /** Retired; go on with the next instruction. */
  next: 0,
  /** Retired; EIP, CS or a mode has changed: look the next block up at state.eip. */
  jump: 1,
  /** Not retired, the exit record is filled: leave; the instruction will be begun anew (or skipped by the monitor). */
  exit: 2,
  /** Retired, state.eip is at the next instruction, the exit record is filled: leave. */
  retireAndExit: 3,
  /** Not retired and no exit: begin the instruction anew at state.eip (a repeated string instruction yielding between iterations). */
  again: 4,
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

/**
 * Memory as TypeScript helpers see it: linear addresses, through the TLB, the hardware walker, self-modifying-code
 * detection and MMIO, like the generated code. Any access may throw GuestFault or ExitSignal; then nothing was changed.
 * `supervisor` true makes an implicit supervisor access (descriptor tables, TSS, stack of the inner ring) whatever CPL is;
 * false means an access at CPL.
 */
export interface LinearMemory {
  read8(linear: number, supervisor: boolean): number;
  read16(linear: number, supervisor: boolean): number;
  /** Unsigned. */
  read32(linear: number, supervisor: boolean): number;
  write8(linear: number, value: number, supervisor: boolean): void;
  write16(linear: number, value: number, supervisor: boolean): void;
  write32(linear: number, value: number, supervisor: boolean): void;
  /** Throws what a write of these bytes would throw, changes nothing (but A and D bits). */
  probeWrite(linear: number, sizeBytes: number, supervisor: boolean): void;
  probeRead(linear: number, sizeBytes: number, supervisor: boolean): void;
  /** #AC where it is checked and an operand of the running instruction is not at a multiple of `bytes`: for those wider than the accesses above. */
  requireAligned(linear: number, bytes: number): void;
  /**
   * Byte index into the WebAssembly memory of a linear address if plain RAM may be accessed there directly (write: not code,
   * not MMIO), translating if need be; -1 where it may not and the single accesses above must be used. Valid to the end of the page.
   */
  direct(linear: number, write: boolean, supervisor: boolean): number;
}

/** The operation that a helper was called for: accessors over a decoded micro-operation. */
export interface HelperOp {
  readonly opcode: number;
  /** ModRM byte, -1 if none. */
  readonly modrm: number;
  /** ModRM.reg and ModRM.rm. */
  readonly reg: number;
  readonly rm: number;
  /** The r/m operand is in memory: at `segment`:`offset`. */
  readonly memory: boolean;
  readonly segment: number;
  readonly offset: number;
  /** The address is based on ESP (POP to memory computes it with ESP already incremented). */
  readonly baseIsEsp: boolean;
  readonly immediate: number;
  readonly immediate2: number;
  readonly operandSize: 16 | 32;
  readonly addressSize: 16 | 32;
  readonly rep: number;
  /** The line's mandatory prefix: 0 none, 0x66, 0xf2 or 0xf3. */
  readonly prefix: number;
  readonly length: number;
  /** EIP of the instruction after this one (not masked to 16 bits). */
  readonly nextEip: number;
}

/** Elements of a REP INS or OUTS that leave together: all in one page of plain memory, inside the segment's limits. */
export interface PortRun {
  /** Byte in the WebAssembly memory where the first one is. */
  readonly host: number;
  readonly size: 1 | 2 | 4;
  readonly count: number;
  /** ESI or EDI. */
  readonly index: number;
  readonly addressSize: 16 | 32;
}

/** What src/cpu/system needs of the CPU. `state.eip` is at the running instruction while a helper runs. */
export interface Core {
  readonly state: CpuState;
  readonly memory: LinearMemory;
  readonly exitRecord: ExitRecord;
  /** Bit set of ExitControl in force. */
  controls: number;
  readonly intercepts: ExitIntercepts;
  raise(vector: number, errorCode?: number): never;
  /** Fills reason, eip and length of the exit record; the helper fills the rest and returns Outcome.exit. */
  beginExit(reason: ExitRecord["reason"], op: HelperOp): ExitRecord;
  /** Throws the exit signal after the record was filled. */
  leave(): never;
  /** Exact number of instructions retired before the running one, since reset. */
  retiredBefore(): number;
  /** Time-stamp counter now, as [low, high] unsigned words. Virtual time; see VirtualTime. */
  timestamp(): readonly [number, number];
  /** Sets the time-stamp counter (WRMSR 0x10). */
  setTimestamp(low: number, high: number): void;
  /** What that has added to the counter since power-on, modulo 2^64. */
  timestampOffset(): readonly [number, number];
  /** Drops cached translations: all, or of one page. */
  flushTlbAll(): void;
  invalidatePage(linear: number): void;
  /**
   * After a load of CR3: drops all cached translations but global ones. Where a monitor's tables are walked, that CR3 is not the hardware's: what is to be
   * dropped then is the monitor's to say.
   */
  directoryLoaded(): void;
  /**
   * Latches the four PDPTEs at `cr3` into the register file (PAE paging). False, and nothing changed, when a present one has reserved
   * bits set: the caller raises #GP.
   */
  latchPdptes(cr3: number): boolean;
  /**
   * An access that the monitor answers (port input or output): returns true when the monitor has already answered this very access of
   * this very instruction, with the value read in `answerRead`; false after having filled the exit record, then return Outcome.exit.
   */
  portAccess(op: HelperOp, port: number, sizeBytes: number, write: boolean, value: number): boolean;
  /** After `portAccess` has filled the exit record for an element of a REP INS or OUTS: others may leave with it. */
  offerPortRun(run: PortRun): void;
  /** False: every element is to leave by itself, since something may come between it and the next one. */
  readonly portRunsAllowed: boolean;
  /** Value of the answered port read, zero-extended. */
  readonly answerRead: number;
  /**
   * RDMSR of a register that the local APIC keeps: its words. Throws ExitSignal until the monitor has answered for both of them.
   */
  apicRead(op: HelperOp, register: number): readonly [number, number];
  /** WRMSR of one. Throws ExitSignal until the APIC has been told. */
  apicWrite(op: HelperOp, register: number, low: number, high: number): void;
  /** A string iteration has completed: answered accesses before it are forgotten. */
  iterationDone(): void;
  readonly cpuid: CpuIdentity;
  /** The monitor lets the task switch happen that has left because of ExitControl.taskSwitch; true once. */
  taskSwitchAllowed: boolean;
  /** Breakpoints on instructions are enabled. */
  readonly breaksOnCode: boolean;
  /** The running instruction (or iteration) has met a breakpoint on data or ports: its trap comes as soon as that is done. */
  readonly breakpointMet: boolean;
  /** After a debug register or CR4.DE changed. */
  breakpointsChanged(): void;
}

/** CPUID leaves: eax, ebx, ecx, edx by leaf number; leaves above the maximum answer like the highest basic leaf. */
export interface CpuIdentity {
  leaf(eax: number, ecx: number): readonly [number, number, number, number];
  /** Leaf 1 EAX: family, model and stepping; EDX after reset. */
  readonly signature: number;
  /** Leaf 1 EDX. */
  readonly features: number;
  /** The same with a bit for each Generation reached: which opcodes there are. */
  readonly opcodes: number;
  /** Bits of CR0 that software can change; others keep their value. */
  readonly cr0Writable: number;
  /** Bits of CR0 that the processor does not have and that read as ones. */
  readonly cr0Ones: number;
  /** Bits of EFLAGS that software cannot set, though later processors have them. */
  readonly absentFlags: number;
  /** Leaf 1 ECX. */
  readonly features2: number;
  /** Leaf 8000_0001 EDX; 0 without extended leaves. */
  readonly extendedFeatures: number;
  /** Bits of EFER that software can set; 0: there is no EFER. */
  readonly efer: number;
  /** Leaf 7 EBX; 0 without that leaf. */
  readonly structuredFeatures: number;
  /** Leaf 7 ECX; 0 without that leaf. */
  readonly structuredFeatures2: number;
}

export type Helper = (core: Core, op: HelperOp) => Outcome;
