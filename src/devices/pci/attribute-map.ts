import type { PciFunction } from "./function.ts";

/** Programmable attribute map registers of the host bridge, PAM0 to PAM6 (Intel 82441FX datasheet, 3.2.11). */
export const PAM = 0x59;
export const PAM_REGISTERS = 7;
const READ_ENABLE = 1;
const WRITE_ENABLE = 2;

/** A part of C0000 to FFFFF: what it reads, and whether writes reach RAM. */
export interface AttributedSegment {
  readonly gpa: number;
  readonly sizeBytes: number;
  readonly readsRam: boolean;
  readonly writesRam: boolean;
}

interface Segment {
  readonly gpa: number;
  readonly sizeBytes: number;
  readonly register: number;
  readonly shift: 0 | 4;
}

/** PAM0 has the top 64 KiB in its upper half; PAM1 to PAM6 two segments of 16 KiB each, from C0000 on. */
const SEGMENTS: readonly Segment[] = [
  { gpa: 0xf0000, sizeBytes: 0x10000, register: PAM, shift: 4 },
  ...Array.from({ length: 12 }, (_, n): Segment => {
    const register = PAM + 1 + (n >> 1);
    return { gpa: 0xc0000 + n * 0x4000, sizeBytes: 0x4000, register, shift: (n & 1) === 0 ? 0 : 4 };
  }),
];

/** Follows the host bridge's registers; `changed` is called for each segment whose bits software has changed. */
export class AttributeMap {
  readonly #bridge: PciFunction;
  readonly #changed: (segment: AttributedSegment) => void;
  #bits: readonly number[];

  constructor(bridge: PciFunction, changed: (segment: AttributedSegment) => void) {
    this.#bridge = bridge;
    this.#changed = changed;
    this.#bits = this.#read();
    bridge.onWrite = (offset, sizeBytes) => {
      if (offset < PAM + PAM_REGISTERS && offset + sizeBytes > PAM) this.#update();
    };
  }

  #update(): void {
    const before = this.#bits;
    this.#bits = this.#read();
    for (const [n, { gpa, sizeBytes }] of SEGMENTS.entries()) {
      const bits = this.#bits[n] as number;
      if (bits === before[n]) continue;
      const readsRam = (bits & READ_ENABLE) !== 0;
      const writesRam = (bits & WRITE_ENABLE) !== 0;
      this.#changed({ gpa, sizeBytes, readsRam, writesRam });
    }
  }

  #read(): number[] {
    return SEGMENTS.map(
      ({ register, shift }) => (this.#bridge.read(register, 1) >> shift) & (READ_ENABLE | WRITE_ENABLE),
    );
  }
}
