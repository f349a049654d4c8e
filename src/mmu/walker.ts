import { Cr0, Cr4 } from "../cpu/state.ts";
import { type Gfn, type Gpa, type Gva, OFFSET_MASK, PAGE_SHIFT, PAGE_SIZE } from "./address.ts";
import {
  ALL_RIGHTS,
  formatOf,
  frameIn,
  frameOf,
  NO_EXECUTE,
  type PagingFormat,
  type PagingLevel,
  Pte,
  Right,
} from "./format.ts";
import type { GuestMemory } from "./guest-memory.ts";
import { type GuestPaging, type GuestWalk, PageFault } from "./pager.ts";

/** One access to linear memory. An instruction fetch is `fetch`; formats without execute-disable treat it as a read. */
export interface GuestAccess {
  /** Of a guest in long mode: the low 48 bits. */
  readonly gva: Gva;
  readonly write: boolean;
  /** At CPL 3, and not an implicit supervisor access. */
  readonly user: boolean;
  readonly fetch?: boolean;
  /** A supervisor's access to data for which EFLAGS.AC does not lift SMAP: AC is clear, or the access is implicit. */
  readonly guarded?: boolean;
}

/**
 * The entries on the path of the last walk: what a pager records, and what A and D are set in. Entry `i` of each list belongs to the table
 * at step `i` from the root; the latched pointers of PAE are no step.
 */
export interface WalkedEntries {
  /** Entries read, from the root on; 0 with paging off. */
  depth: number;
  /** Of the table that the entry lies in, as the literature counts: 1 is the last one. */
  readonly levels: (1 | 2 | 3 | 4)[];
  /** The table that the entry lies in. */
  readonly tables: Gfn[];
  /** Guest-physical address of the entry. */
  readonly addresses: number[];
  /** The entry (after a walk: with A and D as set by it), unsigned: low word, and high word of 8-byte entries. */
  readonly values: number[];
  readonly highs: number[];
  /** Right bits that the entries above allow: what may be done at all through the table that the entry lies in. */
  readonly above: number[];
  /** Right bits of the whole path, the last entry included. */
  rights: number;
}

/**
 * The software walker of a guest's own tables (Intel SDM vol. 3, 4.3-4.8), for one access, in all formats: two-level, PAE, 4-level. It sees
 * guest-physical memory only, and decides exactly as the processor would: rights are combined over the path; user accesses need
 * U and, to write, W at every level; supervisor writes need W only when CR0.WP is set; fetches need NX clear at every level;
 * CR4.SMEP and SMAP keep the supervisor from users' pages; the topmost offending entry names the fault. Tables outside the guest's
 * memory read as all ones.
 */
export class GuestWalker {
  readonly #memory: GuestMemory;
  /** Of the last walk or probe; valid until the next. */
  readonly path: WalkedEntries = {
    depth: 0,
    levels: [1, 1, 1, 1],
    tables: [0, 0, 0, 0] as Gfn[],
    addresses: [0, 0, 0, 0],
    values: [0, 0, 0, 0],
    highs: [0, 0, 0, 0],
    above: [0, 0, 0, 0],
    rights: 0,
  };

  constructor(memory: GuestMemory) {
    this.#memory = memory;
  }

  /** As the processor walks: when the access is allowed, sets A on the path and, for a write, D in the leaf. */
  walk(access: GuestAccess, paging: GuestPaging): GuestWalk {
    const found = this.probe(access, paging);
    if (found.kind === "fault" || this.path.depth === 0) return found;
    const leaf = this.path.depth - 1;
    for (let i = 0; i <= leaf; i++) {
      const value = this.path.values[i] as number;
      const updated = (value | Pte.accessed | (access.write && i === leaf ? Pte.dirty : 0)) >>> 0;
      if (updated === value) continue;
      this.path.values[i] = updated;
      this.#memory.writeEntry32(this.path.addresses[i] as number, updated);
    }
    return access.write && !found.dirty ? { ...found, dirty: true } : found;
  }

