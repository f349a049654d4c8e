import { type Mfn, PAGE_SHIFT } from "../../address.ts";
import { Pte } from "../../format.ts";
import { type FrameAllocator, OutOfFrames } from "../../frames.ts";
import type { MachineMemory } from "../../machine-memory.ts";

export const SLOTS = 1024;
const NOT_USED = -1;

/** Flags of a root entry that points to a table: rights are the leaves' business; A set so that the hardware has nothing to write. */
export const TABLE_FLAGS = Pte.present | Pte.writable | Pte.user | Pte.accessed;

/** What the guest's tables said when a leaf was filled: the entries themselves, and the ledger's time. For the audit. */
export interface FillRecord {
  /** Guest directory entry; 0 with paging off. */
  readonly guestPde: number;
  /** Guest table entry; 0 with paging off or when the directory entry maps 4 MiB. */
  readonly guestPte: number;
  readonly filledAt: number;
}

/** The records of 1024 leaves, by index. */
export class FillRecords {
  readonly guestPde = new Uint32Array(SLOTS);
  readonly guestPte = new Uint32Array(SLOTS);
  readonly filledAt = new Uint32Array(SLOTS);

  set(index: number, record: FillRecord): void {
    this.guestPde[index] = record.guestPde;
    this.guestPte[index] = record.guestPte;
    this.filledAt[index] = record.filledAt;
  }

  get(index: number): FillRecord {
    return {
      guestPde: this.guestPde[index] as number,
      guestPte: this.guestPte[index] as number,
      filledAt: this.filledAt[index] as number,
    };
  }
}

/** One shadow page table: a frame in the hardware's format, and what the monitor knows about it. */
export interface ShadowTable {
  readonly mfn: Mfn;
  readonly records: FillRecords;
  /** Present leaves, and those of them that are not global. */
  present: number;
  nonGlobal: number;
  /** Some leaf is a piece of a 4 MiB page of the guest: INVLPG must drop the whole table. */
  hasPieces: boolean;
}

/**
 * The shadow's root and tables in machine frames, with a list of the directory slots in use, so that dropping everything costs as much
 * as was filled. Dropped tables are kept for the next fill, and cleared then.
 */
export class ShadowTables {
  readonly root: Mfn;
  /** Name under which the allocator books the frames. */
  readonly owner: string;
  /** Most frames that may be held, the root included. */
  readonly budget: number;
  /** Records of the large leaves in the root, by slot. */
  readonly largeRecords = new FillRecords();
  /** Every table that holds a frame. */
  readonly all: ShadowTable[] = [];
  readonly spare: ShadowTable[] = [];
  readonly #machine: MachineMemory;
  readonly #words: Int32Array;
  readonly #rootWord: number;
  readonly #frames: FrameAllocator;
  readonly #bySlot: (ShadowTable | undefined)[] = new Array<ShadowTable | undefined>(SLOTS).fill(undefined);
  readonly #used = new Int32Array(SLOTS);
  #usedCount = 0;
  readonly #placeInUsed = new Int32Array(SLOTS).fill(NOT_USED);

  /** Takes and clears the root's frame. Throws OutOfFrames. */
  constructor(machine: MachineMemory, frames: FrameAllocator, owner: string, budget: number) {
    this.#machine = machine;
    this.#words = machine.i32;
    this.#frames = frames;
    this.owner = owner;
    this.budget = budget;
    this.root = frames.allocate(owner);
    machine.clearFrame(this.root);
    this.#rootWord = machine.wordIndex(this.root);
  }

  get framesHeld(): number {
    return 1 + this.all.length;
  }

  /** Directory slots in use, in no order. */
  usedSlots(): number[] {
    return [...this.#used.subarray(0, this.#usedCount)];
  }

  tableAt(slot: number): ShadowTable | undefined {
    return this.#bySlot[slot];
  }

  rootEntry(slot: number): number {
    return (this.#words[this.#rootWord + slot] as number) >>> 0;
  }

  hasLarge(slot: number): boolean {
    return (this.rootEntry(slot) & (Pte.present | Pte.large)) === (Pte.present | Pte.large);
  }

  leaf(table: ShadowTable, index: number): number {
    return (this.#words[((table.mfn as number) << 10) + index] as number) >>> 0;
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
    this.#setRoot(slot, ((table.mfn as number) << PAGE_SHIFT) | TABLE_FLAGS);
    return table;
  }

  /** Writes a leaf; returns the entry that was there. */
  setLeaf(table: ShadowTable, index: number, entry: number, record: FillRecord): number {
    const at = ((table.mfn as number) << 10) + index;
    const old = (this.#words[at] as number) >>> 0;
    this.#words[at] = entry;
    table.records.set(index, record);
    table.present += (entry & Pte.present) - (old & Pte.present);
    table.nonGlobal += countsAsNonGlobal(entry) - countsAsNonGlobal(old);
    return old;
  }

  /** Clears a leaf; returns the entry that was there. */
  clearLeaf(table: ShadowTable, index: number): number {
    const at = ((table.mfn as number) << 10) + index;
    const old = (this.#words[at] as number) >>> 0;
    this.#words[at] = 0;
    table.present -= old & Pte.present;
    table.nonGlobal -= countsAsNonGlobal(old);
    return old;
  }

  /** Writes a large leaf into a slot without a table; returns the entry that was there. */
  setLarge(slot: number, entry: number, record: FillRecord): number {
    const old = this.rootEntry(slot);
    this.#setRoot(slot, entry);
    this.largeRecords.set(slot, record);
    return old;
  }

  /** Drops all that a slot maps; returns the number of leaves. */
  dropSlot(slot: number): number {
    const place = this.#placeInUsed[slot] as number;
    if (place === NOT_USED) return 0;
    const last = this.#used[--this.#usedCount] as number;
    this.#used[place] = last;
    this.#placeInUsed[last] = place;
    this.#placeInUsed[slot] = NOT_USED;
    this.#words[this.#rootWord + slot] = 0;
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
        if ((this.rootEntry(slot) & Pte.global) !== 0) continue;
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
    this.#frames.free(this.root, this.owner);
  }

  #grow(): ShadowTable | undefined {
    if (this.framesHeld >= this.budget) return undefined;
    let mfn: Mfn;
    try {
      mfn = this.#frames.allocate(this.owner);
    } catch (error) {
      if (error instanceof OutOfFrames) return undefined;
      throw error;
    }
    const table: ShadowTable = {
      mfn,
      records: new FillRecords(),
      present: 0,
      nonGlobal: 0,
      hasPieces: false,
    };
    this.all.push(table);
    return table;
  }

  #setRoot(slot: number, entry: number): void {
    this.#words[this.#rootWord + slot] = entry;
    if (this.#placeInUsed[slot] !== NOT_USED) return;
    this.#placeInUsed[slot] = this.#usedCount;
    this.#used[this.#usedCount++] = slot;
  }
}

function countsAsNonGlobal(entry: number): number {
  return (entry & (Pte.present | Pte.global)) === Pte.present ? 1 : 0;
}
