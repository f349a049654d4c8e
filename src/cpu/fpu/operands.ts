import { DE, IE } from "./flags.ts";
import {
  copy,
  EXPONENT,
  type Float80,
  isNan,
  Kind,
  kindOf,
  QUIET_BIT,
  SIGN,
  setIndefinite,
} from "./float80.ts";
import type { Environment, Unpacked } from "./rounding.ts";
import { normalise, normalised } from "./significand.ts";

export function invalid(env: Environment, out: Float80): void {
  env.flags |= IE;
  setIndefinite(out);
}

function quieted(env: Environment, x: Float80, out: Float80): void {
  if ((x.hi & QUIET_BIT) === 0) env.flags |= IE;
  copy(out, x);
  out.hi |= QUIET_BIT;
}

/**
 * NaN rules for two operands (SDM vol. 1, table 4-7): a quiet NaN wins over a signalling one, of two of a kind the one with the larger
 * significand, of equal ones the positive; signalling NaNs are quieted and raise invalid. Unsupported formats
 * are invalid. Returns true when that decided the result.
 */
export function propagateNan(env: Environment, a: Float80, b: Float80, out: Float80): boolean {
  const ea = a.se & EXPONENT;
  const eb = b.se & EXPONENT;
  if ((ea !== 0 && a.hi >= 0) || (eb !== 0 && b.hi >= 0)) {
    invalid(env, out);
    return true;
  }
  const nanA = ea === EXPONENT && isNan(a);
  const nanB = eb === EXPONENT && isNan(b);
  if (!nanA && !nanB) return false;
  if (!nanB) quieted(env, a, out);
  else if (!nanA) quieted(env, b, out);
  else {
    const quietA = (a.hi & QUIET_BIT) !== 0;
    const quietB = (b.hi & QUIET_BIT) !== 0;
    if (!quietA || !quietB) env.flags |= IE;
    let takeA: boolean;
    if (quietA !== quietB) takeA = quietA;
    else if (a.hi !== b.hi) takeA = a.hi >>> 0 > b.hi >>> 0;
    else if (a.lo !== b.lo) takeA = a.lo >>> 0 > b.lo >>> 0;
    else takeA = (a.se & SIGN) === 0;
    quieted(env, takeA ? a : b, out);
  }
  return true;
}

/** The same for the one operand of a unary operation. */
export function propagateNanUnary(env: Environment, a: Float80, out: Float80): boolean {
  switch (kindOf(a)) {
    case Kind.unsupported:
      invalid(env, out);
      return true;
    case Kind.quietNan:
    case Kind.signallingNan:
      quieted(env, a, out);
      return true;
    default:
      return false;
  }
}

/** Unpacks a zero, denormal or normal; a denormal is normalised (exponent then 0 or less) and raises the denormal exception. */
export function unpack(env: Environment, x: Float80, into: Unpacked): Unpacked {
  into.sign = x.se & SIGN;
  const exp = x.se & EXPONENT;
  if (exp === 0 && (x.hi | x.lo) !== 0) {
    env.flags |= DE;
    normalise(x.hi, x.lo, 0);
    into.exp = 1 - normalised.shift;
    into.hi = normalised.hi;
    into.lo = normalised.lo;
    return into;
  }
  into.exp = exp;
  into.hi = x.hi;
  into.lo = x.lo;
  return into;
}

/** Raises the denormal exception if `x` is one. */
export function noteDenormal(env: Environment, x: Float80): void {
  if ((x.se & EXPONENT) === 0 && (x.hi | x.lo) !== 0) env.flags |= DE;
}

export function unpacked(): Unpacked {
  return { sign: 0, exp: 0, hi: 0, lo: 0 };
}

export function isZero(x: Float80): boolean {
  return (x.hi | x.lo) === 0 && (x.se & EXPONENT) === 0;
}

/** True for an infinity; the operand is known not to be a NaN or unsupported. */
export function isInfinity(x: Float80): boolean {
  return (x.se & EXPONENT) === EXPONENT;
}

/** The 64-bit significand as a BigInt (rare operations only). */
export function significand(x: { readonly hi: number; readonly lo: number }): bigint {
  return (BigInt(x.hi >>> 0) << 32n) | BigInt(x.lo >>> 0);
}
