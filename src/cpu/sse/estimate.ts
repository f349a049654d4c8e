import { type Bits, isNan, SINGLE } from "./format.ts";

/**
 * RCPPS, RSQRTPS: estimates with a relative error of at most 1.5 × 2^-12 (SDM vol. 2). Ours are the exact value rounded to 12 bits behind the
 * point. Neither exceptions nor MXCSR: denormals count as zero, tiny results become zero.
 */

const float = new Float32Array(1);
const word = new Int32Array(float.buffer);
const SIGN = 0x80000000 | 0;
const INFINITY = 0x7f800000;
const QUIET = 0x400000;
/** Bits of a fraction that are rounded away. */
const DROPPED = 11;
const INDEFINITE = 0xffc00000 | 0;

function rounded(value: number): number {
  float[0] = value;
  const bits = word[0] as number;
  const short = (bits + (1 << (DROPPED - 1))) & ~((1 << DROPPED) - 1);
  return (short & INFINITY) === 0 ? bits & SIGN : short;
}

const isTiny = (bits: number): boolean => (bits & INFINITY) === 0;

function numberOf(bits: number): number {
  word[0] = bits;
  return float[0] as number;
}

/** RCPSS. */
export function reciprocal(a: Bits, out: Bits): void {
  if (isNan(SINGLE, a)) out.lo = a.lo | QUIET;
  else if (isTiny(a.lo)) out.lo = (a.lo & SIGN) | INFINITY;
  else out.lo = rounded(1 / numberOf(a.lo));
}

/** RSQRTSS. */
export function reciprocalRoot(a: Bits, out: Bits): void {
  if (isNan(SINGLE, a)) out.lo = a.lo | QUIET;
  else if (isTiny(a.lo)) out.lo = (a.lo & SIGN) | INFINITY;
  else if (a.lo < 0) out.lo = INDEFINITE;
  else out.lo = rounded(1 / Math.sqrt(numberOf(a.lo)));
}
