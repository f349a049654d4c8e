import type { DmaMemory } from "../devices/dma.ts";
import type { Gpa } from "../mmu/address.ts";
import type { GuestMemory } from "../mmu/guest-memory.ts";

const ADDRESSES = 2 ** 32;

/** A vm's memory for its bus masters. `wrote` is called after each write, for pagers that keep shadows of tables. */
export class GuestDma implements DmaMemory {
  readonly #memory: GuestMemory;
  readonly #wrote: (gpa: Gpa, sizeBytes: number) => void;

  constructor(memory: GuestMemory, wrote: (gpa: Gpa, sizeBytes: number) => void) {
    this.#memory = memory;
    this.#wrote = wrote;
  }

  isBacked(gpa: number, sizeBytes: number): boolean {
    return gpa + sizeBytes <= ADDRESSES && this.#memory.isBacked(gpa as Gpa, sizeBytes);
  }

  read(gpa: number, sizeBytes: number): Uint8Array | undefined {
    return this.isBacked(gpa, sizeBytes) ? this.#memory.readBytes(gpa as Gpa, sizeBytes) : undefined;
  }

  write(gpa: number, bytes: Uint8Array): boolean {
    if (!this.isBacked(gpa, bytes.length)) return false;
    this.#memory.writeBytes(gpa as Gpa, bytes);
    this.#wrote(gpa as Gpa, bytes.length);
    return true;
  }
}
