import { ZE } from "./flags.ts";
import { BIAS, type Float80, INTEGER_BIT, SIGN, setInfinity, setZero } from "./float80.ts";
import { invalid, isInfinity, isZero, noteDenormal, propagateNan, unpack, unpacked } from "./operands.ts";
import { type Environment, roundPack } from "./rounding.ts";

const X = unpacked();
const Y = unpacked();
/** Running remainder of the long division, always less than the divisor; unsigned words. */
let remainderHigh = 0;
let remainderLow = 0;

/**
 * Next 16 quotient bits. All intermediate numbers are integers below 2^50. The estimate from the leading 48 by 32 bits is
 * never too small and at most two too large (Knuth, TAOCP vol. 2, 4.3.1).
 */
function nextDigit(divisorHigh: number, divisorLow: number): number {
  const leading = remainderHigh * 0x10000 + (remainderLow >>> 16);
  let digit = Math.min(Math.floor(leading / divisorHigh), 0xffff);
  const productLow = digit * divisorLow;
  const productCarry = Math.floor(productLow / 0x100000000);
  let low = ((remainderLow << 16) >>> 0) - (productLow - productCarry * 0x100000000);
  let high = leading - digit * divisorHigh - productCarry;
  if (low < 0) {
    low += 0x100000000;
    high--;
  }
  while (high < 0) {
    digit--;
    low += divisorLow;
    high += divisorHigh;
    if (low > 0xffffffff) {
      low -= 0x100000000;
      high++;
    }
  }
  remainderHigh = high;
  remainderLow = low;
  return digit;
}

/** out = a ÷ b. */
export function divide(env: Environment, a: Float80, b: Float80, out: Float80): void {
  if (propagateNan(env, a, b, out)) return;
  const sign = (a.se ^ b.se) & SIGN;
  if (isInfinity(a)) {
    if (isInfinity(b)) {
      invalid(env, out);
      return;
    }
    noteDenormal(env, b);
    setInfinity(out, sign);
    return;
  }
  if (isInfinity(b)) {
    noteDenormal(env, a);
    setZero(out, sign);
    return;
  }
  if (isZero(b)) {
    if (isZero(a)) {
      invalid(env, out);
      return;
    }
    env.flags |= ZE;
    setInfinity(out, sign);
    return;
  }
  const x = unpack(env, a, X);
  const y = unpack(env, b, Y);
  if ((x.hi | x.lo) === 0) {
    setZero(out, sign);
    return;
  }
  const divisorHigh = y.hi >>> 0;
  const divisorLow = y.lo >>> 0;
  remainderHigh = x.hi >>> 0;
  remainderLow = x.lo >>> 0;
  const atLeastOne =
    remainderHigh > divisorHigh || (remainderHigh === divisorHigh && remainderLow >= divisorLow);
  if (atLeastOne) {
    remainderHigh -= divisorHigh;
    remainderLow -= divisorLow;
    if (remainderLow < 0) {
      remainderLow += 0x100000000;
      remainderHigh--;
    }
  }
  let hi = nextDigit(divisorHigh, divisorLow) << 16;
  hi |= nextDigit(divisorHigh, divisorLow);
  let lo = nextDigit(divisorHigh, divisorLow) << 16;
  lo |= nextDigit(divisorHigh, divisorLow);
  let ext = nextDigit(divisorHigh, divisorLow) << 16;
  if (remainderHigh !== 0 || remainderLow !== 0) ext |= 1;
  let exp = x.exp - y.exp + BIAS - 1;
  if (atLeastOne) {
    ext = (ext >>> 1) | (ext & 1) | (lo << 31);
    lo = (lo >>> 1) | (hi << 31);
    hi = (hi >>> 1) | INTEGER_BIT;
    exp++;
  }
  roundPack(env, sign, exp, hi, lo, ext, env.precision, out);
}
