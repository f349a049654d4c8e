/**
 * The 80-bit extended format as the unit computes with it: sign and exponent in one 16-bit word, the 64-bit significand
 * (integer bit included) in two words. Significand words are BIT PATTERNS held as signed 32-bit integers (V8 keeps those
 * unboxed): compare them with `>>> 0`, and read the integer bit as `hi < 0`.
 */
export interface Float80 {
  /** Bit 15 sign, bits 0-14 biased exponent (bias 16383). */
  se: number;
  hi: number;
  lo: number;
}

export const BIAS = 16383;
export const EXPONENT = 0x7fff;
export const SIGN = 0x8000;
/** Integer bit of the high significand word, as int32. */
export const INTEGER_BIT = 0x80000000 | 0;
/** The bit that tells a quiet NaN from a signalling one. */
export const QUIET_BIT = 0x40000000;

export const Kind = {
  normal: 0,
  zero: 1,
  /** Pseudo-denormals (exponent 0, integer bit set) included. */
  denormal: 2,
  infinity: 3,
  quietNan: 4,
  signallingNan: 5,
  /** Unnormal, pseudo-NaN or pseudo-infinity: exponent not 0, integer bit clear. */
  unsupported: 6,
} as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

export function float80(se = 0, hi = 0, lo = 0): Float80 {
  return { se, hi: hi | 0, lo: lo | 0 };
}

export function set(out: Float80, se: number, hi: number, lo: number): void {
  out.se = se;
  out.hi = hi | 0;
  out.lo = lo | 0;
}

export function copy(out: Float80, from: Float80): void {
  out.se = from.se;
  out.hi = from.hi;
  out.lo = from.lo;
}

/** The real indefinite: the quiet NaN that a masked invalid operation yields. */
export function setIndefinite(out: Float80): void {
  set(out, 0xffff, 0xc0000000, 0);
}

export function setZero(out: Float80, sign: number): void {
  set(out, sign, 0, 0);
}

export function setInfinity(out: Float80, sign: number): void {
  set(out, sign | EXPONENT, INTEGER_BIT, 0);
}

export function kindOf(x: Float80): Kind {
  const exponent = x.se & EXPONENT;
  if (exponent === 0) return (x.hi | x.lo) === 0 ? Kind.zero : Kind.denormal;
  if (x.hi >= 0) return Kind.unsupported;
  if (exponent !== EXPONENT) return Kind.normal;
  if (x.hi === INTEGER_BIT && x.lo === 0) return Kind.infinity;
  return x.hi & QUIET_BIT ? Kind.quietNan : Kind.signallingNan;
}

export function isNan(x: Float80): boolean {
  return (x.se & EXPONENT) === EXPONENT && x.hi < 0 && ((x.hi & 0x7fffffff) | x.lo) !== 0;
}
