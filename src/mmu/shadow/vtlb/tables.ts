import { type Mfn, PAGE_SHIFT } from "../../address.ts";
import { Pte } from "../../format.ts";
import { type FrameAllocator, OutOfFrames } from "../../frames.ts";
import type { MachineMemory } from "../../machine-memory.ts";
import { type FillRecord, FillRecords } from "./records.ts";
import { NARROW, type TableShape, WIDE } from "./shape.ts";

const NOT_USED = -1;
const FRAME_WORDS = 1024;
/** Of the directory in the larger of its shapes; the pointers of PAE follow in a frame of their own. */
const DIRECTORY_FRAMES = 4;
const ROOT_FRAMES = DIRECTORY_FRAMES + 1;

/** Flags of a directory entry that points to a table: rights are the leaves' business; A set so that the hardware has nothing to write. */
export const TABLE_FLAGS = Pte.present | Pte.writable | Pte.user | Pte.accessed;

/** One shadow page table: a frame in the hardware's format, and what the monitor knows about it. */
export interface ShadowTable {
  readonly mfn: Mfn;
  readonly records: FillRecords;
  /** Present leaves, and those of them that are not global. */
  present: number;
  nonGlobal: number;
  /** Some leaf is a piece of a large page of the guest: INVLPG must drop the whole table. */
  hasPieces: boolean;
}

/**
 * The shadow's directory and tables in machine frames, with a list of the directory's slots in use, so that dropping everything costs as
 * much as was filled. Dropped tables are kept for the next fill, and cleared then. An entry is a low word, and where entries have 8 bytes a
 * high one.
 */
export class ShadowTables {
  /** Name under which the allocator books the frames. */
  readonly owner: string;
  /** Most page tables that there may be. */
  readonly budget: number;
  /** Records of the large leaves in the directory, by slot. */
  readonly largeRecords = new FillRecords(DIRECTORY_FRAMES * FRAME_WORDS);
  /** Every table that holds a frame. */
  readonly all: ShadowTable[] = [];
  readonly spare: ShadowTable[] = [];
  /** First frame of the directory; that of the pointers is the last of the root's. */
  readonly directory: Mfn;
  #shape: TableShape = NARROW;
  readonly #machine: MachineMemory;
  readonly #words: Int32Array;
  readonly #directoryWord: number;
  readonly #frames: FrameAllocator;
  readonly #bySlot: (ShadowTable | undefined)[];
  readonly #used = new Int32Array(WIDE.slots);
  #usedCount = 0;
  readonly #placeInUsed = new Int32Array(WIDE.slots).fill(NOT_USED);

  /** Takes and clears the root's frames. Throws OutOfFrames. */
  constructor(machine: MachineMemory, frames: FrameAllocator, owner: string, budget: number) {
    this.#machine = machine;
    this.#words = machine.i32;
    this.#frames = frames;
    this.owner = owner;
    this.budget = budget;
    this.#bySlot = new Array<ShadowTable | undefined>(WIDE.slots).fill(undefined);
    this.directory = frames.allocateContiguous(ROOT_FRAMES, 1, owner);
    this.#directoryWord = machine.wordIndex(this.directory);
    for (const mfn of this.rootFrames()) machine.clearFrame(mfn);
    for (let gib = 0; gib < DIRECTORY_FRAMES; gib++)
      this.#words[machine.wordIndex(this.#pointers) + 2 * gib] = this.pointer(gib);
  }

  get framesHeld(): number {
    return ROOT_FRAMES + this.all.length;
  }

  get shape(): TableShape {
    return this.#shape;
  }

  /** What the hardware begins at: the directory, or with PAE the four pointers to its frames. */
  get root(): Mfn {
    return this.#shape === NARROW ? this.directory : this.#pointers;
  }

  /** Frames of the directory and of the pointers. */
  rootFrames(): Mfn[] {
    return Array.from({ length: ROOT_FRAMES }, (_, i) => (this.directory + i) as Mfn);
  }

  /** The pointer (low word) that PAE has for a GiB of linear addresses. */
  pointer(gib: number): number {
    return (((this.directory + gib) << PAGE_SHIFT) | Pte.present) >>> 0;
  }

