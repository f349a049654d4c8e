import { Cr0 } from "../cpu/state.ts";
import { type Gfn, type Gpa, type Gva, PAGE_SHIFT } from "./address.ts";
import { FRAME_MASK, formatOf, type PagingFormat, type PagingLevel, Pte } from "./format.ts";
import type { GuestMemory } from "./guest-memory.ts";
import { type GuestPaging, type GuestWalk, PageFault } from "./pager.ts";

/** One access to linear memory. An instruction fetch is `fetch`; formats without execute-disable treat it as a read. */
export interface GuestAccess {
  readonly gva: Gva;
  readonly write: boolean;
  /** At CPL 3, and not an implicit supervisor access. */
  readonly user: boolean;
  readonly fetch?: boolean;
}

/** The entries on the path of the last walk: what the pager records, and what A and D are set in. */
export interface WalkedEntries {
  /** Entries read, from the root on; 0 with paging off. */
  depth: number;
  readonly addresses: number[];
  readonly values: number[];
}

/**
 * The software walker of a guest's own tables (Intel SDM vol. 3, 4.3, 4.6-4.8), for one access. It sees guest-physical memory only, and
 * decides exactly as the processor would: rights are combined over the path; user accesses need U and, to write, W at every level;
 * supervisor writes need W only when CR0.WP is set; the topmost offending entry names the fault. Tables outside the guest's
 * memory read as all ones.
 */
export class GuestWalker {
  readonly #memory: GuestMemory;
  /** Of the last walk or probe; valid until the next. */
  readonly path: WalkedEntries = { depth: 0, addresses: [0, 0, 0, 0], values: [0, 0, 0, 0] };

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
    if ((paging.cr0 & Cr0.PG) === 0) return unpaged(gva);
    const format = formatOf(paging.cr4);
    const tried = (access.write ? PageFault.write : 0) | (access.user ? PageFault.user : 0);
    let table = (paging.cr3 & FRAME_MASK) >>> 0;
    let rights = Pte.writable | Pte.user;
    for (const level of format.levels) {
      const address = table + ((gva >>> level.shift) & level.indexMask) * format.entryBytes;
      const entry = this.#memory.readEntry32(address);
      path.addresses[path.depth] = address;
      path.values[path.depth] = entry;
      path.depth++;
      if ((entry & Pte.present) === 0) return { kind: "fault", errorCode: tried };
      const large = level.large !== undefined && (entry & Pte.large) !== 0 ? level.large : undefined;
      if ((entry & (large ?? level).reserved) !== 0)
        return { kind: "fault", errorCode: tried | PageFault.present | PageFault.reserved };
      rights &= entry;
      if (large === undefined && level !== format.levels.at(-1)) {
        table = (entry & FRAME_MASK) >>> 0;
        continue;
      }
      if (!allowed(rights, access, paging.cr0))
        return { kind: "fault", errorCode: tried | PageFault.present };
      return mapped(gva, entry, rights, level, format, large?.frameMask);
    }
    throw new Error(`paging format ${format.name} has no levels`);
  }
}

function allowed(rights: number, access: GuestAccess, cr0: number): boolean {
  if (access.user && (rights & Pte.user) === 0) return false;
  if (!access.write || (rights & Pte.writable) !== 0) return true;
  return !access.user && (cr0 & Cr0.WP) === 0;
}

function mapped(
  gva: Gva,
  leaf: number,
  rights: number,
  level: PagingLevel,
  format: PagingFormat,
  largeMask: number | undefined,
): GuestWalk {
  const gpa = ((leaf & (largeMask ?? FRAME_MASK)) | (gva & ((1 << level.shift) - 1))) >>> 0;
  return {
    kind: "mapped",
    gfn: (gpa >>> PAGE_SHIFT) as Gfn,
    gpa: gpa as Gpa,
    writable: (rights & Pte.writable) !== 0,
    user: (rights & Pte.user) !== 0,
    global: format.global && (leaf & Pte.global) !== 0,
    dirty: (leaf & Pte.dirty) !== 0,
    level: largeMask === undefined ? 1 : 2,
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
    global: false,
    dirty: true,
    level: 1,
  };
}
