/** Whole numbers from 0 to below `limit`, the same ones for the same seed (xorshift32). */
export function seededRandom(seed: number): (limit: number) => number {
  let x = seed | 0 || 1;
  return (limit) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % limit;
  };
}
