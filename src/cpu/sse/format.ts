import { EXPONENT, type Float80, INTEGER_BIT, set } from "../fpu/float80.ts";
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

/** `x` in 80 bits, exactly; a denormal becomes a normal number. `x` is not a NaN. */
export function widen(format: Format, x: Bits, out: Float80): void {
  const sign = topOf(format, x) < 0 ? 0x8000 : 0;
  let exp = exponentOf(format, x);
  let hi = format.double ? ((x.hi & 0xfffff) << 11) | (x.lo >>> 21) : (x.lo & 0x7fffff) << 8;
  let lo = format.double ? x.lo << 11 : 0;
  if (exp === format.infinity) {
    set(out, sign | EXPONENT, INTEGER_BIT, 0);
    return;
  }
  if (exp !== 0) {
    set(out, sign | (exp + format.rebias), hi | INTEGER_BIT, lo);
    return;
  }
  if ((hi | lo) === 0) {
    set(out, sign, 0, 0);
    return;
  }
  exp = 1;
  if (hi === 0) {
    hi = lo;
    lo = 0;
    exp -= 32;
  }
  const shift = Math.clz32(hi);
  if (shift > 0) {
    hi = (hi << shift) | (lo >>> (32 - shift));
    lo <<= shift;
  }
  set(out, sign | (exp - shift + format.rebias), hi, lo);
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
