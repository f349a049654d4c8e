import type { GuestMemoryPort } from "../../src/guest/memory-port.ts";

/** Guest memory for loader tests: a write to the memory hole or beyond the end is an error. */
export class TestMemory implements GuestMemoryPort {
  readonly sizeBytes: number;
  private readonly bytes: Uint8Array;

  constructor(mebibytes: number) {
    this.sizeBytes = mebibytes << 20;
    this.bytes = new Uint8Array(this.sizeBytes).fill(0xcc);
  }

  write(gpa: number, bytes: Uint8Array): void {
    this.check(gpa, bytes.length);
    this.bytes.set(bytes, gpa);
  }

  read(gpa: number, length: number): Uint8Array {
    this.check(gpa, length);
    return this.bytes.slice(gpa, gpa + length);
  }

  u32(gpa: number): number {
    return new DataView(this.bytes.buffer).getUint32(gpa, true);
  }

  text(gpa: number): string {
    return Buffer.from(this.bytes.subarray(gpa, this.bytes.indexOf(0, gpa))).toString("latin1");
  }

  private check(gpa: number, length: number): void {
    if (gpa < 0 || gpa + length > this.sizeBytes || (gpa + length > 0xa0000 && gpa < 0x100000)) {
      throw new RangeError(`access to 0x${gpa.toString(16)}, ${length} bytes`);
    }
  }
}