  /** Directory slots in use, in no order. */
  usedSlots(): number[] {
    return [...this.#used.subarray(0, this.#usedCount)];
  }

  /** Drops everything; from now on entries have another shape, and `root` is another. Returns the number of leaves dropped. */
  reshape(shape: TableShape): number {
    const dropped = this.dropAll();
    this.#shape = shape;
    return dropped;
  }

  tableAt(slot: number): ShadowTable | undefined {
    return this.#bySlot[slot];
  }

  slotOf(gva: number): number {
    return gva >>> this.#shape.slotShift;
  }

  /** Which leaf of its table maps an address. */
  indexOf(gva: number): number {
    return (gva >>> PAGE_SHIFT) & (this.#shape.leaves - 1);
  }

  /** Words of the directory entry of a slot. */
  slotEntry(slot: number): number {
    return (this.#words[this.#directoryWord + slot * this.#shape.entryWords] as number) >>> 0;
  }
  slotEntryHigh(slot: number): number {
    return this.#shape === NARROW ? 0 : (this.#words[this.#directoryWord + slot * 2 + 1] as number) >>> 0;
  }

  hasLarge(slot: number): boolean {
    return (this.slotEntry(slot) & (Pte.present | Pte.large)) === (Pte.present | Pte.large);
  }

  /** Words of a leaf. */
  leaf(table: ShadowTable, index: number): number {
    return (this.#words[this.#leafWord(table, index)] as number) >>> 0;
  }
  leafHigh(table: ShadowTable, index: number): number {
    return this.#shape === NARROW ? 0 : (this.#words[this.#leafWord(table, index) + 1] as number) >>> 0;
  }

  /** The table of an empty slot is made: undefined when the budget or the machine's memory is spent. */
  acquire(slot: number): ShadowTable | undefined {
    const table = this.spare.pop() ?? this.#grow();
    if (table === undefined) return undefined;
    this.#machine.clearFrame(table.mfn);
    table.present = 0;
    table.nonGlobal = 0;
    table.hasPieces = false;
    this.#bySlot[slot] = table;
    this.#setSlot(slot, ((table.mfn as number) << PAGE_SHIFT) | TABLE_FLAGS, 0);
    return table;
  }

  setLeaf(table: ShadowTable, index: number, entry: number, high: number, record: FillRecord): void {
    const at = this.#leafWord(table, index);
    const old = this.#words[at] as number;
    this.#words[at] = entry;
    if (this.#shape !== NARROW) this.#words[at + 1] = high;
    table.records.set(index, this.#shape.entryWords, record);
    table.present += (entry & Pte.present) - (old & Pte.present);
    table.nonGlobal += countsAsNonGlobal(entry) - countsAsNonGlobal(old);
  }

  clearLeaf(table: ShadowTable, index: number): void {
    const at = this.#leafWord(table, index);
    const old = this.#words[at] as number;
    this.#words[at] = 0;
    if (this.#shape !== NARROW) this.#words[at + 1] = 0;
    table.present -= old & Pte.present;
    table.nonGlobal -= countsAsNonGlobal(old);
  }

  /** Writes a large leaf into a slot without a table. */
  setLarge(slot: number, entry: number, high: number, record: FillRecord): void {
    this.#setSlot(slot, entry, high);
    this.largeRecords.set(slot, this.#shape.entryWords, record);
  }

  /** Drops all that a slot maps; returns the number of leaves. */
  dropSlot(slot: number): number {
    const place = this.#placeInUsed[slot] as number;
    if (place === NOT_USED) return 0;
    const last = this.#used[--this.#usedCount] as number;
    this.#used[place] = last;
    this.#placeInUsed[last] = place;
    this.#placeInUsed[slot] = NOT_USED;
    this.#writeSlot(slot, 0, 0);
    const table = this.#bySlot[slot];
    if (table === undefined) return 1;
    this.#bySlot[slot] = undefined;
    this.spare.push(table);
    return table.present;
  }

  dropAll(): number {
    let dropped = 0;
    while (this.#usedCount > 0) dropped += this.dropSlot(this.#used[this.#usedCount - 1] as number);
    return dropped;
  }

  /** Drops every slot that maps anything not global. `lostGlobal`: global leaves went with them. */
  dropNonGlobal(): { dropped: number; lostGlobal: boolean } {
    let dropped = 0;
    let lostGlobal = false;
    for (let i = this.#usedCount - 1; i >= 0; i--) {
      const slot = this.#used[i] as number;
      const table = this.#bySlot[slot];
      if (table === undefined) {
        if ((this.slotEntry(slot) & Pte.global) !== 0) continue;
      } else {
        if (table.nonGlobal === 0 && table.present > 0) continue;
        if (table.nonGlobal !== table.present) lostGlobal = true;
      }
      dropped += this.dropSlot(slot);
    }
    return { dropped, lostGlobal };
  }

  /** Gives all frames back; nothing may be used afterwards. */
  dispose(): void {
    this.dropAll();
    for (const table of this.all) this.#frames.free(table.mfn, this.owner);
    this.all.length = 0;
    this.spare.length = 0;
    this.#frames.free(this.directory, this.owner, ROOT_FRAMES);
  }

  get #pointers(): Mfn {
    return (this.directory + DIRECTORY_FRAMES) as Mfn;
  }

  #leafWord(table: ShadowTable, index: number): number {
    return ((table.mfn as number) << 10) + index * this.#shape.entryWords;
  }

  #grow(): ShadowTable | undefined {
    if (this.all.length >= this.budget) return undefined;
    let mfn: Mfn;
    try {
      mfn = this.#frames.allocate(this.owner);
    } catch (error) {
      if (error instanceof OutOfFrames) return undefined;
      throw error;
    }
    const table: ShadowTable = {
      mfn,
      records: new FillRecords(FRAME_WORDS),
      present: 0,
      nonGlobal: 0,
      hasPieces: false,
    };
    this.all.push(table);
    return table;
  }

  #setSlot(slot: number, entry: number, high: number): void {
    this.#writeSlot(slot, entry, high);
    if (this.#placeInUsed[slot] !== NOT_USED) return;
    this.#placeInUsed[slot] = this.#usedCount;
    this.#used[this.#usedCount++] = slot;
  }

  #writeSlot(slot: number, entry: number, high: number): void {
    const at = this.#directoryWord + slot * this.#shape.entryWords;
    this.#words[at] = entry;
    if (this.#shape !== NARROW) this.#words[at + 1] = high;
  }
}

function countsAsNonGlobal(entry: number): number {
  return (entry & (Pte.present | Pte.global)) === Pte.present ? 1 : 0;
}
