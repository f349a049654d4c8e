import type { Core, HelperOp } from "../core.ts";
import { linearAddress, probeWriteRange, SegmentAccess } from "../system/segmentation.ts";

/** What FSTENV (14 bytes) and FSAVE (94) store with operands of 16 bits are words and 80-bit registers at even places. */
const isOfWords = (size: number): boolean => size === 14 || size === 94;

/** At multiples of what an operand must lie where alignment is checked (Intel SDM vol. 3, table 6-7). */
const alignmentOf = (size: number): number =>
  size === 2 || isOfWords(size) ? 2 : size === 8 || size === 10 ? 8 : 4;

/**
 * The memory operand of the running instruction, byte-wise in a buffer of the unit. Reading throws before anything has
 * changed; `prepareWrite` throws whatever the later write would, so that a faulting instruction can be begun anew.
 */
export class OperandMemory {
  /** Largest operand: the 108 bytes of FNSAVE. */
  readonly bytes = new Uint8Array(108);
  readonly words16 = new Uint16Array(this.bytes.buffer);
  readonly words32 = new Uint32Array(this.bytes.buffer);

  /** Reads `size` bytes of the operand into the buffer. */
  read(core: Core, op: HelperOp, size: number): void {
    const linear = linearAddress(core, op.segment, op.offset, size, SegmentAccess.read);
    const memory = core.memory;
    let at = 0;
    memory.requireAligned(linear, alignmentOf(size));
    if (isOfWords(size))
      for (; at < size; at += 2) this.words16[at >> 1] = memory.read16((linear + at) >>> 0, false);
    for (; at + 4 <= size; at += 4) this.words32[at >> 2] = memory.read32((linear + at) >>> 0, false);
    if (at < size) this.words16[at >> 1] = memory.read16((linear + at) >>> 0, false);
  }

  /** Linear address of an operand of `size` bytes about to be written. */
  prepareWrite(core: Core, op: HelperOp, size: number): number {
    const linear = linearAddress(core, op.segment, op.offset, size, SegmentAccess.write);
    core.memory.requireAligned(linear, alignmentOf(size));
    probeWriteRange(core, linear, size, false);
    return linear;
  }

  /** Writes `size` bytes of the buffer at an address from `prepareWrite`. */
  write(core: Core, linear: number, size: number): void {
    const memory = core.memory;
    let at = 0;
    if (isOfWords(size))
      for (; at < size; at += 2) memory.write16((linear + at) >>> 0, this.words16[at >> 1] as number, false);
    for (; at + 4 <= size; at += 4)
      memory.write32((linear + at) >>> 0, this.words32[at >> 2] as number, false);
    if (at < size) memory.write16((linear + at) >>> 0, this.words16[at >> 1] as number, false);
  }
}
