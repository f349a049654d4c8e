import { C1, IE, PE, Rounding } from "./flags.ts";
import { BIAS, copy, EXPONENT, type Float80, SIGN, set, setZero } from "./float80.ts";
import { isInfinity, isZero, noteDenormal, propagateNanUnary } from "./operands.ts";
import type { Environment } from "./rounding.ts";
import { normalise, normalised, shifted, shiftRightJam } from "./significand.ts";

/** Result of `roundMagnitude` and `toInteger`: unsigned words of the magnitude (or two's complement after `toInteger`). */
export const integer = { hi: 0, lo: 0 };

/** Rounds |x| < 2^64 (a number) to an integer magnitude in `integer`; raises PE and C1. False when it does not fit in 64 bits. */
function roundMagnitude(env: Environment, x: Float80): boolean {
  const power = (x.se & EXPONENT) - BIAS;
  if (power > 63) return false;
  shiftRightJam(x.hi, x.lo, 0, 63 - power);
  const inexact = shifted.ext !== 0;
  let up: boolean;
  if (env.rounding === Rounding.nearest)
    up = shifted.ext < 0 && ((shifted.ext & 0x7fffffff) !== 0 || (shifted.lo & 1) !== 0);
  else if (env.rounding === Rounding.zero) up = false;
  else up = inexact && (env.rounding === Rounding.down) === ((x.se & SIGN) !== 0);
  integer.hi = shifted.hi >>> 0;
  integer.lo = shifted.lo >>> 0;
  if (up) {
    integer.lo = (integer.lo + 1) >>> 0;
    if (integer.lo === 0) {
      integer.hi = (integer.hi + 1) >>> 0;
      if (integer.hi === 0) return false;
    }
  }
  if (inexact) env.flags |= PE;
  if (up) env.flags |= C1;
  return true;
}

/** FRNDINT. */
export function roundToIntegral(env: Environment, a: Float80, out: Float80): void {
  if (propagateNanUnary(env, a, out)) return;
  if (isZero(a) || (a.se & EXPONENT) >= BIAS + 63) {
    copy(out, a);
    return;
  }
  noteDenormal(env, a);
  const sign = a.se & SIGN;
  roundMagnitude(env, a); // below 2^63: always fits
  packExact(sign, integer.hi | 0, integer.lo | 0, out);
}

/** Converts to a two's complement integer of 16, 32 or 64 bits in `integer`; out of range is invalid and gives the integer indefinite. */
export function toInteger(env: Environment, a: Float80, bits: 16 | 32 | 64): void {
  const negative = (a.se & SIGN) !== 0;
  const unsupported = (a.se & EXPONENT) !== 0 && a.hi >= 0;
  let fits = !unsupported && !isInfinity(a) && roundMagnitude(env, a);
  if (fits) {
    const topHi = bits === 64 ? 0x80000000 : 0;
    const topLo = bits === 64 ? 0 : bits === 32 ? 0x80000000 : 0x8000;
    const above = integer.hi > topHi || (integer.hi === topHi && integer.lo > topLo);
    const at = integer.hi === topHi && integer.lo === topLo;
    fits = !above && (!at || negative);
  }
  if (!fits) {
    env.flags = (env.flags & ~(PE | C1)) | IE;
    integer.hi = bits === 64 ? 0x80000000 : 0;
    integer.lo = bits === 64 ? 0 : bits === 32 ? 0x80000000 : 0x8000;
    return;
  }
  if (negative) {
    integer.lo = -integer.lo >>> 0;
    integer.hi = (~integer.hi + (integer.lo === 0 ? 1 : 0)) >>> 0;
  }
}

/** A signed 16- or 32-bit integer as an 80-bit value (exact). */
export function fromInt32(value: number, out: Float80): void {
  packExact(value < 0 ? SIGN : 0, 0, value < 0 ? -value : value, out);
}

/** A signed 64-bit integer, as two words, as an 80-bit value (exact). */
export function fromInt64(hi: number, lo: number, out: Float80): void {
  const sign = hi < 0 ? SIGN : 0;
  if (sign) {
    lo = -lo | 0;
    hi = (~hi + (lo === 0 ? 1 : 0)) | 0;
  }
  packExact(sign, hi, lo, out);
}

/** A 64-bit magnitude as an 80-bit value (exact). */
export function packExact(sign: number, hi: number, lo: number, out: Float80): void {
  if ((hi | lo) === 0) {
    setZero(out, sign);
    return;
  }
  normalise(hi, lo, 0);
  set(out, sign | (BIAS + 63 - normalised.shift), normalised.hi, normalised.lo);
}
