import type { Mfn } from "../../address.ts";
import type { FrameAllocator } from "../../frames.ts";
import { OutOfFrames } from "../../frames.ts";
import type { MachineMemory } from "../../machine-memory.ts";
import { ActiveList } from "./active-list.ts";
import { PageHash } from "./page-hash.ts";
import { isDirect, type Level, levelOf } from "./role.ts";

export const SPTES = 512;
/** Words of the unsync bitmap of a page. */
const BITMAP_WORDS = SPTES / 32;

export const sidOf = (g: number): number => g >>> 9;
export const slotOf = (g: number): number => g & 511;
export const spteAt = (sid: number, slot: number): number => (sid << 9) | slot;

/** Flags of a page. */
export const PageFlag = {
  /** In use: on the active list. */
  live: 1,
  /** Its guest table is writable by the guest at present. */
  unsync: 2,
  /** Zapped: waits for the flush, then it is freed. */
  zapping: 4,
} as const;

/**
 * The shadow pages: one machine frame of 512 eight-byte sptes each, and what is known of it in parallel arrays. A page is named by its id
 * (sid, from 1 on), an spte by its global index g = sid * 512 + slot. Frames are taken from the machine one by one and kept as
 * spares when a page is freed.
 */
export class ShadowPages {
  /** Highest sid. */
  readonly capacity: number;
  /** Name under which the allocator books the frames. */
  readonly owner: string;
  readonly gfn: Uint32Array;
  readonly role: Uint32Array;
  readonly generation: Uint32Array;
  readonly flags: Uint8Array;
  readonly floodCount: Uint8Array;
  readonly rootCount: Uint16Array;
  /** Root pointers that the page has been loaded into since it was taken, one bit each. */
  readonly rootIndexes: Uint8Array;
  readonly unsyncChildren: Uint16Array;
  readonly unsyncBits: Uint32Array;
  /** Memory slots that leaves of the page have touched, one bit each. */
  readonly slotBits: Uint32Array;
  /** By g: gfn that a leaf of an indirect page maps. */
  readonly leafGfn: Uint32Array;
  /** By sid: machine frame, 0 if the page has none. */
  readonly frame: Int32Array;
  readonly hash: PageHash;
  readonly active: ActiveList;
  /** Pages in use, those that wait to be freed not counted. */
  used = 0;
  /** Pages in use or waiting that have a guest table behind them, less those invalid. */
  indirect = 0;
  readonly #words: Uint32Array;
  readonly #machine: MachineMemory;
  readonly #frames: FrameAllocator;
  /** By machine frame: sid, 0 for frames that are none of ours. */
  readonly #byFrame: Int32Array;
  /** Ids with a frame, and ids without. */
  readonly #spare: number[] = [];
  readonly #bare: number[] = [];

  constructor(machine: MachineMemory, frames: FrameAllocator, owner: string, capacity: number) {
    this.capacity = capacity;
    this.owner = owner;
    this.#machine = machine;
    this.#words = machine.u32;
    this.#frames = frames;
    const n = capacity + 1;
    this.gfn = new Uint32Array(n);
    this.role = new Uint32Array(n);
    this.generation = new Uint32Array(n);
    this.flags = new Uint8Array(n);
    this.floodCount = new Uint8Array(n);
    this.rootCount = new Uint16Array(n);
    this.rootIndexes = new Uint8Array(n);
    this.unsyncChildren = new Uint16Array(n);
    this.unsyncBits = new Uint32Array(n * BITMAP_WORDS);
    this.slotBits = new Uint32Array(n);
    this.leafGfn = new Uint32Array(n * SPTES);
    this.frame = new Int32Array(n);
    this.hash = new PageHash(n);
    this.active = new ActiveList(n);
    this.#byFrame = new Int32Array(machine.frames);
    for (let sid = capacity; sid > 0; sid--) this.#bare.push(sid);
  }

  /** Bytes of the parallel arrays. */
  get arrayBytes(): number {
    const arrays = [
      this.gfn,
      this.role,
      this.generation,
      this.flags,
      this.floodCount,
      this.rootCount,
      this.rootIndexes,
      this.unsyncChildren,
      this.unsyncBits,
      this.slotBits,
      this.leafGfn,
      this.frame,
      this.#byFrame,
    ];
    return arrays.reduce((sum, array) => sum + array.byteLength, this.hash.bytes + this.active.bytes);
  }

  /** Frames held, used ones and spares. */
  get framesHeld(): number {
    return this.capacity - this.#bare.length;
  }
  get spares(): number {
    return this.#spare.length;
  }

  level(sid: number): Level {
    return levelOf(this.role[sid] as number);
  }
  isDirect(sid: number): boolean {
    return isDirect(this.role[sid] as number);
  }
  isUnsync(sid: number): boolean {
    return ((this.flags[sid] as number) & PageFlag.unsync) !== 0;
  }
  isLive(sid: number): boolean {
    return ((this.flags[sid] as number) & PageFlag.live) !== 0;
  }

