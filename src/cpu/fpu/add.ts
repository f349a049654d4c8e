import { Rounding } from "./flags.ts";
import { type Float80, INTEGER_BIT, SIGN, set, setInfinity, setZero } from "./float80.ts";
import { invalid, isInfinity, noteDenormal, propagateNan, unpack, unpacked } from "./operands.ts";
import { type Environment, roundPack } from "./rounding.ts";
import { normalise, normalised, shifted, shiftRightJam } from "./significand.ts";

const X = unpacked();
const Y = unpacked();

/** out = a + b. */
export function add(env: Environment, a: Float80, b: Float80, out: Float80): void {
  addSigned(env, a, b, 0, out);
}

/** out = a - b. */
export function subtract(env: Environment, a: Float80, b: Float80, out: Float80): void {
  addSigned(env, a, b, SIGN, out);
}

function addSigned(env: Environment, a: Float80, b: Float80, negate: number, out: Float80): void {
  if (propagateNan(env, a, b, out)) return;
  const signB = (b.se & SIGN) ^ negate;
  if (isInfinity(a)) {
    if (isInfinity(b) && (a.se & SIGN) !== signB) {
      invalid(env, out);
      return;
    }
    noteDenormal(env, b);
    setInfinity(out, a.se & SIGN);
    return;
  }
  if (isInfinity(b)) {
    noteDenormal(env, a);
    setInfinity(out, signB);
    return;
  }
  const x = unpack(env, a, X);
  const y = unpack(env, b, Y);
  y.sign = signB;
  const zeroX = (x.hi | x.lo) === 0;
  const zeroY = (y.hi | y.lo) === 0;
  if (zeroX && zeroY) {
    setZero(out, x.sign === y.sign ? x.sign : zeroSign(env));
    return;
  }
  if (zeroX) {
    roundPack(env, y.sign, y.exp, y.hi, y.lo, 0, env.precision, out);
    return;
  }
  if (zeroY) {
    roundPack(env, x.sign, x.exp, x.hi, x.lo, 0, env.precision, out);
    return;
  }
  const bigger =
    x.exp > y.exp ||
    (x.exp === y.exp && (x.hi === y.hi ? x.lo >>> 0 >= y.lo >>> 0 : x.hi >>> 0 > y.hi >>> 0));
  const big = bigger ? x : y;
  const small = bigger ? y : x;
  shiftRightJam(small.hi, small.lo, 0, big.exp - small.exp);
  if (x.sign === y.sign) addMagnitudes(env, big.sign, big.exp, big.hi, big.lo, out);
  else subtractMagnitudes(env, big.sign, big.exp, big.hi, big.lo, out);
}

/** Sign of an exact zero difference. */
function zeroSign(env: Environment): number {
  return env.rounding === Rounding.down ? SIGN : 0;
}

/** hi:lo + the shifted operand. */
function addMagnitudes(
  env: Environment,
  sign: number,
  exp: number,
  hi: number,
  lo: number,
  out: Float80,
): void {
  const lowSum = (lo >>> 0) + (shifted.lo >>> 0);
  const highSum = (hi >>> 0) + (shifted.hi >>> 0) + (lowSum > 0xffffffff ? 1 : 0);
  const low = lowSum | 0;
  const high = highSum | 0;
  let ext = shifted.ext;
  if (highSum > 0xffffffff) {
    ext = (ext >>> 1) | (ext & 1) | (low << 31);
    roundPack(
      env,
      sign,
      exp + 1,
      (high >>> 1) | INTEGER_BIT,
      (low >>> 1) | (high << 31),
      ext | 0,
      env.precision,
      out,
    );
  } else roundPack(env, sign, exp, high, low, ext, env.precision, out);
}

/** hi:lo - the shifted operand, which is not larger. */
function subtractMagnitudes(
  env: Environment,
  sign: number,
  exp: number,
  hi: number,
  lo: number,
  out: Float80,
): void {
  const ext = -shifted.ext | 0;
  const borrow = shifted.ext !== 0 ? 1 : 0;
  const lowDifference = (lo >>> 0) - (shifted.lo >>> 0) - borrow;
  const low = lowDifference | 0;
  const high = (hi - shifted.hi - (lowDifference < 0 ? 1 : 0)) | 0;
  if ((high | low | ext) === 0) {
    set(out, zeroSign(env), 0, 0);
    return;
  }
  normalise(high, low, ext);
  const { shift } = normalised;
  roundPack(env, sign, exp - shift, normalised.hi, normalised.lo, normalised.ext, env.precision, out);
}
