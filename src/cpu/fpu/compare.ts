import { C0, C2, C3, DE, IE } from "./flags.ts";
import { EXPONENT, type Float80, isNan, QUIET_BIT, SIGN } from "./float80.ts";
import { isZero } from "./operands.ts";
import type { Environment } from "./rounding.ts";

/** Outcome of a comparison as condition-code bits of the status word. */
export const Order = { greater: 0, less: C0, equal: C3, unordered: C0 | C2 | C3 } as const;

function unsupported(x: Float80): boolean {
  return (x.se & EXPONENT) !== 0 && x.hi >= 0;
}

/** FCOM, FTST, FCOMI: any NaN is invalid. Returns condition-code bits. */
export function compareOrdered(env: Environment, a: Float80, b: Float80): number {
  if (unsupported(a) || unsupported(b) || isNan(a) || isNan(b)) {
    env.flags |= IE;
    return Order.unordered;
  }
  return compareNumbers(env, a, b);
}

/** FUCOM, FUCOMI: quiet NaNs are merely unordered. */
export function compareUnordered(env: Environment, a: Float80, b: Float80): number {
  if (unsupported(a) || unsupported(b)) {
    env.flags |= IE;
    return Order.unordered;
  }
  const nanA = isNan(a);
  const nanB = isNan(b);
  if (nanA || nanB) {
    if ((nanA && (a.hi & QUIET_BIT) === 0) || (nanB && (b.hi & QUIET_BIT) === 0)) env.flags |= IE;
    return Order.unordered;
  }
  return compareNumbers(env, a, b);
}

function compareNumbers(env: Environment, a: Float80, b: Float80): number {
  const zeroA = isZero(a);
  const zeroB = isZero(b);
  let expA = a.se & EXPONENT;
  let expB = b.se & EXPONENT;
  if ((expA === 0 && !zeroA) || (expB === 0 && !zeroB)) env.flags |= DE;
  if (zeroA && zeroB) return Order.equal;
  const signA = a.se & SIGN;
  if (signA !== (b.se & SIGN)) return signA ? Order.less : Order.greater;
  // Exponent 0 weighs like exponent 1: only the integer bit differs.
  if (expA === 0) expA = 1;
  if (expB === 0) expB = 1;
  if (zeroA || zeroB) return zeroA === (signA === 0) ? Order.less : Order.greater;
  let larger: boolean;
  if (expA !== expB) larger = expA > expB;
  else if (a.hi !== b.hi) larger = a.hi >>> 0 > b.hi >>> 0;
  else if (a.lo !== b.lo) larger = a.lo >>> 0 > b.lo >>> 0;
  else return Order.equal;
  return larger === (signA === 0) ? Order.greater : Order.less;
}
