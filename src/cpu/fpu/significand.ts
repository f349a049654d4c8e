/** Significands of 64 bits, hi:lo, with 32 bits more below them in `ext`. */

/** Result of `shiftRightJam`. */
export const shifted = { hi: 0, lo: 0, ext: 0 };

/** Shifts hi:lo:ext to the right; bits that fall out are or-ed into the lowest bit ("jammed"). */
export function shiftRightJam(hi: number, lo: number, ext: number, count: number): void {
  let lost = 0;
  while (count >= 32) {
    if (count > 128) count = 128;
    lost |= ext;
    ext = lo;
    lo = hi;
    hi = 0;
    count -= 32;
  }
  if (count > 0) {
    const left = 32 - count;
    lost |= ext << left;
    ext = (ext >>> count) | (lo << left);
    lo = (lo >>> count) | (hi << left);
    hi = hi >>> count;
  }
  shifted.hi = hi | 0;
  shifted.lo = lo | 0;
  shifted.ext = ext | (lost !== 0 ? 1 : 0) | 0;
}

/** Result of `normalise`: the bits, and by how many places they have moved. */
export const normalised = { hi: 0, lo: 0, ext: 0, shift: 0 };

/** Shifts hi:lo:ext, which is not zero, to the left until the integer bit is set. */
export function normalise(hi: number, lo: number, ext: number): void {
  let shift = 0;
  while (hi === 0) {
    hi = lo;
    lo = ext;
    ext = 0;
    shift += 32;
  }
  const left = Math.clz32(hi);
  if (left > 0) {
    const right = 32 - left;
    hi = (hi << left) | (lo >>> right);
    lo = (lo << left) | (ext >>> right);
    ext <<= left;
  }
  normalised.hi = hi | 0;
  normalised.lo = lo | 0;
  normalised.ext = ext | 0;
  normalised.shift = shift + left;
}
