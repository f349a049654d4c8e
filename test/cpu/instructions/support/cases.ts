/** Where the data words are while an instruction runs. */
export const DATA_ADDRESS = 0x10000000;
export const DATA_WORDS = 16;

/** Registers in encoding order, EFLAGS, and the words at DATA_ADDRESS. */
export interface Snapshot {
  readonly regs: readonly number[];
  readonly eflags: number;
  readonly data: readonly number[];
}

/** One instruction and what it meets. */
export interface InstructionCase extends Snapshot {
  readonly code: readonly number[];
}
