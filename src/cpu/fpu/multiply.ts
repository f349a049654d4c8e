import { BIAS, type Float80, SIGN, setInfinity, setZero } from "./float80.ts";
import { invalid, isInfinity, isZero, noteDenormal, propagateNan, unpack, unpacked } from "./operands.ts";
import { type Environment, roundPack } from "./rounding.ts";

const X = unpacked();
const Y = unpacked();

/** High word of the unsigned 64-bit product. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + (middle >>> 16) + (carry >>> 16)) | 0;
}

/** out = a × b. */
export function multiply(env: Environment, a: Float80, b: Float80, out: Float80): void {
  if (propagateNan(env, a, b, out)) return;
  const sign = (a.se ^ b.se) & SIGN;
  if (isInfinity(a) || isInfinity(b)) {
    if (isZero(a) || isZero(b)) {
      invalid(env, out);
      return;
    }
    noteDenormal(env, a);
    noteDenormal(env, b);
    setInfinity(out, sign);
    return;
  }
  const x = unpack(env, a, X);
  const y = unpack(env, b, Y);
  if ((x.hi | x.lo) === 0 || (y.hi | y.lo) === 0) {
    setZero(out, sign);
    return;
  }
  const low = Math.imul(x.lo, y.lo);
  const cross =
    (Math.imul(x.hi, y.lo) >>> 0) + (Math.imul(x.lo, y.hi) >>> 0) + (multiplyHigh(x.lo, y.lo) >>> 0);
  const upper =
    (Math.imul(x.hi, y.hi) >>> 0) +
    (multiplyHigh(x.hi, y.lo) >>> 0) +
    (multiplyHigh(x.lo, y.hi) >>> 0) +
    Math.floor(cross / 0x100000000);
  let ext = cross | 0;
  let lo = upper | 0;
  let hi = (multiplyHigh(x.hi, y.hi) + Math.floor(upper / 0x100000000)) | 0;
  let exp = x.exp + y.exp - BIAS + 1;
  if (hi >= 0) {
    hi = (hi << 1) | (lo >>> 31);
    lo = (lo << 1) | (ext >>> 31);
    ext = (ext << 1) | (low >>> 31);
    exp--;
    if (low << 1 !== 0) ext |= 1;
  } else if (low !== 0) ext |= 1;
  roundPack(env, sign, exp, hi, lo, ext, env.precision, out);
}
