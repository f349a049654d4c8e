/**
 * Devices whose registers are 32-bit words. A read of fewer bytes gives a part of the word; writes must be of whole words, others are lost, as APICs
 * do it (Intel SDM vol. 3, 10.4.1).
 */
export function readWord(offset: number, sizeBytes: number, read: (offset: number) => number): number {
  const value = read(offset & ~3) >>> (8 * (offset & 3));
  return sizeBytes >= 4 ? value : value & (2 ** (8 * sizeBytes) - 1);
}

export function writeWord(
  offset: number,
  sizeBytes: number,
  value: number,
  write: (offset: number, value: number) => void,
): void {
  if (sizeBytes === 4 && (offset & 3) === 0) write(offset, value);
}
