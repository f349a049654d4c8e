/**
 * Elementary functions on fixed-point BigInts: a value v with F fraction bits is the integer v·2^F. Callers choose F so that
 * the result keeps some 128 significant bits (F grows with the smallness of the argument), of which 64 are then rounded.
 */

/** π, ln 2 with this many fraction bits. */
export const CONSTANT_BITS = 256;

/** atanh(1/n), CONSTANT_BITS + 32 fraction bits. */
function inverseSeries(n: bigint, alternate: boolean): bigint {
  const square = n * n;
  let power = (1n << BigInt(CONSTANT_BITS + 32)) / n;
  let sum = 0n;
  for (let k = 1n; power > 0n; k += 2n) {
    sum += alternate && (k & 2n) !== 0n ? -(power / k) : power / k;
    power /= square;
  }
  return sum;
}

/** Machin: π = 16 atan(1/5) - 4 atan(1/239). */
export const PI = (16n * inverseSeries(5n, true) - 4n * inverseSeries(239n, true)) >> 32n;
/** ln 2 = 2 atanh(1/3). */
export const LN2 = (2n * inverseSeries(3n, false)) >> 32n;

/** A constant of CONSTANT_BITS fraction bits at F of them. */
export function constantAt(constant: bigint, f: number): bigint {
  return f <= CONSTANT_BITS ? constant >> BigInt(CONSTANT_BITS - f) : constant << BigInt(f - CONSTANT_BITS);
}

/** e^x - 1, |x| <= 1. */
export function expm1(x: bigint, f: number): bigint {
  const shift = BigInt(f);
  let term = x;
  let sum = x;
  for (let k = 2n; term !== 0n && term !== -1n; k++) {
    term = ((term * x) >> shift) / k;
    sum += term;
  }
  return sum;
}

/** sin x, |x| < 1. */
export function sine(x: bigint, f: number): bigint {
  return alternating(x, (x * x) >> BigInt(f), 2n, f);
}

/** cos x, |x| < 1. */
export function cosine(x: bigint, f: number): bigint {
  return alternating(1n << BigInt(f), (x * x) >> BigInt(f), 1n, f);
}

/** first - first·x²/(k(k+1)) + …, two factorial factors a term. */
function alternating(first: bigint, square: bigint, k: bigint, f: number): bigint {
  const shift = BigInt(f);
  let term = first;
  let sum = first;
  while (term !== 0n) {
    term = -((term * square) >> shift) / (k * (k + 1n));
    if (term === -1n) break;
    sum += term;
    k += 2n;
  }
  return sum;
}

/** atanh z = z + z³/3 + …, |z| < 1/2. */
export function atanh(z: bigint, f: number): bigint {
  return oddPowers(z, (z * z) >> BigInt(f), f);
}

/** atan t, 0 <= t <= 1. */
export function atan(t: bigint, f: number): bigint {
  const one = 1n << BigInt(f);
  const small = one >> 4n;
  let halvings = 0n;
  while (t > small) {
    // tan(a/2) = tan a / (1 + sqrt(1 + tan² a))
    t = (t << BigInt(f)) / (one + squareRootOf((one << BigInt(f)) + t * t));
    halvings++;
  }
  return oddPowers(t, -((t * t) >> BigInt(f)), f) << halvings;
}

function oddPowers(first: bigint, square: bigint, f: number): bigint {
  const shift = BigInt(f);
  let power = first;
  let sum = first;
  for (let k = 3n; power !== 0n && power !== -1n; k += 2n) {
    power = (power * square) >> shift;
    sum += power / k;
  }
  return sum;
}

/** Newton's method from above; n > 0. */
function squareRootOf(n: bigint): bigint {
  let root = 1n << BigInt((n.toString(16).length * 4 + 1) >> 1);
  for (;;) {
    const next = (root + n / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}
