import { add, subtract } from "../fpu/add.ts";
import { divide } from "../fpu/divide.ts";
import { DE, IE, OE, PE, type Rounding, UE, ZE } from "../fpu/flags.ts";
import { type Float80, float80 } from "../fpu/float80.ts";
import { multiply } from "../fpu/multiply.ts";
import { Environment } from "../fpu/rounding.ts";
import { squareRoot } from "../fpu/square-root.ts";
import {
  type Bits,
  exponentOf,
  type Format,
  fractionIsZero,
  isDenormal,
  isNan,
  isSignalling,
  pack,
  topOf,
  widen,
} from "./format.ts";
import { DAZ, FLAGS, FTZ, MASK_SHIFT, ROUNDING_SHIFT } from "./mxcsr.ts";

type Operation = (env: Environment, a: Float80, b: Float80, out: Float80) => void;

export const OPERATIONS: Record<"add" | "subtract" | "multiply" | "divide", Operation> = {
  add,
  subtract,
  multiply,
  divide,
};

/** Of the element under way. */
export const env = new Environment();
const A = float80();
const B = float80();
/** What an operation leaves for `finish`. */
export const OUT = float80();
const X: Bits = { lo: 0, hi: 0 };
const Y: Bits = { lo: 0, hi: 0 };

/** Copies an operand; a denormal becomes a zero of its sign under DAZ. */
export function take(format: Format, mxcsr: number, from: Bits, into: Bits): void {
  into.lo = from.lo;
  into.hi = from.hi;
  if ((mxcsr & DAZ) === 0 || !isDenormal(format, from)) return;
  const sign = topOf(format, from) & (0x80000000 | 0);
  into.lo = format.double ? 0 : sign;
  into.hi = format.double ? sign : 0;
}

export function quieted(format: Format, x: Bits, out: Bits): void {
  out.lo = format.double ? x.lo : x.lo | format.quiet;
  out.hi = format.double ? x.hi | format.quiet : 0;
}

export function begin(format: Format, mxcsr: number): void {
  env.rounding = ((mxcsr >>> ROUNDING_SHIFT) & 3) as Rounding;
  env.precision = format.precision;
  env.target = format;
  env.masks = (mxcsr >>> MASK_SHIFT) & FLAGS;
  env.flags = 0;
  env.tiny = false;
}

/** Underflow as MXCSR wants it, packing, and the flags. */
export function finish(format: Format, mxcsr: number, out: Bits): number {
  let flags = env.flags & FLAGS;
  if ((flags & IE) !== 0) {
    out.lo = format.indefinite.lo;
    out.hi = format.indefinite.hi;
    return IE;
  }
  if (flags & ZE) flags &= ~DE;
  if (env.tiny && mxcsr & FTZ && mxcsr & (UE << MASK_SHIFT)) {
    OUT.hi = 0;
    OUT.lo = 0;
    flags |= UE | PE;
  }
  pack(format, OUT, out);
  return flags;
}

/**
 * One element of ADD, SUB, MUL or DIV (SDM vol. 1, 11.5 and table 4-7 with the rule of SSE: of two NaNs the first operand's). Writes the
 * masked response to `out` (nothing meaningful where an exception is unmasked) and returns the exceptions met, as bits of MXCSR.
 */
export function binary(
  operation: Operation,
  format: Format,
  mxcsr: number,
  a: Bits,
  b: Bits,
  out: Bits,
): number {
  take(format, mxcsr, a, X);
  take(format, mxcsr, b, Y);
  const nanX = isNan(format, X);
  if (nanX || isNan(format, Y)) {
    const flags = isSignalling(format, X) || isSignalling(format, Y) ? IE : 0;
    quieted(format, nanX ? X : Y, out);
    return flags;
  }
  begin(format, mxcsr);
  if (isDenormal(format, X) || isDenormal(format, Y)) env.flags |= DE;
  widen(format, X, A);
  widen(format, Y, B);
  operation(env, A, B, OUT);
  return finish(format, mxcsr, out);
}

/** One element of SQRT; the same contract. */
export function root(format: Format, mxcsr: number, a: Bits, out: Bits): number {
  take(format, mxcsr, a, X);
  if (isNan(format, X)) {
    const flags = isSignalling(format, X) ? IE : 0;
    quieted(format, X, out);
    return flags;
  }
  begin(format, mxcsr);
  if (isDenormal(format, X)) env.flags |= DE;
  widen(format, X, A);
  squareRoot(env, A, OUT);
  return finish(format, mxcsr, out);
}

function isZero(format: Format, x: Bits): boolean {
  return exponentOf(format, x) === 0 && fractionIsZero(format, x);
}

/** -1, 0 or 1; neither is a NaN. */
export function order(format: Format, a: Bits, b: Bits): number {
  if (isZero(format, a) && isZero(format, b)) return 0;
  const negative = topOf(format, a) < 0;
  if (negative !== topOf(format, b) < 0) return negative ? -1 : 1;
  const upper = format.double ? Math.sign((a.hi >>> 0) - (b.hi >>> 0)) : 0;
  const magnitude = upper !== 0 ? upper : Math.sign((a.lo >>> 0) - (b.lo >>> 0));
  return negative ? -magnitude : magnitude;
}

/** One element of MIN (`less`) or MAX: the second operand unless the first is strictly on the wanted side; every NaN is invalid. */
export function extreme(format: Format, mxcsr: number, a: Bits, b: Bits, less: boolean, out: Bits): number {
  take(format, mxcsr, a, X);
  take(format, mxcsr, b, Y);
  let flags = 0;
  let first = false;
  if (isNan(format, X) || isNan(format, Y)) flags = IE;
  else {
    if (isDenormal(format, X) || isDenormal(format, Y)) flags = DE;
    first = order(format, X, Y) === (less ? -1 : 1);
  }
  const from = first ? X : Y;
  out.lo = from.lo;
  out.hi = format.double ? from.hi : 0;
  return flags;
}

/**
 * What an instruction does with the exceptions of its elements, or-ed: the flags that MXCSR gets, and whether it faults and leaves its
 * destination alone. An unmasked IE, DE or ZE is found before anything is computed, so OE, UE and PE do not show then.
 */
export function judge(mxcsr: number, flags: number): { readonly flags: number; readonly faults: boolean } {
  const unmasked = flags & ~(mxcsr >>> MASK_SHIFT) & FLAGS;
  const early = FLAGS & ~(OE | UE | PE);
  return { flags: unmasked & early ? flags & early : flags, faults: unmasked !== 0 };
}
