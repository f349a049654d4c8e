/** FSAVE to a device, byte by byte, makes 108 accesses; no instruction makes more. */
const MOST_ANSWERS = 200;
/** Words before the records of saved answers. */
const RECORDS = 4;

/**
 * Accesses of one instruction that the monitor answers (ports, MMIO). The instruction leaves at the first unanswered one and is begun
 * anew after the answer; accesses answered before are then found here, in the same order.
 */
export class Answers {
  /** Answers given and not forgotten. */
  private count = 0;

  /** No answer is held, for this instruction or an earlier one. */
  get isEmpty(): boolean {
    return this.count === 0;
  }

  private cursor = 0;
  /** The instruction the answers are for: instructions retired before it. */
  private retired = -1;
  private readonly address: number[] = [];
  /** size | access << 4 | space << 8 */
  private readonly kind: number[] = [];
  private readonly values: number[] = [];

  /** Index of the answer to this access, the next of its instruction, or -1. */
  take(retired: number, address: number, kind: number): number {
    if (this.count === 0) return -1;
    if (this.retired !== retired) {
      this.clear();
      return -1;
    }
    if (this.cursor === this.count) return -1;
    if (this.address[this.cursor] !== address || this.kind[this.cursor] !== kind) return -1;
    return this.cursor++;
  }

  value(index: number): number {
    return this.values[index] as number;
  }

  add(retired: number, address: number, kind: number, value: number): void {
    if (this.retired !== retired) this.clear();
    if (this.count === MOST_ANSWERS)
      throw new RangeError(`an instruction cannot make more than ${MOST_ANSWERS} accesses`);
    this.retired = retired;
    this.address[this.count] = address;
    this.kind[this.count] = kind;
    this.values[this.count++] = value;
  }

  /** As `outstanding`, for answers of one space only. */
  outstandingIn(space: number, retired: number): boolean {
    if (!this.outstanding(retired)) return false;
    for (let k = 0; k < this.count; k++) if ((this.kind[k] as number) >> 8 === space) return true;
    return false;
  }

  /** The instruction after `retired` others has been answered, and has not finished with the answers. */
  outstanding(retired: number): boolean {
    return this.count !== 0 && this.retired === retired;
  }

  /** Writes them to the words of a vcpu's state from word index `at` on: retired instructions, count, and three words for each. */
  save(f64: Float64Array, u32: Uint32Array, at: number): void {
    f64[at >> 1] = this.retired;
    u32[at + 2] = this.count;
    for (let k = 0; k < this.count; k++) {
      const record = at + RECORDS + 3 * k;
      u32[record] = this.address[k] as number;
      u32[record + 1] = this.kind[k] as number;
      u32[record + 2] = this.values[k] as number;
    }
  }

  load(f64: Float64Array, u32: Uint32Array, at: number): void {
    this.retired = f64[at >> 1] as number;
    this.count = Math.min(u32[at + 2] as number, MOST_ANSWERS);
    this.cursor = 0;
    for (let k = 0; k < this.count; k++) {
      const record = at + RECORDS + 3 * k;
      this.address[k] = u32[record] as number;
      this.kind[k] = u32[record + 1] as number;
      this.values[k] = u32[record + 2] as number;
    }
  }

  /** The instruction is begun anew. */
  restart(): void {
    this.cursor = 0;
  }

  clear(): void {
    this.count = 0;
    this.cursor = 0;
  }
}
