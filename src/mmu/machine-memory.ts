import { PHYS_BASE } from "../cpu/layout.ts";
import { type Hpa, type Mfn, OFFSET_MASK, PAGE_SHIFT, PAGE_SIZE } from "./address.ts";

const WASM_PAGE = 0x10000;
/** A WebAssembly.Memory with 32-bit addresses ends at 4 GiB, and the engine's own area lies below physical memory. */
export const MAX_MACHINE_FRAMES = (0x1_0000_0000 - PHYS_BASE) / PAGE_SIZE;

/** A host-physical address outside the machine's memory was used: always a defect of the monitor, never of a guest. */
export class MachineAddressError extends Error {
  override readonly name = "MachineAddressError";
  readonly hpa: number;
  constructor(hpa: number, sizeBytes: number, limitBytes: number) {
    super(
      `host-physical address 0x${hpa.toString(16)} (${sizeBytes} bytes) is outside the machine's memory, which ends at 0x${limitBytes.toString(16)}`,
    );
    this.hpa = hpa;
  }
}

/**
 * The machine's one WebAssembly.Memory: the engine's area (src/cpu/layout.ts), and from byte PHYS_BASE on the machine's physical
 * memory. The views `u8` … `i32` begin at hpa 0; they are made once, and the memory never grows, so they stay valid.
 */
export class MachineMemory {
  readonly memory: WebAssembly.Memory;
  /** Frames of physical memory. */
  readonly frames: number;
  readonly sizeBytes: number;
  /** Physical memory by byte, 16-bit and 32-bit words (index: hpa, hpa >>> 1, hpa >>> 2). Unchecked: for hot code. */
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  /** By frame: 1 where there is ROM. Nothing that is written there by the processor, a device or a walker changes it; see `writtenAt`. */
  readonly readOnly: Uint8Array;
  /** The frame that gets what is written to a read-only one, where there is one. */
  readonly #behind = new Map<number, Mfn>();

  /** Throws RangeError when the number of frames is not an integer from 1 to MAX_MACHINE_FRAMES. */
  constructor(frames: number) {
    if (!Number.isInteger(frames) || frames < 1 || frames > MAX_MACHINE_FRAMES)
      throw new RangeError(
        `a machine has from 1 to ${MAX_MACHINE_FRAMES} frames of 4 KiB, ${frames} were asked for: choose a smaller memory`,
      );
    this.frames = frames;
    this.sizeBytes = frames * PAGE_SIZE;
    const pages = Math.ceil((PHYS_BASE + this.sizeBytes) / WASM_PAGE);
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const buffer = this.memory.buffer;
    this.u8 = new Uint8Array(buffer, PHYS_BASE, this.sizeBytes);
    this.u16 = new Uint16Array(buffer, PHYS_BASE, this.sizeBytes >>> 1);
    this.u32 = new Uint32Array(buffer, PHYS_BASE, this.sizeBytes >>> 2);
    this.i32 = new Int32Array(buffer, PHYS_BASE, this.sizeBytes >>> 2);
    this.readOnly = new Uint8Array(frames);
  }

  /** Reads the aligned 32-bit word at `hpa`, unsigned. */
  readHpa32(hpa: Hpa): number {
    this.#check(hpa, 4);
    return this.u32[hpa >>> 2] as number;
  }

  /** Writes the aligned 32-bit word at `hpa`. */
  writeHpa32(hpa: Hpa, value: number): void {
    this.#check(hpa, 4);
    this.u32[hpa >>> 2] = value;
  }

  /** The 4096 bytes of a frame, not copied. */
  page8(mfn: Mfn): Uint8Array {
    const at = this.#frameBytes(mfn);
    return this.u8.subarray(at, at + PAGE_SIZE);
  }

  /** The 1024 words of a frame, not copied. */
  page32(mfn: Mfn): Uint32Array {
    const at = this.#frameBytes(mfn) >>> 2;
    return this.u32.subarray(at, at + (PAGE_SIZE >>> 2));
  }

  /** Index of a frame's first word in `u32`. */
  wordIndex(mfn: Mfn): number {
    return this.#frameBytes(mfn) >>> 2;
  }

  /** Where a write to a read-only frame lands: at the same place of the frame behind it; -1 when it is lost. */
  writtenAt(hpa: number): number {
    const behind = this.#behind.get(Math.floor(hpa / PAGE_SIZE));
    return behind === undefined ? -1 : behind * PAGE_SIZE + (hpa & OFFSET_MASK);
  }

  /** Makes a frame read-only, what is written there going to another one or nowhere. */
  protectFrame(mfn: Mfn, behind?: Mfn): void {
    this.readOnly[mfn] = 1;
    if (behind === undefined) this.#behind.delete(mfn);
    else this.#behind.set(mfn, behind);
  }

  /** Makes a frame RAM again. */
  openFrame(mfn: Mfn): void {
    this.readOnly[mfn] = 0;
    this.#behind.delete(mfn);
  }

  clearFrame(mfn: Mfn): void {
    const at = this.#frameBytes(mfn);
    this.u8.fill(0, at, at + PAGE_SIZE);
  }

  contains(mfn: number): boolean {
    return mfn >= 0 && mfn < this.frames;
  }

  #frameBytes(mfn: Mfn): number {
    if (!this.contains(mfn)) throw new MachineAddressError(mfn * PAGE_SIZE, PAGE_SIZE, this.sizeBytes);
    return (mfn << PAGE_SHIFT) >>> 0;
  }

  #check(hpa: number, sizeBytes: number): void {
    if (hpa < 0 || hpa + sizeBytes > this.sizeBytes || (hpa & (sizeBytes - 1)) !== 0)
      throw new MachineAddressError(hpa, sizeBytes, this.sizeBytes);
  }
}
