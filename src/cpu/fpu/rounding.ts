import { C1, OE, PE, Rounding, UE } from "./flags.ts";
import { BIAS, EXPONENT, type Float80, INTEGER_BIT, SIGN, set } from "./float80.ts";
import { normalise, normalised, shifted, shiftRightJam } from "./significand.ts";

/** Significand bits of the three precision-control settings and of the memory formats. */
export type Precision = 24 | 53 | 64;

/**
 * A format narrower than 80 bits, with exponents of its own. `infinity`: its largest biased exponent; `rebias`: 16383 less its bias.
 * An unmasked overflow or underflow leaves nothing to store, only flags (PE: inexact even with unbounded exponents). A result is left with an 80-bit exponent all the same: `rebias` plus that of the target, the integer bit clear in a denormal.
 */
export interface Target {
  readonly precision: Precision;
  readonly infinity: number;
  readonly rebias: number;
}

/** What the control word demands of one operation, and the exceptions that the operation met (status-word bits, C1 = rounded up). */
export class Environment {
  rounding: Rounding = Rounding.nearest;
  precision: Precision = 64;
  /** Exception masks: 1 = masked. */
  masks = 0x3f;
  flags = 0;
  /** The narrower format that results are rounded to; null: the 80-bit one. Never set by the x87 unit. */
  target: Target | null = null;
  /** The last result rounded to a target was tiny. */
  tiny = false;

  /** Prepares for one operation under a control word. */
  begin(control: number): void {
    const precision = (control >>> 8) & 3;
    this.rounding = ((control >>> 10) & 3) as Rounding;
    this.precision = precision === 0 ? 24 : precision === 2 ? 53 : 64;
    this.masks = control & 0x3f;
    this.flags = 0;
  }
}

/** A normalised operand: value = 1.significand × 2^(exp - 16383), or zero when both words are. */
export interface Unpacked {
  sign: number;
  exp: number;
  hi: number;
  lo: number;
}

/** Result of `roundSignificand`. */
let roundedHi = 0;
let roundedLo = 0;
let roundedUp = false;
let inexact = false;
let carried = false;

function roundSignificand(
  mode: Rounding,
  precision: Precision,
  sign: number,
  hi: number,
  lo: number,
  ext: number,
): void {
  let guard: number;
  let rest: number;
  let odd: number;
  if (precision === 64) {
    guard = ext >>> 31;
    rest = ext & 0x7fffffff;
    odd = lo & 1;
  } else if (precision === 53) {
    guard = (lo >>> 10) & 1;
    rest = (lo & 0x3ff) | ext;
    lo &= ~0x7ff;
    odd = (lo >>> 11) & 1;
  } else {
    guard = (hi >>> 7) & 1;
    rest = (hi & 0x7f) | lo | ext;
    hi &= ~0xff;
    lo = 0;
    odd = (hi >>> 8) & 1;
  }
  inexact = (guard | rest) !== 0;
  if (mode === Rounding.nearest) roundedUp = guard !== 0 && (rest !== 0 || odd !== 0);
  else if (mode === Rounding.zero) roundedUp = false;
  else roundedUp = inexact && (mode === Rounding.down) === (sign !== 0);
  carried = false;
  if (roundedUp) {
    if (precision === 24) {
      hi = (hi + 0x100) | 0;
      carried = hi === 0;
    } else {
      lo = (lo + (precision === 64 ? 1 : 0x800)) | 0;
      if (lo === 0) {
        hi = (hi + 1) | 0;
        carried = hi === 0;
      }
    }
    if (carried) hi = INTEGER_BIT;
  }
  roundedHi = hi;
  roundedLo = lo;
}

/** Result of `roundToRange`: biased exponent in the target's bias and the (left-aligned) significand. */
export const rounded = { exp: 0, hi: 0, lo: 0, tiny: false };

/**
 * Rounds a normalised significand to `precision` bits within exponents 1..infinity-1 (biased for the target format), with
 * gradual underflow, and raises overflow, underflow and precision exceptions. `wrap` is what an unmasked overflow or
 * underflow moves the exponent by (24576 for a register, SDM vol. 1, 8.5.4 and 8.5.5); 0 means a memory destination, to which
 * nothing is stored then and no inexactness reported.
 */
