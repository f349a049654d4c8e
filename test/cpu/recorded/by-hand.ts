import { type Case, CONTENT, type Outcome as Full } from "./case.ts";
import { CODE as CODE_PAGE, FX_BYTES, HALF, windowAt } from "./memory-map.ts";
import { Replay as Engine } from "./replay.ts";

/** Single instructions on the engine, written by hand: code at CODE, data words at DATA. */

export const CODE = CODE_PAGE + 0x800;
export const DATA_WORDS = 16;
const WINDOW_AT = windowAt(2);
const DATA_OFFSET = HALF - 2 * DATA_WORDS;
export const DATA = WINDOW_AT + DATA_OFFSET;
/** Branches are to so many bytes after their instruction. */
const BRANCH = 14;

/** Registers in encoding order, EFLAGS, and the data words. */
export interface Snapshot {
  readonly regs: readonly number[];
  readonly eflags: number;
  readonly data: readonly number[];
}

export interface Outcome extends Snapshot {
  /** Of the exception, -1 if there was none. */
  readonly vector: number;
  /** The instruction is a branch, and was taken. */
  readonly taken: boolean;
}

const engine = new Engine();

export function runByHand(one: Snapshot & { readonly code: readonly number[] }): Outcome {
  const content = new Uint8Array(CONTENT);
  const words = Uint32Array.from(one.data);
  content.set(new Uint8Array(words.buffer), DATA_OFFSET);
  const end = CODE + one.code.length;
  const whole: Case = {
    code: one.code,
    codeBits: 32,
    end,
    code64: undefined,
    base: 0,
    regs: Uint32Array.from(one.regs),
    eflags: one.eflags,
    windows: [WINDOW_AT, windowAt(9)],
    content,
    fx: new Uint8Array(FX_BYTES),
    operandAt: 0,
    kind: "integer",
  };
  const outcome = engine.run(whole);
  const taken = ranInto(outcome, end + BRANCH);
  if (outcome.vector === 3 && !taken && !ranInto(outcome, end))
    throw new Error(`went to 0x${outcome.eip.toString(16)}`);
  return {
    vector: outcome.vector === 3 ? -1 : outcome.vector,
    taken,
    regs: [...outcome.regs],
    eflags: outcome.eflags,
    data: [...new Uint32Array(outcome.content.slice(DATA_OFFSET, DATA_OFFSET + 4 * DATA_WORDS).buffer)],
  };
}

/** Into the INT3 at an address. */
const ranInto = (outcome: Full, address: number): boolean =>
  outcome.vector === 3 && outcome.eip === address + 1;
