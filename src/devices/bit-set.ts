/** Sets of small numbers as words of 32 bits. */

/** Number of the highest bit set, -1 if none. */
export function highest(words: readonly number[]): number {
  for (let n = 7; n >= 0; n--) {
    const word = words[n] as number;
    if (word !== 0) return n * 32 + 31 - Math.clz32(word);
  }
  return -1;
}

export const hasBit = (words: readonly number[], bit: number): boolean =>
  (((words[bit >> 5] as number) >>> (bit & 31)) & 1) !== 0;

export function setBit(words: number[], bit: number, value: boolean): void {
  const word = words[bit >> 5] as number;
  words[bit >> 5] = value ? word | (1 << (bit & 31)) : word & ~(1 << (bit & 31));
}
