import { OP_HANDLER, OP_SIZE } from "./cold/micro-op.ts";
import * as L from "./layout.ts";

const CAPACITY = 1 << 19;
const BUCKETS = 1 << 17;
const NONE = 0;
/** No mode is this word. */
const NO_MODE = 0xffffffff;

/** Told when a frame gets its first block (direct write access must end), and when blocks of a frame are dropped. */
export interface CodeListener {
  marked(frame: number): void;
  dropped(frame: number): void;
}

/**
 * Decoded blocks, keyed by host-physical address and mode. Each block belongs to the frame (or the two frames) that its bytes lie in; a
 * frame with blocks is marked, and a write to its code drops the blocks that it touches: their micro-ops turn into "stale" ones, so
 * that running code and links from other blocks notice by themselves. Space is reclaimed only by `clear`, all at once.
 */
export class CodeCache {
  /** Next free byte of the arena. */
  arena = L.ARENA_BASE;
  /** Changes whenever all decoded code is dropped. */
  generation = 0;
  dropped = 0;
  decoded = 0;
  private readonly u32: Uint32Array;
  /** Chains of block ids by address and mode. */
  private readonly buckets = new Uint32Array(BUCKETS);
  private readonly nextInBucket = new Uint32Array(CAPACITY);
  private readonly hpa = new Uint32Array(CAPACITY);
  private readonly mode = new Uint32Array(CAPACITY);
  private readonly bytes = new Uint16Array(CAPACITY);
  private readonly firstOp = new Uint32Array(CAPACITY);
  private readonly opCount = new Uint16Array(CAPACITY);
  /** Second frame of a page-crossing block + 1, else 0. */
  private readonly frame2 = new Uint32Array(CAPACITY);
  /** Chains of block ids through each frame: by first and by second frame. */
  private readonly next1 = new Uint32Array(CAPACITY);
  private readonly next2 = new Uint32Array(CAPACITY);
  private readonly head1: Uint32Array;
  private readonly head2: Uint32Array;
  /** Per frame: which 64-byte granules hold decoded bytes (two words of 32). */
  private readonly granulesLow: Uint32Array;
  private readonly granulesHigh: Uint32Array;
  /** Writes that found code in a marked frame's granules but dropped none, and writes in all, since it was marked. */
  private readonly misses: Uint16Array;
  private blockCount = 1;
  private readonly staleHandler: number;
  private readonly listener: CodeListener;

  /** `frames`: of the machine. */
  constructor(u32: Uint32Array, frames: number, staleHandler: number, listener: CodeListener) {
    this.u32 = u32;
    this.head1 = new Uint32Array(frames);
    this.head2 = new Uint32Array(frames);
    this.granulesLow = new Uint32Array(frames);
    this.granulesHigh = new Uint32Array(frames);
    this.misses = new Uint16Array(frames);
    this.staleHandler = staleHandler;
    this.emptyHash();
    this.listener = listener;
  }

  /** True while the frame holds decoded code: writes to it must be told to `written`. */
  holdsCode(frame: number): boolean {
    return ((this.granulesLow[frame] as number) | (this.granulesHigh[frame] as number)) !== 0;
  }

  /** First micro-op of the block at `hpa` in `mode`, or 0. Refills the hash that generated code looks into. */
  find(hpa: number, mode: number): number {
    const { u32 } = this;
    const slot = slotOf(hpa);
    if (u32[slot] === hpa && u32[slot + 1] === mode) return u32[slot + 2] as number;
    const id = this.idOf(hpa, mode);
    if (id === NONE) return 0;
    const op = this.firstOp[id] as number;
    this.hash(hpa, mode, op);
    return op;
  }

  /** True when another block of `ops` micro-ops may be too much; then `clear` first. */
  isFull(ops: number): boolean {
    return this.arena + ops * OP_SIZE > L.SCRATCH_BASE || this.blockCount >= CAPACITY - 1;
  }

