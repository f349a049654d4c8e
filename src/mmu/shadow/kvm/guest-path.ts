import { Cr0, Cr4 } from "../../../cpu/state.ts";
import type { Gva } from "../../address.ts";
import { ALL_RIGHTS, Right } from "../../format.ts";
import type { GuestMemory } from "../../guest-memory.ts";
import { type GuestPaging, PageFault } from "../../pager.ts";
import { accessOf } from "../../reflect.ts";
import { GuestWalker } from "../../walker.ts";
import type { Level } from "./role.ts";

/**
 * A walk of the guest's tables for one fault, and what it found at each level: needed to build the shadow of the path, and to notice that
 * the guest's tables have changed since. Arrays are indexed by level (1 is the last table).
 */
export class GuestPath {
  readonly #memory: GuestMemory;
  readonly #walker: GuestWalker;
  /** Entries have 8 bytes. */
  #wide = false;
  /** Level of the entry that maps the page; with paging off 2. */
  level: Level = 1;
  /** Level of the first table read; `level` with paging off. */
  topLevel: Level = 1;
  /** Of the 4 KiB page. */
  gfn = 0;
  gpa = 0;
  /** What the leaf may allow: rights of the whole path, without W while D is clear. */
  leafAccess = 0;
  /** Error code for the guest after a walk that was refused. */
  errorCode = 0;
  /** gfn of the table, address of the entry in it, and the entry (with A and D as the walk left them). */
  readonly table = [0, 0, 0, 0, 0];
  readonly #address = [0, 0, 0, 0, 0];
  readonly lo = [0, 0, 0, 0, 0];
  readonly hi = [0, 0, 0, 0, 0];
  /** What the entries ABOVE a table allow: no more may be inherited by its shadow, for others may share it. */
  readonly tableAccess = [0, 0, 0, 0, 0];

  constructor(memory: GuestMemory) {
    this.#memory = memory;
    this.#walker = new GuestWalker(memory);
  }

  /** Walks for the access of a page fault, setting A and D as the processor would. False: the guest's tables refuse it. */
  walk(gva: Gva, errorCode: number, paging: GuestPaging): boolean {
    const found = this.#walker.walk(accessOf(gva, errorCode), paging);
    if (found.kind === "fault") {
      this.errorCode = found.errorCode;
      return false;
    }
    this.gfn = found.gfn;
    this.gpa = found.gpa;
    if ((paging.cr0 & Cr0.PG) === 0) {
      this.level = 2;
      this.topLevel = 2;
      this.leafAccess = ALL_RIGHTS;
      return true;
    }
    const { path } = this.#walker;
    this.#wide = (paging.cr4 & Cr4.PAE) !== 0;
    this.level = found.level;
    this.topLevel = path.levels[0] as Level;
    this.leafAccess = found.dirty ? path.rights : path.rights & ~Right.write;
    for (let step = 0; step < path.depth; step++) {
      const level = path.levels[step] as Level;
      this.table[level] = path.tables[step] as number;
      this.#address[level] = path.addresses[step] as number;
      this.lo[level] = path.values[step] as number;
      this.hi[level] = path.highs[step] as number;
      this.tableAccess[level] = path.above[step] as number;
    }
    return true;
  }

  /** Whether the entry of that level is still the one that was walked. */
  unchanged(level: Level): boolean {
    const address = this.#address[level] as number;
    if (this.#memory.readEntry32(address) !== this.lo[level]) return false;
    return !this.#wide || this.#memory.readEntry32(address + 4) === this.hi[level];
  }

  /** Whether one of the tables of the walk lies in a run of gfns. */
  usesTableIn(firstGfn: number, pages: number): boolean {
    for (let level = this.level; level <= this.topLevel; level++) {
      const table = this.table[level] as number;
      if (table >= firstGfn && table < firstGfn + pages) return true;
    }
    return false;
  }
}

/** The access that a page fault is about writes. */
export const isWrite = (errorCode: number): boolean => (errorCode & PageFault.write) !== 0;
export const isUser = (errorCode: number): boolean => (errorCode & PageFault.user) !== 0;
