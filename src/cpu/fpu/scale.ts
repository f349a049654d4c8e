import { ZE } from "./flags.ts";
import { BIAS, copy, EXPONENT, type Float80, SIGN, set, setInfinity, setZero } from "./float80.ts";
import { fromInt32 } from "./integral.ts";
import {
  invalid,
  isInfinity,
  isZero,
  noteDenormal,
  propagateNan,
  propagateNanUnary,
  unpack,
  unpacked,
} from "./operands.ts";
import { type Environment, roundPack } from "./rounding.ts";

const X = unpacked();
/** Beyond any exponent difference, so that a larger scale changes nothing. */
const HUGE = 0x10000;

/** FSCALE: out = a × 2^trunc(b). Not subject to precision control. */
export function scale(env: Environment, a: Float80, b: Float80, out: Float80): void {
  if (propagateNan(env, a, b, out)) return;
  if (isInfinity(b)) {
    const down = (b.se & SIGN) !== 0;
    if (isInfinity(a) ? down : isZero(a) && !down) {
      invalid(env, out);
      return;
    }
    noteDenormal(env, a);
    if (down) setZero(out, a.se & SIGN);
    else setInfinity(out, a.se & SIGN);
    return;
  }
  noteDenormal(env, b);
  if (isInfinity(a) || isZero(a)) {
    copy(out, a);
    return;
  }
  const x = unpack(env, a, X);
  roundPack(env, x.sign, x.exp + truncated(b), x.hi, x.lo, 0, 64, out);
}

/** b toward zero, limited to ±HUGE. */
function truncated(b: Float80): number {
  const power = (b.se & EXPONENT) - BIAS;
  if (power < 0) return 0;
  const magnitude = power >= 16 ? HUGE : b.hi >>> (31 - power);
  return b.se & SIGN ? -magnitude : magnitude;
}

/** FXTRACT: the unbiased exponent and the significand (in [1, 2), sign kept) of `a`, both as 80-bit values. */
export function extract(env: Environment, a: Float80, exponent: Float80, mantissa: Float80): void {
  if (propagateNanUnary(env, a, mantissa)) {
    copy(exponent, mantissa);
    return;
  }
  if (isInfinity(a)) {
    copy(mantissa, a);
    setInfinity(exponent, 0);
    return;
  }
  if (isZero(a)) {
    env.flags |= ZE;
    copy(mantissa, a);
    setInfinity(exponent, SIGN);
    return;
  }
  const x = unpack(env, a, X);
  set(mantissa, x.sign | BIAS, x.hi, x.lo);
  fromInt32(x.exp - BIAS, exponent);
}