  /** Enters a block whose micro-ops were written at `firstOp`. `secondFrame` is -1 unless its bytes cross into another page. */
  add(hpa: number, mode: number, bytes: number, firstOp: number, opCount: number, secondFrame: number): void {
    const id = this.blockCount++;
    const frame = hpa >>> 12;
    this.decoded++;
    this.hpa[id] = hpa;
    this.mode[id] = mode;
    this.bytes[id] = bytes;
    this.firstOp[id] = firstOp;
    this.opCount[id] = opCount;
    this.frame2[id] = secondFrame + 1;
    this.arena = firstOp + opCount * OP_SIZE;
    this.next1[id] = this.head1[frame] as number;
    const offset = hpa & 0xfff;
    const inFirst = Math.min(bytes, 4096 - offset);
    this.mark(frame, offset, inFirst);
    this.head1[frame] = id;
    if (secondFrame >= 0) {
      this.next2[id] = this.head2[secondFrame] as number;
      this.mark(secondFrame, 0, bytes - inFirst);
      this.head2[secondFrame] = id;
    }
    const bucket = bucketOf(hpa, mode);
    this.nextInBucket[id] = this.buckets[bucket] as number;
    this.buckets[bucket] = id;
    this.hash(hpa, mode, firstOp);
  }

  /**
   * Bytes of a marked frame were written (within one page): drops the blocks that they belong to. A frame that is written to again and
   * again beside its code (data in the same page, a page used for something else) loses all its blocks, so that it is plain memory until
   * it is executed again.
   */
  written(hpa: number, size: number): void {
    const frame = hpa >>> 12;
    const first = (hpa & 0xfff) >> 6;
    const last = Math.min((hpa & 0xfff) + size - 1, 4095) >> 6;
    const limit = 64;
    this.misses[frame] = (this.misses[frame] as number) + 1;
    if ((this.misses[frame] as number) >= limit) {
      this.dropFrame(frame);
      return;
    }
    for (let g = first; g <= last; g++) {
      const word = g < 32 ? this.granulesLow : this.granulesHigh;
      if ((word[frame] as number) & (1 << (g & 31))) {
        this.dropRange(frame, hpa & 0xfff, (hpa & 0xfff) + size);
        return;
      }
    }
  }

  /** Drops every block with bytes in the frame. */
  dropFrame(frame: number): void {
    this.dropRange(frame, 0, 4096);
  }

