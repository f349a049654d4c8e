import { DE, IE, PE, Rounding } from "../fpu/flags.ts";
import { EXPONENT, type Float80, float80, SIGN } from "../fpu/float80.ts";
import { fromInt32, integer, toInteger } from "../fpu/integral.ts";
import { roundPack } from "../fpu/rounding.ts";
import { begin, env, finish, OUT, take } from "./arithmetic.ts";
import { type Bits, type Format, isDenormal, isNan, isSignalling, pack, topOf, widen } from "./format.ts";

/** Conversions of one element. They give the exceptions met, as bits of MXCSR, like the operations of arithmetic.ts. */

const A: Float80 = float80();
const X: Bits = { lo: 0, hi: 0 };
/** What stands for a NaN and for what does not fit. */
const INTEGER_INDEFINITE = 0x80000000 | 0;

/** Rounds A, which is finite, to `format`. */
function round(format: Format, mxcsr: number, out: Bits): number {
  if ((A.hi | A.lo) === 0) {
    pack(format, A, out);
    return env.flags;
  }
  roundPack(env, A.se & SIGN, A.se & EXPONENT, A.hi, A.lo, 0, format.precision, OUT);
  return finish(format, mxcsr, out);
}

/** CVTSI2SS, CVTSI2SD, CVTDQ2PS, CVTDQ2PD, CVTPI2PS, CVTPI2PD. */
export function fromInteger(format: Format, mxcsr: number, value: number, out: Bits): number {
  begin(format, mxcsr);
  fromInt32(value, A);
  return round(format, mxcsr, out);
}

/** CVTSS2SI and its kin; `truncate`: CVTTSS2SI and its kin. Denormal operands are no exception. */
export function toInt32(format: Format, mxcsr: number, a: Bits, truncate: boolean, out: Bits): number {
  take(format, mxcsr, a, X);
  out.hi = 0;
  out.lo = INTEGER_INDEFINITE;
  if (isNan(format, X)) return IE;
  begin(format, mxcsr);
  if (truncate) env.rounding = Rounding.zero;
  widen(format, X, A);
  toInteger(env, A, 32);
  out.lo = integer.lo | 0;
  return env.flags & (IE | PE);
}

/** Of a NaN the sign and as much of the fraction as both formats have, quieted. */
function convertNan(from: Format, x: Bits, to: Format, out: Bits): void {
  const sign = topOf(from, x) & (0x80000000 | 0);
  if (to.double) {
    out.hi = sign | 0x7ff80000 | ((x.lo & 0x7fffff) >>> 3);
    out.lo = x.lo << 29;
  } else {
    out.hi = 0;
    out.lo = sign | 0x7fc00000 | ((x.hi & 0xfffff) << 3) | (x.lo >>> 29);
  }
}

/** CVTSS2SD, CVTSD2SS, CVTPS2PD, CVTPD2PS. */
export function convert(from: Format, to: Format, mxcsr: number, a: Bits, out: Bits): number {
  take(from, mxcsr, a, X);
  if (isNan(from, X)) {
    convertNan(from, X, to, out);
    return isSignalling(from, X) ? IE : 0;
  }
  begin(to, mxcsr);
  widen(from, X, A);
  if ((A.se & EXPONENT) === EXPONENT) {
    pack(to, A, out);
    return 0;
  }
  if (isDenormal(from, X)) env.flags |= DE;
  return round(to, mxcsr, out);
}
