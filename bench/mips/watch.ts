import { BEGIN_BYTE, CHECKSUM_BYTES, END_BYTE } from "./kernels.ts";

/** One run of a kernel on one contestant. */
export interface KernelRun {
  /** Of the measured part. */
  readonly instructions: number;
  readonly wallMs: number;
  readonly checksum: number;
}

/** Listens to COM1 of a kernel and takes the time between its marks. */
export class KernelWatch {
  readonly #count: () => number;
  #beganAt = 0;
  #firstCount = 0;
  #run: { instructions: number; wallMs: number } | undefined;
  readonly #checksum: number[] = [];

  /** `count` tells the instructions executed so far; it may wrap at 2^32. */
  constructor(count: () => number) {
    this.#count = count;
  }

  /** A byte has come. Returns true when it was the last one. */
  byte(value: number): boolean {
    const now = performance.now();
    if (this.#run !== undefined) return this.#checksum.push(value & 0xff) === CHECKSUM_BYTES;
    if (value === BEGIN_BYTE) {
      this.#firstCount = this.#count();
      this.#beganAt = performance.now();
    } else if (value === END_BYTE) {
      this.#run = { instructions: (this.#count() - this.#firstCount) % 2 ** 32, wallMs: now - this.#beganAt };
      if (this.#run.instructions < 0) this.#run.instructions += 2 ** 32;
    }
    return false;
  }

  /** Throws Error when the kernel has not come to its end. */
  result(): KernelRun {
    if (this.#run === undefined || this.#checksum.length < CHECKSUM_BYTES)
      throw new Error("the kernel stopped before its end");
    const checksum = new DataView(Uint8Array.from(this.#checksum).buffer).getUint32(0, true);
    return { ...this.#run, checksum };
  }
}