  /** Low and high word of an spte. */
  lo(g: number): number {
    return this.#words[this.#at(g)] as number;
  }
  hi(g: number): number {
    return this.#words[this.#at(g) + 1] as number;
  }
  /** All sptes of a page, two words each: a live view, for passes over the whole page. */
  words(sid: number): Uint32Array {
    const first = (this.frame[sid] as number) << 10;
    return this.#words.subarray(first, first + 2 * SPTES);
  }
  /** The frame is in the high part of a non-present entry before P is. */
  write(g: number, lo: number, hi: number): void {
    const at = this.#at(g);
    this.#words[at + 1] = hi;
    this.#words[at] = lo;
  }
  clear(g: number): void {
    const at = this.#at(g);
    this.#words[at] = 0;
    this.#words[at + 1] = 0;
  }

  /** Page whose frame an spte leads to; 0 when it is no page of ours. */
  target(lo: number): number {
    return this.#byFrame[lo >>> 12] ?? 0;
  }

  /** The page that covers the same addresses one level below `g`, or 0 if `g` is no link. */
  child(g: number): number {
    const lo = this.lo(g);
    return (lo & 0x881) === 1 && this.level(sidOf(g)) > 1 ? this.target(lo) : 0;
  }

  /** gfn that a leaf maps. */
  leafGfnOf(g: number): number {
    const sid = sidOf(g);
    return this.isDirect(sid) ? this.directGfn(sid, slotOf(g)) : (this.leafGfn[g] as number);
  }
  /** gfn at a slot of a direct page. */
  directGfn(sid: number, slot: number): number {
    return (this.gfn[sid] as number) + slot * 2 ** (9 * (this.level(sid) - 1));
  }

  /** Makes sure that `count` pages can be taken. False when the machine has no more frames, or no id is left. */
  reserve(count: number): boolean {
    while (this.#spare.length < count) {
      const sid = this.#bare.at(-1);
      if (sid === undefined) return false;
      let mfn: Mfn;
      try {
        mfn = this.#frames.allocate(this.owner);
      } catch (error) {
        if (error instanceof OutOfFrames) return false;
        throw error;
      }
      this.#bare.pop();
      this.frame[sid] = mfn;
      this.#byFrame[mfn] = sid;
      this.#spare.push(sid);
    }
    return true;
  }

  /** A cleared page on the active list and in the hash. Something must have been reserved. */
  take(gfn: number, role: number, generation: number): number {
    const sid = this.#spare.pop();
    if (sid === undefined) throw new Error("a shadow page was taken that had not been reserved");
    this.#machine.clearFrame(this.frame[sid] as Mfn);
    this.gfn[sid] = gfn;
    this.role[sid] = role;
    this.generation[sid] = generation;
    this.flags[sid] = PageFlag.live;
    this.floodCount[sid] = 0;
    this.rootCount[sid] = 0;
    this.rootIndexes[sid] = 0;
    this.unsyncChildren[sid] = 0;
    this.unsyncBits.fill(0, sid * BITMAP_WORDS, (sid + 1) * BITMAP_WORDS);
    this.slotBits[sid] = 0;
    this.active.pushFront(sid);
    this.hash.add(gfn, sid);
    this.used++;
    if (!isDirect(role)) this.indirect++;
    return sid;
  }

  /** Off the active list and out of the account; the frame stays until `free`, for the hardware may still walk it. */
  retire(sid: number): void {
    this.active.remove(sid);
    this.flags[sid] = PageFlag.zapping;
    this.used--;
  }

  /** After the flush. */
  free(sid: number): void {
    this.hash.remove(this.gfn[sid] as number, sid);
    this.flags[sid] = 0;
    this.#spare.push(sid);
  }

  /** Gives spare frames back to the machine until at most `keep` are left. */
  returnSpares(keep: number): void {
    while (this.#spare.length > keep) {
      const sid = this.#spare.pop() as number;
      this.#giveFrame(sid);
      this.#bare.push(sid);
    }
  }

  /** Gives every frame back; nothing may be used afterwards. */
  dispose(): void {
    for (let sid = 1; sid <= this.capacity; sid++) if (this.frame[sid] !== 0) this.#giveFrame(sid);
  }

  testUnsyncBit(g: number): boolean {
    return ((this.unsyncBits[g >>> 5] as number) & (1 << (g & 31))) !== 0;
  }
  /** Returns whether the bit was clear. */
  setUnsyncBit(g: number): boolean {
    if (this.testUnsyncBit(g)) return false;
    this.unsyncBits[g >>> 5] = (this.unsyncBits[g >>> 5] as number) | (1 << (g & 31));
    const sid = sidOf(g);
    this.unsyncChildren[sid] = (this.unsyncChildren[sid] as number) + 1;
    return true;
  }
  clearUnsyncBit(g: number): void {
    if (!this.testUnsyncBit(g)) return;
    this.unsyncBits[g >>> 5] = (this.unsyncBits[g >>> 5] as number) & ~(1 << (g & 31));
    const sid = sidOf(g);
    this.unsyncChildren[sid] = (this.unsyncChildren[sid] as number) - 1;
  }

  /** Ids that are neither used nor waiting. */
  freeIds(): number[] {
    return [...this.#spare, ...this.#bare];
  }

  #at(g: number): number {
    return ((this.frame[g >>> 9] as number) << 10) | ((g & 511) << 1);
  }

  #giveFrame(sid: number): void {
    const mfn = this.frame[sid] as Mfn;
    this.#byFrame[mfn] = 0;
    this.frame[sid] = 0;
    this.#frames.free(mfn, this.owner);
  }
}
