import { type Gfn, type Mfn, NO_FRAME, PAGE_SHIFT, PAGE_SIZE } from "./address.ts";
import type { FrameAllocator } from "./frames.ts";

/** The legacy hole of a PC: video memory and ROMs. No RAM of the guest lies there. */
export const LEGACY_HOLE_START = 0xa0000;
export const LEGACY_HOLE_END = 0x100000;

const LAST_GFN = 0xfffff;
/** Size of a large page, 2 to the power of it: with 8-byte entries 2 MiB, with 4-byte ones 4 MiB. */
const LARGE_SHIFTS = [21, 22] as const;
export type LargeShift = (typeof LARGE_SHIFTS)[number];
const framesOf = (shift: LargeShift): number => 2 ** (shift - PAGE_SHIFT);
/** Bit 20 of an address, in a frame number. */
const A20 = 0x100;
/** Frames of two megabytes, of which address line 20 chooses one. */
const A20_PAIR = 2 * A20;

/**
 * A guest's map gfn → mfn. `table[gfn]` is the machine frame that backs a guest frame, or NO_FRAME; gfns from `table.length` on
 * are not backed. It stays the same array but for `addRegion`. RAM's frames lie in one run of the machine's memory whose start is not 0 and is aligned to 4 MiB: taking a gfn
 * for an mfn shows at once, and large host pages are possible. While address line 20 is held low (`closeA20`), each odd megabyte is the even one below
 * it: only then do two gfns have one frame.
 */
export class P2m {
  #table: Int32Array;
  /** Owner name of the frames in the allocator. */
  readonly owner: string;
  /** First frame of the run. */
  readonly base: Mfn;
  readonly sizeBytes: number;
  readonly #allocator: FrameAllocator;
  /** By piece of 2 MiB, and of 4 MiB: first mfn, if it is backed in full, contiguous and aligned; else NO_FRAME. */
  readonly #large: Readonly<Record<LargeShift, Int32Array>>;
  /** Frames of the guest's that no gfn shows at present, maybe. */
  readonly #hidden: Mfn[] = [];
  /** The table as it is with address line 20 open, while that is held low. */
  #open: Int32Array | undefined;
  #disposed = false;

