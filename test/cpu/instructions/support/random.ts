/** Deterministic pseudo-random numbers (xorshift32), so that a failure comes back. */
export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed | 0 || 1;
  }

  /** Unsigned 32 bits. */
  word(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }

  below(limit: number): number {
    return this.word() % limit;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }

  /** 32 bits, often a value at which carries, signs or shifts change behaviour. */
  operand(): number {
    if (this.below(3) !== 0) return this.word();
    const edges = [
      0, 1, 2, 7, 9, 0xf, 0x10, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000,
    ];
    const value = this.pick(edges);
    return (this.below(2) === 0 ? value : ~value) >>> 0;
  }
}
