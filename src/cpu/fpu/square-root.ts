import { BIAS, copy, type Float80, SIGN } from "./float80.ts";
import { invalid, isInfinity, isZero, propagateNanUnary, significand, unpack, unpacked } from "./operands.ts";
import { type Environment, roundPack } from "./rounding.ts";

const X = unpacked();

/** Largest integer whose square is not above `n` (of some 134 bits). The double is a starting value only: the result is exact. */
function integerSquareRoot(n: bigint): bigint {
  let root = BigInt(Math.floor(Math.sqrt(Number(n))));
  // Two Newton steps take 50 good bits beyond the 67 needed; then at most a step of one is left.
  root = (root + n / root) >> 1n;
  root = (root + n / root) >> 1n;
  while (root * root > n) root--;
  while ((root + 1n) * (root + 1n) <= n) root++;
  return root;
}

/** out = √a. */
export function squareRoot(env: Environment, a: Float80, out: Float80): void {
  if (propagateNanUnary(env, a, out)) return;
  if (isZero(a)) {
    copy(out, a);
    return;
  }
  if (a.se & SIGN) {
    invalid(env, out);
    return;
  }
  if (isInfinity(a)) {
    copy(out, a);
    return;
  }
  const x = unpack(env, a, X);
  // a = m × 2^(power - 63); with the power made even, m·2^k has 134 or 133 bits and its root 67.
  const power = x.exp - BIAS;
  const odd = power & 1;
  const scaled = significand(x) << BigInt(69 + odd);
  const root = integerSquareRoot(scaled);
  const sticky = root * root !== scaled ? 1 : 0;
  const hi = Number(root >> 35n) | 0;
  const lo = Number((root >> 3n) & 0xffffffffn) | 0;
  const ext = (Number(root & 7n) << 29) | sticky;
  roundPack(env, 0, (power - odd) / 2 + BIAS, hi, lo, ext, env.precision, out);
}
