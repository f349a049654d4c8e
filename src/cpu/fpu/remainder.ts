import { C0, C1, C2, C3 } from "./flags.ts";
import { copy, type Float80, setZero } from "./float80.ts";
import { invalid, isInfinity, isZero, noteDenormal, propagateNan, unpack, unpacked } from "./operands.ts";
import { type Environment, normalisePack } from "./rounding.ts";

const X = unpacked();
const Y = unpacked();
/** Instead of condition codes when the result is a NaN: C2 is cleared, C0 and C3 stay. */
export const NO_QUOTIENT = -1;

/**
 * FPREM (`nearest` quotient false: truncated) and FPREM1 (true: IEEE). out = a - b × q. Returns the condition codes: C2 when
 * only a partial reduction was done, else the low quotient bits in C0 (bit 2), C3 (bit 1) and C1 (bit 0); or NO_QUOTIENT.
 */
export function partialRemainder(
  env: Environment,
  a: Float80,
  b: Float80,
  nearest: boolean,
  out: Float80,
): number {
  if (propagateNan(env, a, b, out)) return NO_QUOTIENT;
  if (isInfinity(a) || isZero(b)) {
    invalid(env, out);
    return NO_QUOTIENT;
  }
  if (isInfinity(b)) {
    noteDenormal(env, a);
    return keep(env, a, out);
  }
  const x = unpack(env, a, X);
  const y = unpack(env, b, Y);
  if ((x.hi | x.lo) === 0) {
    setZero(out, x.sign);
    return 0;
  }
  const difference = x.exp - y.exp;
  if (difference < -1 || (difference < 0 && !nearest)) return keep(env, a, out);
  // A step reduces the exponent by at most 63; a partial one by 32..63, in the way that leaves whole multiples of 32.
  const partial = difference >= 64;
  const steps = partial ? (difference & 31) | 32 : difference;
  let hi = x.hi >>> 0;
  let lo = x.lo >>> 0;
  const divisorHigh = y.hi >>> 0;
  const divisorLow = y.lo >>> 0;
  let quotient = 0;
  let over = 0; // 65th bit of the running remainder
  for (let step = 0; step <= steps; step++) {
    if (step > 0) {
      over = hi >>> 31;
      hi = ((hi << 1) | (lo >>> 31)) >>> 0;
      lo = (lo << 1) >>> 0;
    }
    quotient = (quotient << 1) & 7;
    if (over !== 0 || hi > divisorHigh || (hi === divisorHigh && lo >= divisorLow)) {
      const borrow = lo < divisorLow ? 1 : 0;
      lo = (lo - divisorLow) >>> 0;
      hi = (hi - divisorHigh - borrow) >>> 0;
      over = 0;
      quotient |= 1;
    }
  }
  let sign = x.sign;
  if (partial) {
    finish(env, sign, x.exp - steps, hi, lo, out);
    return C2;
  }
  // Here the remainder is scaled by the divisor's exponent, except for a dividend one binade below it (no step done).
  let exp = y.exp;
  if (difference < 0) exp = x.exp;
  if (nearest) {
    let halfOrMore: number; // sign of 2·remainder - divisor
    if (difference < 0) halfOrMore = compareWords(hi, lo, divisorHigh, divisorLow);
    else if (hi >>> 31) halfOrMore = 1;
    else {
      const twiceHigh = ((hi << 1) | (lo >>> 31)) >>> 0;
      halfOrMore = compareWords(twiceHigh, (lo << 1) >>> 0, divisorHigh, divisorLow);
    }
    if (halfOrMore > 0 || (halfOrMore === 0 && (quotient & 1) !== 0)) {
      // divisor - remainder, in the remainder's scale
      let fromHigh = divisorHigh;
      let fromLow = divisorLow;
      if (difference < 0) {
        // 2·divisor - remainder at the lower exponent: remainder > divisor words, so the 65th bit goes away.
        fromHigh = ((fromHigh << 1) | (fromLow >>> 31)) >>> 0;
        fromLow = (fromLow << 1) >>> 0;
      }
      const borrow = fromLow < lo ? 1 : 0;
      lo = (fromLow - lo) >>> 0;
      hi = (fromHigh - hi - borrow) >>> 0;
      sign ^= 0x8000;
      quotient = (quotient + 1) & 7;
    }
  }
  finish(env, sign, exp, hi, lo, out);
  if ((hi | lo) === 0) setZero(out, x.sign);
  return (quotient & 4 ? C0 : 0) | (quotient & 2 ? C3 : 0) | (quotient & 1 ? C1 : 0);
}

function compareWords(aHigh: number, aLow: number, bHigh: number, bLow: number): number {
  return aHigh !== bHigh ? aHigh - bHigh : aLow - bLow;
}

/** The dividend is the remainder already. */
function keep(env: Environment, a: Float80, out: Float80): number {
  if (isZero(a)) copy(out, a);
  else {
    const x = unpack(env, a, X);
    normalisePack(env, x.sign, x.exp, x.hi, x.lo, out);
  }
  return 0;
}

function finish(env: Environment, sign: number, exp: number, hi: number, lo: number, out: Float80): void {
  if ((hi | lo) === 0) setZero(out, sign);
  else normalisePack(env, sign, exp, hi | 0, lo | 0, out);
}
