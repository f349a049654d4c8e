/**
 * Accesses of one instruction that the monitor answers (ports, MMIO). The instruction leaves at the first unanswered one and is begun
 * anew after the answer; accesses answered before are then found here, in the same order.
 */
export class Answers {
  private count = 0;
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
    this.retired = retired;
    this.address[this.count] = address;
    this.kind[this.count] = kind;
    this.values[this.count++] = value;
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
