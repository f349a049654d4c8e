/**
 * Transcendental functions on rational numbers in fixed point of 400 fraction bits, by nothing but series and BigInt: what the x87 unit's results are
 * measured against. Results are right to some 380 bits.
 */

export const FRACTION = 400;
const ONE = 1n << BigInt(FRACTION);

const multiply = (a: bigint, b: bigint): bigint => (a * b) >> BigInt(FRACTION);
const divide = (a: bigint, b: bigint): bigint => (a << BigInt(FRACTION)) / b;

/** Sum of terms until they vanish; `next` makes term n + 1 of term n. */
function sum(
  first: bigint,
  next: (term: bigint, n: number) => bigint,
  part: (term: bigint, n: number) => bigint,
): bigint {
  let total = 0n;
  let term = first;
  for (let n = 0; term !== 0n && term !== -1n; n++) {
    total += part(term, n);
    term = next(term, n);
  }
  return total;
}

/** 2 artanh(q) = ln((1 + q) / (1 - q)), |q| < 1/2. */
function doubleArtanh(q: bigint): bigint {
  const square = multiply(q, q);
  return (
    2n *
    sum(
      q,
      (term) => multiply(term, square),
      (term, n) => term / BigInt(2 * n + 1),
    )
  );
}

/** arctan(q), |q| <= 1/4. */
function smallArctan(q: bigint): bigint {
  const square = multiply(q, q);
  return sum(
    q,
    (term) => -multiply(term, square),
    (term, n) => term / BigInt(2 * n + 1),
  );
}

const LN2 = doubleArtanh(ONE / 3n);
/** Machin. */
export const PI = 4n * (4n * smallArctan(ONE / 5n) - smallArctan(ONE / 239n));

/** e^t - 1, |t| <= 1. */
const expm1 = (t: bigint): bigint =>
  sum(
    t,
    (term, n) => multiply(term, t) / BigInt(n + 2),
    (term) => term,
  );

/** 2^x - 1. */
export const exp2m1 = (x: bigint): bigint => expm1(multiply(x, LN2));

/** log2(x), x > 0. */
export function log2(x: bigint): bigint {
  const length = x.toString(2).length;
  let exponent = length - 1 - FRACTION;
  const scaled = (e: number): bigint => (e >= 0 ? x >> BigInt(e) : x << BigInt(-e));
  // A mantissa on both sides of 1, so that nothing cancels.
  if (2n * scaled(exponent) > 3n * ONE) exponent++;
  const mantissa = scaled(exponent);
  return BigInt(exponent) * ONE + divide(doubleArtanh(divide(mantissa - ONE, mantissa + ONE)), LN2);
}

export function sine(t: bigint): bigint {
  const square = multiply(t, t);
  return sum(
    t,
    (term, n) => -multiply(term, square) / BigInt((2 * n + 2) * (2 * n + 3)),
    (term) => term,
  );
}

export function cosine(t: bigint): bigint {
  const square = multiply(t, t);
  return sum(
    ONE,
    (term, n) => -multiply(term, square) / BigInt((2 * n + 1) * (2 * n + 2)),
    (term) => term,
  );
}

export const tangent = (t: bigint): bigint => divide(sine(t), cosine(t));

function squareRoot(x: bigint): bigint {
  const wanted = x << BigInt(FRACTION);
  let root = 1n << BigInt(Math.ceil(wanted.toString(2).length / 2));
  for (;;) {
    const next = (root + wanted / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

/** Angle of the point (x, y), -π to π. */
export function arctan2(y: bigint, x: bigint): bigint {
  const [a, b] = [y < 0n ? -y : y, x < 0n ? -x : x];
  const swapped = a > b;
  let q = swapped ? divide(b, a) : divide(a, b);
  let halvings = 0;
  for (; q > ONE >> 3n; halvings++) q = divide(q, ONE + squareRoot(ONE + multiply(q, q)));
  let angle = smallArctan(q) << BigInt(halvings);
  if (swapped) angle = PI / 2n - angle;
  if (x < 0n) angle = PI - angle;
  return y < 0n ? -angle : angle;
}

/** π of the Intel processors' argument reduction: 66 bits (SDM vol. 1, 8.3.8: 4 × 0.C90FDAA22168C234C hexadecimal). */
export const PI_66 = (0xc90fdaa22168c234cn << BigInt(FRACTION + 2)) >> 68n;

/** The value of an 80-bit number (finite), in this fixed point. */
export function fixedOf(signExponent: number, significand: bigint): bigint {
  const shift = (signExponent & 0x7fff) - 16383 - 63 + FRACTION;
  const magnitude = shift >= 0 ? significand << BigInt(shift) : significand >> BigInt(-shift);
  return signExponent & 0x8000 ? -magnitude : magnitude;
}

/** Distance of an 80-bit number from an exact value, in units of its last place, to three decimals. */
export function unitsApart(signExponent: number, significand: bigint, exact: bigint): number {
  const shift = (signExponent & 0x7fff) - 16383 - 63 + FRACTION;
  const apart = fixedOf(signExponent, significand) - exact;
  const thousandths = ((apart < 0n ? -apart : apart) * 1000n) >> BigInt(shift);
  return Number(thousandths) / 1000;
}
