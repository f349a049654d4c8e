/**
 * What a boot loader needs of a guest's memory. Addresses are guest-physical, in bytes. The hole from 0xA0000 to 0xFFFFF is
 * not backed: loaders keep out of it (see `isBacked`).
 */
export interface GuestMemoryPort {
  /** Address just above the highest byte of guest memory. */
  readonly sizeBytes: number;
  write(gpa: number, bytes: Uint8Array): void;
  read(gpa: number, length: number): Uint8Array;
}

/** The range of guest-physical addresses that a PC leaves to video memory and ROMs. */
export const MEMORY_HOLE_START = 0xa0000;
export const MEMORY_HOLE_END = 0x100000;

/** One thing that a loader put into guest memory: for traces and for tests. */
export interface LoadedRegion {
  readonly name: string;
  readonly gpa: number;
  readonly sizeBytes: number;
}

/** True exactly when every byte of the range lies in guest memory and none in the memory hole. */
export function isBacked(memory: GuestMemoryPort, gpa: number, sizeBytes: number): boolean {
  const end = gpa + sizeBytes;
  if (gpa < 0 || end > memory.sizeBytes) return false;
  return end <= MEMORY_HOLE_START || gpa >= MEMORY_HOLE_END;
}

const ZEROES = new Uint8Array(1 << 16);

/** Clears a range, for the part of a program segment that its file does not hold. */
export function writeZeroes(memory: GuestMemoryPort, gpa: number, sizeBytes: number): void {
  for (let done = 0; done < sizeBytes; done += ZEROES.length) {
    memory.write(gpa + done, ZEROES.subarray(0, Math.min(ZEROES.length, sizeBytes - done)));
  }
}
