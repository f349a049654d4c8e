/** Instruction tests recorded on real processors, in the form of the SingleStepTests collections: state before, state after. */

/** Registers by the names that the files use: `ax` … `ip`, `flags` of 16-bit processors, `eax` … `eip`, `eflags`, `cr0`, `dr6` of 32-bit ones. */
export type RecordedRegisters = Readonly<Record<string, number>>;

export interface RecordedState {
  /** Before: all of them. After: those that have changed. */
  readonly registers: RecordedRegisters;
  /** Pairs of a physical address and a byte. */
  readonly memory: readonly (readonly [address: number, byte: number])[];
}

export interface RecordedCase {
  readonly index: number;
  /** The instruction, disassembled. */
  readonly name: string;
  readonly bytes: readonly number[];
  readonly before: RecordedState;
  readonly after: RecordedState;
  /** What of the registers counts, for this case alone. */
  readonly masks?: RecordedRegisters;
  /** An exception or interrupt: its vector, and the physical address of the flags that it has pushed. */
  readonly exception?: { readonly vector: number; readonly flagsAddress: number };
  /** Hexadecimal; names the case in lists of withdrawn ones. */
  readonly hash?: string;
}

/** Which processor a file was recorded on, as far as the comparison must know. */
export type RecordedCpu = "8086" | "80286" | "80386";

export interface RecordedFile {
  readonly cpu: RecordedCpu;
  /** As the file names it. */
  readonly cpuName: string;
  /** Every case ends with HLT: the instruction's own, the one behind it, or the first of the handler. Else after one instruction. */
  readonly untilHalt: boolean;
  readonly cases: readonly RecordedCase[];
  /** What of the registers counts, for all cases: bits that the instruction leaves undefined are 0. */
  readonly masks: RecordedRegisters;
}

/** The file cannot be read as what it says it is. The message is one line. */
export class CaseFileError extends Error {
  override readonly name = "CaseFileError";
}
