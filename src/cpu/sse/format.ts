import { EXPONENT, type Float80 } from "../fpu/float80.ts";
import { fromDouble, fromSingle } from "../fpu/narrow.ts";
import type { Target } from "../fpu/rounding.ts";

/** An operand or result as the bit pattern that is in the register, two int32 words; binary32 uses `lo` only. */
export interface Bits {
  lo: number;
  hi: number;
}

/** Binary32 or binary64, and what of a bit pattern is what. */
export interface Format extends Target {
  readonly double: boolean;
  readonly quiet: number;
  readonly indefinite: Bits;
}

export const SINGLE: Format = {
  double: false,
  precision: 24,
  infinity: 0xff,
  rebias: 16383 - 127,
  quiet: 0x400000,
  indefinite: { lo: 0xffc00000 | 0, hi: 0 },
};

export const DOUBLE: Format = {
  double: true,
  precision: 53,
  infinity: 0x7ff,
  rebias: 16383 - 1023,
  quiet: 0x80000,
  indefinite: { lo: 0, hi: 0xfff80000 | 0 },
};

/** The word that holds sign, exponent and the upper fraction. */
export function topOf(format: Format, x: Bits): number {
  return format.double ? x.hi : x.lo;
}

export function exponentOf(format: Format, x: Bits): number {
  return format.double ? (x.hi >>> 20) & 0x7ff : (x.lo >>> 23) & 0xff;
}

export function fractionIsZero(format: Format, x: Bits): boolean {
  return format.double ? ((x.hi & 0xfffff) | x.lo) === 0 : (x.lo & 0x7fffff) === 0;
}

export function isNan(format: Format, x: Bits): boolean {
  return exponentOf(format, x) === format.infinity && !fractionIsZero(format, x);
}

export function isSignalling(format: Format, x: Bits): boolean {
  return isNan(format, x) && (topOf(format, x) & format.quiet) === 0;
}

export function isDenormal(format: Format, x: Bits): boolean {
  return exponentOf(format, x) === 0 && !fractionIsZero(format, x);
}

/** `x` in 80 bits, exactly; a denormal becomes a normal number. */
export function widen(format: Format, x: Bits, out: Float80): void {
  if (format.double) fromDouble(x.hi, x.lo, out);
  else fromSingle(x.lo, out);
}

/** What `Environment.target` left in `x`, as a bit pattern. */
export function pack(format: Format, x: Float80, out: Bits): void {
  const wide = x.se & EXPONENT;
  const sign = (x.se & 0x8000) << 16;
  const exp = wide === EXPONENT ? format.infinity : (x.hi | x.lo) === 0 ? 0 : wide - format.rebias;
  const hi = x.hi & 0x7fffffff;
  if (format.double) {
    out.hi = sign | (exp << 20) | (hi >>> 11);
    out.lo = (hi << 21) | (x.lo >>> 11);
  } else {
    out.hi = 0;
    out.lo = sign | (exp << 23) | (hi >>> 8);
  }
}