  /** Takes `sizeBytes` (a multiple of 4096) of machine memory, less the legacy hole. Throws OutOfFrames, RangeError. */
  constructor(allocator: FrameAllocator, sizeBytes: number, owner: string) {
    if (!Number.isInteger(sizeBytes / PAGE_SIZE) || sizeBytes <= 0)
      throw new RangeError(`guest memory must be a positive multiple of 4096 bytes, not ${sizeBytes}`);
    const frames = sizeBytes / PAGE_SIZE;
    this.#allocator = allocator;
    this.owner = owner;
    this.sizeBytes = sizeBytes;
    this.base = allocator.allocateContiguous(frames, framesOf(22), owner);
    // Whole pairs of megabytes, so that an odd one has its place when it is the even one below it.
    this.#table = new Int32Array(Math.ceil(frames / A20_PAIR) * A20_PAIR).fill(NO_FRAME);
    const holeStart = Math.min(frames, LEGACY_HOLE_START / PAGE_SIZE);
    const holeEnd = Math.min(frames, LEGACY_HOLE_END / PAGE_SIZE);
    for (let gfn = 0; gfn < frames; gfn++) this.table[gfn] = this.base + gfn;
    this.table.fill(NO_FRAME, holeStart, holeEnd);
    if (holeEnd > holeStart) allocator.free((this.base + holeStart) as Mfn, owner, holeEnd - holeStart);
    this.#large = {
      21: new Int32Array(Math.ceil(frames / framesOf(21))),
      22: new Int32Array(Math.ceil(frames / framesOf(22))),
    };
    this.#findLarge(0, frames);
  }

  get table(): Int32Array {
    return this.#table;
  }

  /** Machine frame of a guest frame, NO_FRAME if none. */
  lookup(gfn: number): number {
    return gfn >= 0 && gfn < this.table.length ? (this.table[gfn] as number) : NO_FRAME;
  }

  /**
   * First machine frame of the aligned piece of 2 to the power of `shift` bytes that holds `gfn`, if all of it is backed, and by frames that are
   * contiguous and aligned likewise; else NO_FRAME.
   */
  lookupLarge(gfn: Gfn, shift: LargeShift): number {
    return this.#large[shift][gfn >>> (shift - PAGE_SHIFT)] ?? NO_FRAME;
  }

  /**
   * Backs a run of guest frames outside RAM (video memory, ROM) with frames of its own. Throws OutOfFrames, and RangeError where frames
   * back one of them already or the run goes beyond 4 GiB.
   */
  addRegion(firstGfn: Gfn, frames: number): void {
    const end = firstGfn + frames;
    if (end > LAST_GFN + 1) throw new RangeError(`guest frames end at 0x${LAST_GFN.toString(16)}`);
    for (let gfn = firstGfn; gfn < end; gfn++)
      if (this.lookup(gfn) !== NO_FRAME)
        throw new RangeError(`guest frame 0x${gfn.toString(16)} is backed already`);
    const mfn = this.#allocator.allocateContiguous(frames, 1, this.owner);
    if (end > this.table.length) {
      const table = new Int32Array(end).fill(NO_FRAME);
      table.set(this.table);
      this.#table = table;
    }
    for (let i = 0; i < frames; i++) this.table[firstGfn + i] = mfn + i;
  }

  /** A frame of the guest's for `replace`. Throws OutOfFrames. */
  addHidden(): Mfn {
    const mfn = this.#allocator.allocate(this.owner);
    this.#hidden.push(mfn);
    return mfn;
  }

  /** Shows another frame of the guest's at a gfn outside RAM. */
  replace(gfn: Gfn, mfn: Mfn): void {
    const old = this.lookup(gfn);
    if (old === mfn) return;
    this.#hidden.splice(this.#hidden.indexOf(mfn), 1, old as Mfn);
    if (this.#open !== undefined) this.#open[gfn] = mfn;
    this.table[gfn] = mfn;
    if (this.#open !== undefined && (gfn & A20) === 0) this.table[gfn | A20] = mfn;
  }

  get a20Closed(): boolean {
    return this.#open !== undefined;
  }

  /** The gfn that the processor reaches: without bit 20 of the address while that line is held low. */
  a20Masked(gfn: number): number {
    return this.#open === undefined ? gfn : gfn & ~A20;
  }

  /** Address line 20 is held low: every odd megabyte is the even one below it. */
  closeA20(): void {
    if (this.#open !== undefined) return;
    this.#open = this.table.slice();
    for (let gfn = A20; gfn < this.table.length; gfn += A20_PAIR) this.table.copyWithin(gfn, gfn - A20, gfn);
    for (const pieces of Object.values(this.#large)) pieces.fill(NO_FRAME);
  }

  openA20(): void {
    if (this.#open === undefined) return;
    this.table.set(this.#open);
    this.#open = undefined;
    this.#findLarge(0, this.table.length);
  }

  /** Every frame of the guest's, shown or not. */
  *frames(): Iterable<Mfn> {
    for (const mfn of this.#open ?? this.table) if (mfn !== NO_FRAME) yield mfn as Mfn;
    yield* this.#hidden;
  }

  /** Gives every frame back. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const mfn of this.frames()) this.#allocator.free(mfn, this.owner);
    this.#hidden.length = 0;
    this.#open = undefined;
    this.table.fill(NO_FRAME);
    for (const pieces of Object.values(this.#large)) pieces.fill(NO_FRAME);
  }

  /** Finds out which large pieces there are around a run of guest frames. */
  #findLarge(firstGfn: number, count: number): void {
    for (const shift of LARGE_SHIFTS) {
      const pieces = this.#large[shift];
      const frames = framesOf(shift);
      const end = Math.min(Math.ceil((firstGfn + count) / frames), pieces.length);
      for (let piece = Math.floor(firstGfn / frames); piece < end; piece++)
        pieces[piece] = this.#isLarge(piece * frames, frames) ? this.lookup(piece * frames) : NO_FRAME;
    }
  }

  #isLarge(first: number, frames: number): boolean {
    const mfn = this.lookup(first);
    if (mfn === NO_FRAME || mfn % frames !== 0) return false;
    for (let i = 1; i < frames; i++) if (this.lookup(first + i) !== mfn + i) return false;
    return true;
  }
}
