import { FX_BYTES, WINDOW } from "./memory-map.ts";

/** One instruction and all of the state that it is executed in. */
export interface Case {
  /** IA-32 bytes, for a code segment of `codeBits` that begins at CODE (16) or 0 (32). */
  readonly code: readonly number[];
  readonly codeBits: 16 | 32;
  /** Linear address of the first byte behind the instruction. */
  readonly end: number;
  /** Encoding of 64-bit mode that does the same; undefined: only a 32-bit program can execute it. */
  readonly code64: readonly number[] | undefined;
  /** Base of ES, SS, DS, FS and GS. */
  readonly base: number;
  readonly regs: Uint32Array;
  readonly eflags: number;
  /** Linear addresses of the two windows, and what is in them. */
  readonly windows: readonly [number, number];
  readonly content: Uint8Array;
  readonly fx: Uint8Array;
  /** Linear address of the operand in memory, if there is one. */
  readonly operandAt: number;
  /** What of the floating-point state matters. */
  readonly kind: "integer" | "x87" | "mmx" | "sse";
}

export const CONTENT = 2 * WINDOW;

/** What the processor (or the engine) made of a case. */
export interface Outcome {
  /** Exception; 3 also where the code was run through. */
  vector: number;
  /** -1 where the oracle cannot tell. */
  errorCode: number;
  cr2: number;
  /** Linear. */
  eip: number;
  regs: Uint32Array;
  eflags: number;
  content: Uint8Array;
  fx: Uint8Array;
}

const INPUT_HEAD = 4 * (5 + 8 + 1);
const CODE_ROOM = 32;
export const INPUT_BYTES = INPUT_HEAD + CODE_ROOM + CONTENT + FX_BYTES;
export const OUTPUT_BYTES = 4 * 16 + CONTENT + FX_BYTES;

/** A case as harness.c reads it. */
export function writeInput(one: Case, code: readonly number[], into: DataView, at: number): void {
  const words = [one.end - code.length, code.length, one.base, ...one.windows, ...one.regs, one.eflags];
  words.forEach((word, n) => {
    into.setUint32(at + 4 * n, word, true);
  });
  const bytes = new Uint8Array(into.buffer, into.byteOffset + at, INPUT_BYTES);
  bytes.set(code, INPUT_HEAD);
  bytes.set(one.content, INPUT_HEAD + CODE_ROOM);
  bytes.set(one.fx, INPUT_HEAD + CODE_ROOM + CONTENT);
}

/** Of a kernel that tells no exception: by signal and its reason, of which only these can come. */
function vectorOf(signal: number, reason: number, opcode: number): number {
  switch (signal) {
    case 8:
      return 0;
    case 4:
      return 6;
    case 5:
      return 3;
    case 11:
      if (reason === 1 || reason === 2) return 14;
      // INTO and BOUND.
      return opcode === 0xce ? 4 : opcode === 0x62 ? 5 : 13;
    default:
      throw new Error(`signal ${signal} of reason ${reason}`);
  }
}

const PREFIXES = new Set([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3]);
const opcodeOf = (code: readonly number[]): number => code.find((byte) => !PREFIXES.has(byte)) ?? 0;

export function readOutput(one: Case, code: readonly number[], from: DataView, at: number): Outcome {
  const word = (n: number) => from.getUint32(at + 4 * n, true);
  const [eflags, eip, trap, error, address, upper, signal, reason] = [8, 9, 10, 11, 12, 13, 14, 15].map(
    word,
  ) as [number, number, number, number, number, number, number, number];
  if (upper !== 0)
    throw new Error(`upper halves of registers were written by ${code.map((b) => b.toString(16)).join(" ")}`);
  const vector = trap === 0xffffffff ? vectorOf(signal, reason, opcodeOf(code)) : trap;
  const start = one.end - one.code.length;
  const tail = at + 64;
  const copy = (offset: number, length: number) =>
    Uint8Array.from(new Uint8Array(from.buffer, from.byteOffset + offset, length));
  return {
    vector,
    errorCode: vector === 14 || vector === 13 ? error : 0,
    cr2: vector === 14 ? address : 0,
    eip: eip === one.end - code.length ? start : eip,
    regs: Uint32Array.from({ length: 8 }, (_, n) => word(n)),
    eflags,
    content: copy(tail, CONTENT),
    fx: copy(tail + CONTENT, FX_BYTES),
  };
}
