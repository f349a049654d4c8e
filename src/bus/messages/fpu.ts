/** Switcher → Coprocessor: an instruction of that vcpu waits for an unmasked x87 error, and CR0.NE is clear. */
export interface FpuError {
  readonly type: "fpu.error";
  readonly vcpu: number;
  /** FERR# has risen for it; else it is the error of before, found again. */
  readonly fresh: boolean;
}

/** Coprocessor → Switcher: IGNNE# is not asserted, the processor stands still before the instruction until an interrupt comes. */
export interface FpuFrozen {
  readonly type: "fpu.frozen";
  readonly vcpu: number;
}

/** Coprocessor → Switcher: IGNNE# is asserted, the instruction is executed in spite of the error. */
export interface FpuIgnored {
  readonly type: "fpu.ignored";
  readonly vcpu: number;
}

export type FpuMessage = FpuError | FpuFrozen | FpuIgnored;
