import { IE } from "./flags.ts";
import { BIAS, EXPONENT, type Float80, isNan, QUIET_BIT, SIGN, set } from "./float80.ts";
import { isInfinity, isZero } from "./operands.ts";
import { type Environment, rounded, roundToRange } from "./rounding.ts";
import { normalise, normalised } from "./significand.ts";

/** Result of the conversions to memory formats; `hi` unused by single precision. Unsigned words. */
export const stored = { hi: 0, lo: 0 };

const SINGLE_BIAS = 127;
const DOUBLE_BIAS = 1023;

/**
 * Single precision to 80 bits: exact; NaNs keep their kind (the user of the value raises what is due). Returns true when
 * the operand is denormal in its own format (its 80-bit form no longer shows it).
 */
export function fromSingle(word: number, out: Float80): boolean {
  const sign = (word >>> 16) & SIGN;
  const exp = (word >>> 23) & 0xff;
  const fraction = word & 0x7fffff;
  if (exp === 0xff) set(out, sign | EXPONENT, 0x80000000 | (fraction << 8), 0);
  else if (exp !== 0) set(out, sign | (exp + BIAS - SINGLE_BIAS), 0x80000000 | (fraction << 8), 0);
  else if (fraction === 0) set(out, sign, 0, 0);
  else {
    // 0.fraction × 2^-126, where bit 31 would be the integer bit.
    normalise(fraction << 8, 0, 0);
    set(out, sign | (BIAS - SINGLE_BIAS + 1 - normalised.shift), normalised.hi, 0);
    return true;
  }
  return false;
}

/** Double precision to 80 bits, likewise. */
export function fromDouble(high: number, low: number, out: Float80): boolean {
  const sign = (high >>> 16) & SIGN;
  const exp = (high >>> 20) & 0x7ff;
  const fraction = high & 0xfffff;
  const hi = (fraction << 11) | (low >>> 21);
  const lo = low << 11;
  if (exp === 0x7ff) set(out, sign | EXPONENT, 0x80000000 | hi, lo);
  else if (exp !== 0) set(out, sign | (exp + BIAS - DOUBLE_BIAS), 0x80000000 | hi, lo);
  else if ((fraction | low) === 0) set(out, sign, 0, 0);
  else {
    // 0.hi:lo × 2^-1022, where bit 63 would be the integer bit.
    normalise(hi, lo, 0);
    set(out, sign | (BIAS - DOUBLE_BIAS + 1 - normalised.shift), normalised.hi, normalised.lo);
    return true;
  }
  return false;
}

/** FST m32fp: rounds into `stored.lo`. */
export function toSingle(env: Environment, a: Float80): void {
  const sign = a.se & SIGN;
  const signBit = sign << 16;
  if ((a.se & EXPONENT) !== 0 && a.hi >= 0) {
    env.flags |= IE;
    stored.lo = 0xffc00000;
  } else if (isNan(a)) {
    if ((a.hi & QUIET_BIT) === 0) env.flags |= IE;
    stored.lo = (signBit | 0x7fc00000 | ((a.hi >>> 8) & 0x3fffff)) >>> 0;
  } else if (isInfinity(a)) stored.lo = (signBit | 0x7f800000) >>> 0;
  else if (isZero(a)) stored.lo = signBit >>> 0;
  else {
    narrow(env, a, SINGLE_BIAS, 24, 0xff);
    stored.lo = (signBit | (rounded.exp << 23) | ((rounded.hi >>> 8) & 0x7fffff)) >>> 0;
  }
}

/** FST m64fp: rounds into `stored`. */
export function toDouble(env: Environment, a: Float80): void {
  const sign = a.se & SIGN;
  const signBit = sign << 16;
  stored.lo = 0;
  if ((a.se & EXPONENT) !== 0 && a.hi >= 0) {
    env.flags |= IE;
    stored.hi = 0xfff80000;
  } else if (isNan(a)) {
    if ((a.hi & QUIET_BIT) === 0) env.flags |= IE;
    stored.hi = (signBit | 0x7ff80000 | ((a.hi >>> 11) & 0x7ffff)) >>> 0;
    stored.lo = ((a.hi << 21) | (a.lo >>> 11)) >>> 0;
  } else if (isInfinity(a)) stored.hi = (signBit | 0x7ff00000) >>> 0;
  else if (isZero(a)) stored.hi = signBit >>> 0;
  else {
    narrow(env, a, DOUBLE_BIAS, 53, 0x7ff);
    stored.hi = (signBit | (rounded.exp << 20) | ((rounded.hi >>> 11) & 0xfffff)) >>> 0;
    stored.lo = ((rounded.hi << 21) | (rounded.lo >>> 11)) >>> 0;
  }
}

/** A denormal 80-bit value is far below either format, so it need not be normalised first: it only leaves a sticky bit. */
function narrow(env: Environment, a: Float80, bias: number, precision: 24 | 53, infinity: number): void {
  roundToRange(env, a.se & SIGN, (a.se & EXPONENT) - BIAS + bias, a.hi, a.lo, 0, precision, infinity, 0);
}