  /** What `walk` would say, changing nothing; `dirty` is D as it stands. */
  probe(access: GuestAccess, paging: GuestPaging): GuestWalk {
    const { gva } = access;
    const path = this.path;
    path.depth = 0;
    path.rights = ALL_RIGHTS;
    if ((paging.cr0 & Cr0.PG) === 0) return unpaged(gva);
    const format = formatOf(paging.cr4, paging.efer, paging.features);
    const smep = (paging.cr4 & Cr4.SMEP) !== 0;
    const tried =
      (access.write ? PageFault.write : 0) |
      (access.user ? PageFault.user : 0) |
      (access.fetch === true && (format.executeDisable || smep) ? PageFault.fetch : 0);
    let table = paging.cr3 >>> PAGE_SHIFT;
    if (format.pointerTable) {
      const pointer = (gva >>> 30) << 1;
      const low = paging.pdptes[pointer] as number;
      if ((low & Pte.present) === 0) return { kind: "fault", errorCode: tried };
      table = frameOf(low, paging.pdptes[pointer + 1] as number, PAGE_SHIFT);
    }
    const wide = format.entryBytes === 8;
    for (const level of format.levels) {
      const address = table * PAGE_SIZE + indexOf(gva, level) * format.entryBytes;
      const entry = this.#memory.readEntry32(address);
      const high = wide ? this.#memory.readEntry32(address + 4) : 0;
      const step = path.depth++;
      path.levels[step] = level.level;
      path.tables[step] = table as Gfn;
      path.addresses[step] = address;
      path.values[step] = entry;
      path.highs[step] = high;
      path.above[step] = path.rights;
      if ((entry & Pte.present) === 0) return { kind: "fault", errorCode: tried };
      const large = (entry & Pte.large) !== 0 ? level.large : undefined;
      const { reserved, reservedHigh } = large ?? level;
      if (((entry & reserved) | (high & reservedHigh)) !== 0)
        return { kind: "fault", errorCode: tried | PageFault.present | PageFault.reserved };
      path.rights &= (entry & ~Right.execute) | ((high & NO_EXECUTE) === 0 ? Right.execute : 0);
      if (large === undefined && level.level !== 1) {
        table = frameOf(entry, high, PAGE_SHIFT);
        continue;
      }
      if (!allowed(path.rights, access, paging))
        return { kind: "fault", errorCode: tried | PageFault.present };
      return mapped(gva, entry, high, path.rights, level, format);
    }
    throw new Error(`paging format ${format.name} has no last level`);
  }
}

/** Index into the table of a level. */
function indexOf(gva: number, level: PagingLevel): number {
  if (gva <= 0xffffffff) return level.shift < 32 ? (gva >>> level.shift) & level.indexMask : 0;
  return Math.floor(gva / 2 ** level.shift) & level.indexMask;
}

function allowed(rights: number, access: GuestAccess, { cr0, cr4 }: GuestPaging): boolean {
  if (access.fetch === true && (rights & Right.execute) === 0) return false;
  if (access.user && (rights & Right.user) === 0) return false;
  if (!access.user && (rights & Right.user) !== 0) {
    if (access.fetch === true && (cr4 & Cr4.SMEP) !== 0) return false;
    if (access.guarded === true && (cr4 & Cr4.SMAP) !== 0) return false;
  }
  if (!access.write || (rights & Right.write) !== 0) return true;
  return !access.user && (cr0 & Cr0.WP) === 0;
}

function mapped(
  gva: Gva,
  leaf: number,
  high: number,
  rights: number,
  level: PagingLevel,
  format: PagingFormat,
): GuestWalk {
  const inPage = (gva >>> PAGE_SHIFT) & ((1 << (level.shift - PAGE_SHIFT)) - 1);
  const gfn = frameIn(level, level.level !== 1, leaf, high) | inPage;
  return {
    kind: "mapped",
    gfn: gfn as Gfn,
    gpa: (gfn * PAGE_SIZE + (gva & OFFSET_MASK)) as Gpa,
    writable: (rights & Right.write) !== 0,
    user: (rights & Right.user) !== 0,
    executable: (rights & Right.execute) !== 0,
    global: format.global && (leaf & Pte.global) !== 0,
    dirty: (leaf & Pte.dirty) !== 0,
    level: level.level as 1 | 2 | 3,
  };
}

/** Paging is off: linear is physical, and everything is allowed. */
function unpaged(gva: Gva): GuestWalk {
  return {
    kind: "mapped",
    gfn: (gva >>> PAGE_SHIFT) as Gfn,
    gpa: (gva >>> 0) as number as Gpa,
    writable: true,
    user: true,
    executable: true,
    global: false,
    dirty: true,
    level: 1,
  };
}