export function roundToRange(
  env: Environment,
  sign: number,
  exp: number,
  hi: number,
  lo: number,
  ext: number,
  precision: Precision,
  infinity: number,
  wrap: number,
): void {
  roundSignificand(env.rounding, precision, sign, hi, lo, ext);
  let result = carried ? exp + 1 : exp;
  rounded.tiny = result <= 0;
  if (result >= infinity) {
    if ((env.masks & OE) === 0) {
      env.flags |= OE;
      if (wrap === 0) return;
      result -= wrap;
      if (result >= infinity) {
        // Massive overflow (FSCALE): out of range even after the adjustment.
        result = infinity;
        roundedHi = INTEGER_BIT;
        roundedLo = 0;
        inexact = true;
        roundedUp = true;
      }
    } else {
      env.flags |= OE;
      inexact = true;
      roundedUp =
        env.rounding === Rounding.nearest ||
        (env.rounding !== Rounding.zero && (env.rounding === Rounding.down) === (sign !== 0));
      if (roundedUp) {
        result = infinity;
        roundedHi = INTEGER_BIT;
        roundedLo = 0;
      } else {
        result = infinity - 1;
        roundedHi = precision === 24 ? 0xffffff00 | 0 : -1;
        roundedLo = precision === 24 ? 0 : precision === 53 ? 0xfffff800 | 0 : -1;
      }
    }
  } else if (exp <= 0) {
    // Tininess is judged after rounding, as if the exponent had no bound.
    const tiny = result <= 0;
    if (tiny && (env.masks & UE) === 0) {
      env.flags |= UE;
      if (wrap === 0) return;
      result += wrap;
      if (result <= 0) {
        result = 0;
        roundedHi = 0;
        roundedLo = 0;
        inexact = true;
        roundedUp = false;
      }
    } else {
      shiftRightJam(hi, lo, ext, 1 - exp);
      roundSignificand(env.rounding, precision, sign, shifted.hi, shifted.lo, shifted.ext);
      result = roundedHi < 0 ? 1 : 0;
      if (tiny && inexact) env.flags |= UE;
    }
  }
  if (inexact) env.flags |= PE;
  if (roundedUp) env.flags |= C1;
  rounded.exp = result;
  rounded.hi = roundedHi;
  rounded.lo = roundedLo;
}

const WRAP = 24576;

/** Rounds to `precision` and packs as an 80-bit value. `hi` has its integer bit set; `exp` may be any integer. */
export function roundPack(
  env: Environment,
  sign: number,
  exp: number,
  hi: number,
  lo: number,
  ext: number,
  precision: Precision,
  out: Float80,
): void {
  if (env.target !== null) {
    roundToTarget(env, env.target, sign, exp, hi, lo, ext, out);
    return;
  }
  roundToRange(env, sign, exp, hi, lo, ext, precision, EXPONENT, WRAP);
  set(out, (sign ? SIGN : 0) | rounded.exp, rounded.hi, rounded.lo);
}

function roundToTarget(
  env: Environment,
  { precision, infinity, rebias }: Target,
  sign: number,
  exp: number,
  hi: number,
  lo: number,
  ext: number,
  out: Float80,
): void {
  roundToRange(env, sign, exp - rebias, hi, lo, ext, precision, infinity, WRAP);
  env.tiny = rounded.tiny;
  const wide = rounded.exp === infinity ? EXPONENT : rounded.exp + rebias;
  set(out, (sign ? SIGN : 0) | wide, rounded.hi, rounded.lo);
}

/** Like `roundPack` at 64 bits, for a significand with any number of leading zeros (not zero); `exp` is that of bit 63. */
export function normalisePack(
  env: Environment,
  sign: number,
  exp: number,
  hi: number,
  lo: number,
  out: Float80,
): void {
  normalise(hi, lo, 0);
  roundPack(env, sign, exp - normalised.shift, normalised.hi, normalised.lo, 0, 64, out);
}

/** value = magnitude × 2^scale, magnitude > 0. `exact` false: the true value is not quite that, so the result is inexact. */
export function roundBig(
  env: Environment,
  sign: number,
  magnitude: bigint,
  scale: number,
  exact: boolean,
  out: Float80,
): void {
  const bits = bitLength(magnitude);
  const drop = bits - 96;
  const top = drop >= 0 ? magnitude >> BigInt(drop) : magnitude << BigInt(-drop);
  let ext = Number(top & 0xffffffffn) | 0;
  if (!exact || (drop > 0 && top << BigInt(drop) !== magnitude)) ext |= 1;
  const lo = Number((top >> 32n) & 0xffffffffn) | 0;
  const hi = Number(top >> 64n) | 0;
  roundPack(env, sign, BIAS + scale + bits - 1, hi, lo, ext, 64, out);
}

export function bitLength(value: bigint): number {
  if (value === 0n) return 0;
  const digits = value.toString(16);
  return digits.length * 4 - (Math.clz32(Number.parseInt(digits[0] as string, 16)) - 28);
}