  /** Drops the block that begins with the micro-op `op` (a page-crossing one whose second page is another now). */
  dropBlockOf(op: number): void {
    // Block ids grow with the arena, so the id is found by bisection.
    let low = 1;
    let high = this.blockCount - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.firstOp[middle] as number) <= op) low = middle;
      else high = middle - 1;
    }
    if (this.firstOp[low] === op) this.dropBlock(this.hpa[low] as number, this.mode[low] as number);
  }

  /** Drops the block at `hpa` in `mode` and what else contains its first byte. */
  dropBlock(hpa: number, mode: number): void {
    if (this.idOf(hpa, mode) === NONE) return;
    const offset = hpa & 0xfff;
    this.dropRange(hpa >>> 12, offset, offset + 1);
  }

  /** Forgets everything; micro-ops of running code included, so the caller must not return to any. */
  clear(): void {
    this.generation++;
    this.arena = L.ARENA_BASE;
    this.blockCount = 1;
    this.buckets.fill(NONE);
    this.head1.fill(0);
    this.head2.fill(0);
    this.granulesLow.fill(0);
    this.granulesHigh.fill(0);
    this.misses.fill(0);
    this.emptyHash();
  }

  private dropRange(frame: number, from: number, to: number): void {
    let low = 0;
    let high = 0;
    const keep = (start: number, end: number) => {
      for (let g = start >> 6; g <= (end - 1) >> 6; g++) {
        if (g < 32) low |= 1 << g;
        else high |= 1 << (g - 32);
      }
    };
    let previous = NONE;
    for (let id = this.head1[frame] as number; id !== NONE; ) {
      const following = this.next1[id] as number;
      const start = (this.hpa[id] as number) & 0xfff;
      const end = Math.min(start + (this.bytes[id] as number), 4096);
      if (start < to && end > from) {
        if (previous === NONE) this.head1[frame] = following;
        else this.next1[previous] = following;
        const second = this.frame2[id] as number;
        if (second !== 0) this.unlinkSecond(second - 1, id);
        this.retire(id);
      } else {
        keep(start, end);
        previous = id;
      }
      id = following;
    }
    previous = NONE;
    for (let id = this.head2[frame] as number; id !== NONE; ) {
      const following = this.next2[id] as number;
      const end = ((this.hpa[id] as number) & 0xfff) + (this.bytes[id] as number) - 4096;
      if (end > from) {
        if (previous === NONE) this.head2[frame] = following;
        else this.next2[previous] = following;
        this.unlinkFirst((this.hpa[id] as number) >>> 12, id);
        this.retire(id);
      } else {
        keep(0, end);
        previous = id;
      }
      id = following;
    }
    this.granulesLow[frame] = low;
    this.granulesHigh[frame] = high;
    this.listener.dropped(frame);
    if ((low | high) === 0) this.misses[frame] = 0;
  }

  /** The newest block there, or NONE. */
  private idOf(hpa: number, mode: number): number {
    let id = this.buckets[bucketOf(hpa, mode)] as number;
    while (id !== NONE && (this.hpa[id] !== hpa || this.mode[id] !== mode))
      id = this.nextInBucket[id] as number;
    return id;
  }

  private unlinkFirst(frame: number, id: number): void {
    this.head1[frame] = without(this.head1[frame] as number, id, this.next1);
  }
  private unlinkSecond(frame: number, id: number): void {
    this.head2[frame] = without(this.head2[frame] as number, id, this.next2);
  }

  /** Turns a block's micro-ops stale and makes it unfindable. */
  private retire(id: number): void {
    this.dropped++;
    const first = this.firstOp[id] as number;
    for (let k = 0; k < (this.opCount[id] as number); k++)
      this.u32[(first + k * OP_SIZE + OP_HANDLER) >> 2] = this.staleHandler;
    const hpa = this.hpa[id] as number;
    const mode = this.mode[id] as number;
    const bucket = bucketOf(hpa, mode);
    this.buckets[bucket] = without(this.buckets[bucket] as number, id, this.nextInBucket);
    const slot = slotOf(hpa);
    if (this.u32[slot] === hpa && this.u32[slot + 1] === mode) {
      this.u32[slot] = 0;
      this.u32[slot + 1] = NO_MODE;
      this.u32[slot + 2] = 0;
    }
  }

  /** A slot without a block has the address 0; that it is none for code at 0, in the mode without any bit, only the mode tells. */
  private emptyHash(): void {
    this.u32.fill(0, L.BLOCKS_BASE >> 2, (L.BLOCKS_BASE + L.BLOCKS_ENTRIES * L.BLOCKS_ENTRY_SIZE) >> 2);
    this.u32[slotOf(0) + 1] = NO_MODE;
  }

  private hash(hpa: number, mode: number, op: number): void {
    const slot = slotOf(hpa);
    this.u32[slot] = hpa;
    this.u32[slot + 1] = mode;
    this.u32[slot + 2] = op;
  }

  private mark(frame: number, offset: number, size: number): void {
    const fresh = !this.holdsCode(frame);
    for (let g = offset >> 6; g <= (offset + size - 1) >> 6; g++) {
      if (g < 32) this.granulesLow[frame] = (this.granulesLow[frame] as number) | (1 << g);
      else this.granulesHigh[frame] = (this.granulesHigh[frame] as number) | (1 << (g - 32));
    }
    if (fresh) this.listener.marked(frame);
  }
}

const bucketOf = (hpa: number, mode: number): number => (hpa ^ (hpa >>> 15) ^ (mode << 4)) & (BUCKETS - 1);
const slotOf = (hpa: number): number =>
  (L.BLOCKS_BASE + (((hpa ^ (hpa >>> 15)) & (L.BLOCKS_ENTRIES - 1)) << 4)) >> 2;

function without(head: number, id: number, next: Uint32Array): number {
  if (head === id) return next[id] as number;
  for (let at = head; at !== NONE; at = next[at] as number) {
    if (next[at] === id) {
      next[at] = next[id] as number;
      break;
    }
  }
  return head;
}
