/** Reproducible pseudo-random numbers (xorshift32). */
export class Dice {
  private seed: number;
  constructor(seed: number) {
    this.seed = seed | 0 || 1;
  }
  /** Unsigned 32 bits. */
  word(): number {
    this.seed ^= this.seed << 13;
    this.seed ^= this.seed >>> 17;
    this.seed ^= this.seed << 5;
    return this.seed >>> 0;
  }
  below(n: number): number {
    return this.word() % n;
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}

export interface Extended {
  se: number;
  hi: number;
  lo: number;
}

/** A significand without integer bit considered, often with few bits, runs of ones, or close to a rounding boundary. */
function significand(dice: Dice): { hi: number; lo: number } {
  switch (dice.below(9)) {
    case 0:
      return { hi: 0, lo: 0 };
    case 1:
      return { hi: 0xffffffff, lo: 0xffffffff };
    case 2: {
      const bit = dice.below(64);
      return bit < 32 ? { hi: 0, lo: (1 << bit) >>> 0 } : { hi: (1 << (bit - 32)) >>> 0, lo: 0 };
    }
    case 3: // around the end of a 53-bit significand
      return {
        hi: dice.word(),
        lo: ((dice.word() & ~0xfff) | dice.pick([0, 0x400, 0x401, 0x3ff, 0x800, 0xc00, 0x7ff])) >>> 0,
      };
    case 4: // around the end of a 24-bit significand
      return {
        hi: ((dice.word() & ~0x1ff) | dice.pick([0, 0x80, 0x7f, 0x100, 0x180, 0xff])) >>> 0,
        lo: dice.pick([0, 0, 1, 0xffffffff]),
      };
    case 5: // a short integer
      return { hi: dice.word() & 0xffff0000, lo: 0 };
    case 6:
      return { hi: dice.word(), lo: 0 };
    default:
      return { hi: dice.word(), lo: dice.word() };
  }
}

/** Any 80-bit pattern, specials often. */
export function anyOperand(dice: Dice): Extended {
  const sign = dice.below(2) << 15;
  const { hi, lo } = significand(dice);
  const one = (hi | 0x80000000) >>> 0;
  switch (dice.below(24)) {
    case 0:
      return { se: sign, hi: 0, lo: 0 };
    case 1:
      return { se: sign | 0x7fff, hi: 0x80000000, lo: 0 };
    case 2:
      return { se: sign | 0x7fff, hi: (hi | 0xc0000000) >>> 0, lo };
    case 3:
      return { se: sign | 0x7fff, hi: ((hi & 0x3fffffff) | 0x80000000) >>> 0, lo: lo | 1 };
    case 4: // denormal or pseudo-denormal
      return { se: sign, hi: dice.below(4) === 0 ? one : hi & 0x7fffffff, lo };
    case 5: // unsupported
      return { se: sign | dice.pick([1, 0x3fff, 0x7fff, dice.below(0x7fff) + 1]), hi: hi & 0x7fffffff, lo };
    case 6: // smallest and largest exponents
      return { se: sign | dice.pick([1, 2, 3, 10, 64, 0x7ffe, 0x7ffd, 0x7ff0]), hi: one, lo };
    case 7:
      return { se: sign | (1 + dice.below(0x7ffe)), hi: one, lo };
    case 8: // one
      return { se: sign | 0x3fff, hi: 0x80000000, lo: 0 };
    case 9: // around the limits of single and double precision
      return {
        se:
          sign |
          (0x3fff + dice.pick([-1080, -1074, -1023, -1022, -150, -149, -127, -126, 127, 128, 1023, 1024])),
        hi: one,
        lo,
      };
    default:
      return finiteOperand(dice);
  }
}

/** A normal number of moderate exponent. */
export function finiteOperand(dice: Dice, reach = 70): Extended {
  const { hi, lo } = significand(dice);
  const se = (dice.below(2) << 15) | (0x3fff - reach + dice.below(2 * reach + 1));
  return { se, hi: (hi | 0x80000000) >>> 0, lo };
}

/** A partner for `a`: independent, or close to it, so that sums cancel and quotients are near one. */
export function partner(dice: Dice, a: Extended): Extended {
  switch (dice.below(5)) {
    case 0:
      return { se: a.se ^ (dice.below(2) << 15), hi: a.hi, lo: (a.lo ^ dice.below(4)) >>> 0 };
    case 1: {
      const exponent = (a.se & 0x7fff) + dice.below(140) - 70;
      const b = finiteOperand(dice);
      if (exponent <= 0 || exponent >= 0x7fff) return b;
      return { se: (b.se & 0x8000) | exponent, hi: b.hi, lo: b.lo };
    }
    default:
      return anyOperand(dice);
  }
}
