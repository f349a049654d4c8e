import { ZE } from "./flags.ts";
import { BIAS, copy, EXPONENT, type Float80, SIGN, set, setInfinity, setZero } from "./float80.ts";
import {
  invalid,
  isInfinity,
  isZero,
  noteDenormal,
  propagateNan,
  propagateNanUnary,
  significand,
  unpack,
  unpacked,
} from "./operands.ts";
import { bitLength, type Environment, roundBig } from "./rounding.ts";
import { atanh, CONSTANT_BITS, expm1, LN2 } from "./series.ts";

const X = unpacked();
const Y = unpacked();
/** Significant bits aimed at before the final rounding. */
const WORKING = 128;
/** 2^64/√2: the significand where the reduction of a logarithm's argument turns. */
const ROOT_HALF = 0xb504f333f9de6484n;

/** F2XM1: out = 2^a - 1 for -1 <= a <= 1. Outside that the manual leaves the result undefined; here it is `a`. */
export function exponential(env: Environment, a: Float80, out: Float80): void {
  if (propagateNanUnary(env, a, out)) return;
  const negative = (a.se & SIGN) !== 0;
  const exponent = a.se & EXPONENT;
  if (isZero(a)) {
    copy(out, a);
    return;
  }
  if (isInfinity(a)) {
    if (negative) set(out, SIGN | BIAS, 0x80000000, 0);
    else copy(out, a);
    return;
  }
  if (exponent >= BIAS) {
    if (a.hi << 1 !== 0 || a.lo !== 0 || exponent > BIAS || !negative) copy(out, a);
    else set(out, SIGN | (BIAS - 1), 0x80000000, 0); // 2^-1 - 1
    return;
  }
  const x = unpack(env, a, X);
  const power = x.exp - BIAS;
  const f = WORKING - power;
  let fixed = significand(x) << BigInt(f + power - 63);
  if (negative) fixed = -fixed;
  const result = expm1((fixed * LN2) >> BigInt(CONSTANT_BITS), f);
  roundBig(env, x.sign, result < 0n ? -result : result, -f, false, out);
}

/** FYL2X: out = y × log2(a). */
export function logarithm(env: Environment, a: Float80, y: Float80, out: Float80): void {
  if (propagateNan(env, a, y, out)) return;
  const signY = y.se & SIGN;
  if (isZero(a)) {
    if (isZero(y)) {
      invalid(env, out);
      return;
    }
    if (!isInfinity(y)) env.flags |= ZE;
    setInfinity(out, signY ^ SIGN);
    return;
  }
  if (a.se & SIGN) {
    invalid(env, out);
    return;
  }
  if (isInfinity(a)) {
    if (isZero(y)) {
      invalid(env, out);
      return;
    }
    noteDenormal(env, y);
    setInfinity(out, signY);
    return;
  }
  const one = a.se === BIAS && a.hi << 1 === 0 && a.lo === 0;
  const below = (a.se & EXPONENT) < BIAS ? SIGN : 0;
  if (isInfinity(y)) {
    if (one) {
      invalid(env, out);
      return;
    }
    noteDenormal(env, a);
    setInfinity(out, signY ^ below);
    return;
  }
  const x = unpack(env, a, X);
  const v = unpack(env, y, Y);
  if (one || isZero(y)) {
    setZero(out, signY ^ below);
    return;
  }
  let power = x.exp - BIAS;
  let m = significand(x); // 2^63 <= m < 2^64, m / 2^63 in [1, 2)
  let unit = 1n << 63n;
  const exact = m === unit;
  if (m >= ROOT_HALF) {
    power++;
    unit <<= 1n;
  }
  const numerator = m - unit;
  m += unit;
  // With a whole part the logarithm is at least 1/2; without, it is as small as the numerator.
  let f = WORKING;
  if (power === 0) f += 64 - bitLength(numerator < 0n ? -numerator : numerator);
  let log = 0n;
  if (numerator !== 0n) {
    const z = (numerator << BigInt(f)) / m;
    log = (atanh(z, f) << BigInt(CONSTANT_BITS + 1)) / LN2;
  }
  log += BigInt(power) << BigInt(f);
  finish(env, v, log, f, exact, out);
}

/** FYL2XP1: out = y × log2(a + 1). The manual defines it for |a| < 1 - 1/√2; here it is right for every a > -1. */
export function logarithmPlusOne(env: Environment, a: Float80, y: Float80, out: Float80): void {
  if (propagateNan(env, a, y, out)) return;
  const signY = y.se & SIGN;
  const signA = a.se & SIGN;
  if (isInfinity(a)) {
    if (signA || isZero(y)) {
      invalid(env, out);
      return;
    }
    noteDenormal(env, y);
    setInfinity(out, signY);
    return;
  }
  if (isInfinity(y)) {
    if (isZero(a)) {
      invalid(env, out);
      return;
    }
    noteDenormal(env, a);
    setInfinity(out, signY ^ signA);
    return;
  }
  const x = unpack(env, a, X);
  const v = unpack(env, y, Y);
  if (isZero(a) || isZero(y)) {
    setZero(out, signY ^ signA);
    return;
  }
  const power = x.exp - BIAS;
  if (signA && power >= 0) {
    const minusOne = power === 0 && x.hi << 1 === 0 && x.lo === 0;
    if (!minusOne) {
      invalid(env, out);
      return;
    }
    env.flags |= ZE;
    setInfinity(out, signY ^ SIGN);
    return;
  }
  const f = power < 0 ? WORKING - power : WORKING;
  let fixed = significand(x) << BigInt(Math.max(f + power - 63, 0));
  if (f + power < 63) fixed >>= BigInt(63 - f - power);
  if (signA) fixed = -fixed;
  const one = 1n << BigInt(f);
  let numerator = fixed;
  let denominator = (one << 1n) + fixed;
  let whole = 0;
  if (power >= -1) {
    // Away from 1 the whole part is taken out of 1 + a, as the series would converge badly.
    let argument = one + fixed;
    whole = bitLength(argument) - f - 1;
    argument = whole >= 0 ? argument >> BigInt(whole) : argument << BigInt(-whole);
    numerator = argument - one;
    denominator = argument + one;
  }
  const series = atanh((numerator << BigInt(f)) / denominator, f);
  const log = (series << BigInt(CONSTANT_BITS + 1)) / LN2 + (BigInt(whole) << BigInt(f));
  finish(env, v, log, f, false, out);
}

/** v × log, rounded. */
function finish(
  env: Environment,
  v: { sign: number; exp: number; hi: number; lo: number },
  log: bigint,
  f: number,
  exact: boolean,
  out: Float80,
): void {
  const negative = log < 0n;
  const product = significand(v) * (negative ? -log : log);
  roundBig(env, v.sign ^ (negative ? SIGN : 0), product, v.exp - BIAS - 63 - f, exact, out);
}
