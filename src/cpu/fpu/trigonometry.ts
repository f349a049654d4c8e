import { BIAS, copy, EXPONENT, type Float80, SIGN, set, setZero } from "./float80.ts";
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
import { type Environment, roundBig } from "./rounding.ts";
import { atan, constantAt, cosine, PI, sine } from "./series.ts";

const X = unpacked();
const Y = unpacked();
const WORKING = 128;
/**
 * π/2 as the Intel processors reduce with it: 66 significant bits of π (SDM vol. 1, 8.3.8). Scaled by 2^65.
 */
const HALF_PI = 0x3243f6a8885a308d3n;
const HALF_PI_BITS = 65;

/** The reduced argument: |angle| <= π/4, `f` fraction bits, after `quadrant` quarter turns were taken away. */
const reduced = { angle: 0n, f: 0, quadrant: 0 };

/** True when FSIN, FCOS, FSINCOS and FPTAN refuse the operand (|a| >= 2^63: C2 is set and nothing changes). */
export function outOfRange(a: Float80): boolean {
  const exponent = a.se & EXPONENT;
  return exponent >= BIAS + 63 && exponent !== EXPONENT && a.hi < 0;
}

/** Reduces a finite non-zero operand. */
function reduce(env: Environment, a: Float80): void {
  const x = unpack(env, a, X);
  const power = x.exp - BIAS;
  let angle: bigint;
  let quadrant = 0;
  let f: number;
  if (power < -1) {
    f = WORKING - power;
    angle = significand(x) << BigInt(f + power - 63);
  } else {
    // The reduced angle is at least about 2^-66, so 128 bits of it remain.
    f = WORKING + HALF_PI_BITS + 1;
    angle = significand(x) << BigInt(f + power - 63);
    const period = HALF_PI << BigInt(f - HALF_PI_BITS);
    const turns = (angle + (period >> 1n)) / period;
    angle -= turns * period;
    quadrant = Number(turns & 3n);
  }
  if (x.sign) {
    angle = -angle;
    quadrant = -quadrant & 3;
  }
  reduced.angle = angle;
  reduced.f = f;
  reduced.quadrant = quadrant;
}

function pack(env: Environment, value: bigint, f: number, out: Float80): void {
  if (value < 0n) roundBig(env, SIGN, -value, -f, false, out);
  else roundBig(env, 0, value, -f, false, out);
}

function quadrantSine(quadrant: number): bigint {
  const { angle, f } = reduced;
  const value = quadrant & 1 ? below(cosine(angle, f), 1n << BigInt(f)) : below(sine(angle, f), angle);
  return quadrant & 2 ? -value : value;
}

/**
 * A series whose further terms vanish gives the first one, which the true value stays below in magnitude: a last bit less makes
 * directed rounding and underflow come out right.
 */
function below(value: bigint, bound: bigint): bigint {
  if (value !== bound) return value;
  return value < 0n ? value + 1n : value - 1n;
}

/** FSIN of an operand that is not out of range. */
export function fsin(env: Environment, a: Float80, out: Float80): void {
  if (propagateNanUnary(env, a, out)) return;
  if (isInfinity(a)) {
    invalid(env, out);
    return;
  }
  if (isZero(a)) {
    copy(out, a);
    return;
  }
  reduce(env, a);
  pack(env, quadrantSine(reduced.quadrant), reduced.f, out);
}

/** FCOS. */
export function fcos(env: Environment, a: Float80, out: Float80): void {
  if (propagateNanUnary(env, a, out)) return;
  if (isInfinity(a)) {
    invalid(env, out);
    return;
  }
  if (isZero(a)) {
    set(out, BIAS, 0x80000000, 0);
    return;
  }
  reduce(env, a);
  pack(env, quadrantSine((reduced.quadrant + 1) & 3), reduced.f, out);
}

/** FSINCOS. C1 and the exceptions of both results are merged. */
export function fsincos(env: Environment, a: Float80, sineOut: Float80, cosineOut: Float80): void {
  if (propagateNanUnary(env, a, sineOut)) {
    copy(cosineOut, sineOut);
    return;
  }
  if (isInfinity(a)) {
    invalid(env, sineOut);
    invalid(env, cosineOut);
    return;
  }
  if (isZero(a)) {
    copy(sineOut, a);
    set(cosineOut, BIAS, 0x80000000, 0);
    return;
  }
  reduce(env, a);
  pack(env, quadrantSine(reduced.quadrant), reduced.f, sineOut);
  pack(env, quadrantSine((reduced.quadrant + 1) & 3), reduced.f, cosineOut);
}

/** The tangent that FPTAN leaves below its 1.0. */
export function ftan(env: Environment, a: Float80, out: Float80): void {
  if (propagateNanUnary(env, a, out)) return;
  if (isInfinity(a)) {
    invalid(env, out);
    return;
  }
  if (isZero(a)) {
    copy(out, a);
    return;
  }
  reduce(env, a);
  let numerator = sine(reduced.angle, reduced.f);
  let denominator = cosine(reduced.angle, reduced.f);
  if (reduced.quadrant & 1) {
    const swap = numerator;
    numerator = -denominator;
    denominator = swap;
  }
  pack(env, (numerator << BigInt(reduced.f)) / denominator, reduced.f, out);
}

/** FPATAN: the angle of the point (x, y), -π..π. Table 3-41 of SDM vol. 2 (FPATAN) lists the special cases. */
export function fpatan(env: Environment, x: Float80, y: Float80, out: Float80): void {
  if (propagateNan(env, x, y, out)) return;
  const sign = y.se & SIGN;
  const left = (x.se & SIGN) !== 0;
  if (isInfinity(y)) {
    noteDenormal(env, x);
    const eighths = !isInfinity(x) ? 4 : left ? 6 : 2;
    multipleOfPi(env, sign, eighths, out);
    return;
  }
  if (isInfinity(x) || isZero(y)) {
    noteDenormal(env, x);
    noteDenormal(env, y);
    if (left) {
      multipleOfPi(env, sign, 8, out);
      return;
    }
    setZero(out, sign);
    return;
  }
  if (isZero(x)) {
    noteDenormal(env, y);
    multipleOfPi(env, sign, 4, out);
    return;
  }
  const u = unpack(env, x, X);
  const v = unpack(env, y, Y);
  const mu = significand(u);
  const mv = significand(v);
  const steep = v.exp > u.exp || (v.exp === u.exp && mv > mu);
  // The tangent of the angle to the nearer axis.
  const power = steep ? u.exp - v.exp : v.exp - u.exp;
  const f = steep || left ? WORKING + 64 : WORKING - power;
  const numerator = steep ? mu : mv;
  const denominator = steep ? mv : mu;
  const shift = f + power;
  const tangent = shift >= 0 ? (numerator << BigInt(shift)) / denominator : 0n;
  let angle = below(atan(tangent, f), tangent);
  const pi = constantAt(PI, f);
  if (steep) angle = left ? (pi >> 1n) + angle : (pi >> 1n) - angle;
  else if (left) angle = pi - angle;
  roundBig(env, sign, angle, -f, false, out);
}

/** eighths/8 × π, inexact. */
function multipleOfPi(env: Environment, sign: number, eighths: number, out: Float80): void {
  const f = WORKING;
  roundBig(env, sign, (constantAt(PI, f) * BigInt(eighths)) >> 3n, -f, false, out);
}
