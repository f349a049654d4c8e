/** Stretches of code, and what becomes of them. */

/** Both areas lie half in one page and half in the next. */
export const DATA = 0x10000f80;
export const STACK = 0x10003f80;
export const WORDS = 64;
/** Code lies in these two pages. */
export const CODE_AREA = 0x10010000;

/** Registers in encoding order, EFLAGS, and the words at DATA and at STACK. */
export interface Snapshot {
  readonly regs: readonly number[];
  readonly eflags: number;
  readonly data: Uint32Array;
  readonly stack: Uint32Array;
}

export interface Stretch extends Snapshot {
  readonly origin: number;
  readonly code: Uint8Array;
}

export interface Outcome extends Snapshot {
  /** 0, or the signal that an instruction caused: 8 SIGFPE, 4 SIGILL, 11 SIGSEGV, 5 SIGTRAP. */
  readonly signal: number;
  /** Where it ended: behind the code, or at the instruction that caused the signal. */
  readonly eip: number;
}

const HEAD_WORDS = 2 + 8 + 1;
/** Words of an outcome, from the program and in the file. */
export const OUTCOME_WORDS = HEAD_WORDS + 2 * WORDS;

/** Stretches as stretches.c reads them. */
export function inputOf(stretches: readonly Stretch[]): Uint8Array {
  const words = stretches.reduce((sum, { code }) => sum + 2 + ((code.length + 3) >> 2) + 9 + 2 * WORDS, 0);
  const input = new Uint32Array(words);
  const bytes = new Uint8Array(input.buffer);
  let at = 0;
  for (const one of stretches) {
    input[at] = one.origin;
    input[at + 1] = one.code.length;
    bytes.set(one.code, (at + 2) * 4);
    at += 2 + ((one.code.length + 3) >> 2);
    input.set(one.regs, at);
    input[at + 8] = one.eflags;
    input.set(one.data, at + 9);
    input.set(one.stack, at + 9 + WORDS);
    at += 9 + 2 * WORDS;
  }
  return bytes;
}

export function outcomeAt(words: Uint32Array, n: number): Outcome {
  const from = n * OUTCOME_WORDS;
  const memory = from + HEAD_WORDS;
  return {
    signal: words[from] as number,
    eip: words[from + 1] as number,
    regs: [...words.subarray(from + 2, from + 10)],
    eflags: words[from + 10] as number,
    data: words.slice(memory, memory + WORDS),
    stack: words.slice(memory + WORDS, memory + 2 * WORDS),
  };
}

/** XORs the memory in outcomes with what it was before, so that it is nearly all zeros; done again, it is there again. */
export function toggleMemory(words: Uint32Array, stretches: readonly Stretch[]): void {
  stretches.forEach((one, n) => {
    const memory = n * OUTCOME_WORDS + HEAD_WORDS;
    for (let k = 0; k < WORDS; k++) {
      words[memory + k] = (words[memory + k] as number) ^ (one.data[k] as number);
      words[memory + WORDS + k] = (words[memory + WORDS + k] as number) ^ (one.stack[k] as number);
    }
  });
}
