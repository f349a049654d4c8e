/**
 * Guest-physical memory as a bus master sees it. Addresses are whole numbers up to 2^53; nothing throws. What is written is seen by processors as their own
 * stores are: decoded code is dropped.
 */
export interface DmaMemory {
  /** A copy; undefined when memory does not back all of it. */
  read(gpa: number, sizeBytes: number): Uint8Array | undefined;
  /** False, and nothing is written, when memory does not back all of it. */
  write(gpa: number, bytes: Uint8Array): boolean;
  /** True exactly when memory backs all of it. */
  isBacked(gpa: number, sizeBytes: number): boolean;
}
