import { Cr4, Efer } from "../cpu/state.ts";
import { PAGE_SHIFT } from "./address.ts";

/** Bits of the low word of a paging-structure entry (Intel SDM vol. 3, tables 4-4 to 4-20): the same in all formats. */
export const Pte = {
  present: 0x001,
  writable: 0x002,
  user: 0x004,
  writeThrough: 0x008,
  cacheDisable: 0x010,
  /**
   * In the place of PWT, which shadow tables never use; leaves of shadow tables only. The page is the guest's user page, lent to the supervisor
   * for writing (CR0.WP clear): U is clear, but what SMEP and SMAP keep the supervisor from still holds.
   */
  lent: 0x008,
  accessed: 0x020,
  dirty: 0x040,
  /** PS: in an entry of a directory, the entry maps a large page. */
  large: 0x080,
  global: 0x100,
  /**
   * One of the bits left to software; shadow tables only (bits 9 and 10 are the pager's own). The entry's frame number is a GUEST
   * frame number that no machine frame backs: the hardware reports the access as one to that guest-physical address (MMIO), as a
   * processor with nested paging does for a misconfigured entry, rather than as a page fault.
   */
  unbacked: 0x800,
} as const;

/** Bit 63 of an 8-byte entry, in its high word: no instruction may be fetched from there (with EFER.NXE; reserved without). */
export const NO_EXECUTE = 0x80000000 | 0;

/**
 * What a path of entries allows. W and U have the places that they have in an entry, and execute that of P, so that W and U of paths
 * combine by AND of the entries themselves.
 */
export const Right = {
  execute: 1,
  write: Pte.writable,
  user: Pte.user,
  /** No right: the mark of a leaf that is lent, in its place of shadow entries. */
  lent: Pte.lent,
} as const;
export const ALL_RIGHTS = Right.execute | Right.write | Right.user;

/** Frame address of a 4 KiB leaf or of a table, and of a 4 MiB leaf, in 4-byte entries. */
export const FRAME_MASK = 0xfffff000;
export const LARGE_FRAME_MASK = 0xffc00000;
export const LARGE_PAGE_SIZE = 0x400000;
export const LARGE_OFFSET_MASK = 0x3fffff;

/** Width of physical addresses in bits (MAXPHYADDR), of guests and of the machine: that of every P6 with PAE. */
export const PHYSICAL_ADDRESS_BITS = 36;
/** Bits of a frame number that lie in the high word of an 8-byte entry: its lowest ones. */
export const HIGH_FRAME_MASK = (1 << (PHYSICAL_ADDRESS_BITS - 32)) - 1;

/** CPUID leaf 1 EDX: what a processor may have of which the meaning of entries depends. */
export const PagingFeature = { pat: 1 << 16, pse36: 1 << 17 } as const;

/** PAT of a large page (bit 12) and of a 4 KiB page (bit 7, the place of PS): memory types, held and not acted upon. */
const LARGE_PAT = 0x1000;
/** Address bits 32-35 of a 4 MiB page (PSE-36): bits 13-16 of its entry. */
const PSE36_SHIFT = 13;
const PSE36_MASK = HIGH_FRAME_MASK << PSE36_SHIFT;

/**
 * Reserved bits of 32-bit paging (Intel SDM vol. 3, 4.3: checked only when CR4.PSE is set): of an entry that maps 4 MiB bits 12-21 but PAT
 * and, with PSE-36, the address bits that there are; of one that maps 4 KiB bit 7, unless it is PAT.
 */
export function largePdeReserved(features: number): number {
  const pat = features & PagingFeature.pat ? LARGE_PAT : 0;
  const address = features & PagingFeature.pse36 ? PSE36_MASK : 0;
  return 0x003ff000 & ~(pat | address);
}
export const pteReserved = (features: number): number => (features & PagingFeature.pat ? 0 : Pte.large);

/** Reserved bits of entries that map 2 MiB and 1 GiB: 12-20 and 12-29, but PAT. */
export const page2mReserved = (features: number): number =>
  0x001ff000 & ~(features & PagingFeature.pat ? LARGE_PAT : 0);
export const page1gReserved = (features: number): number =>
  0x3ffff000 & ~(features & PagingFeature.pat ? LARGE_PAT : 0);

/**
 * Reserved bits in the high word of an entry: from MAXPHYADDR to 62 with PAE, to 51 in 4-level tables (the rest is ignored); bit 63 without
 * EFER.NXE (Intel SDM vol. 3, 4.4.2, 4.5.4).
 */
export const PAE_HIGH_RESERVED = 0x7fffffff & ~HIGH_FRAME_MASK;
export const LONG_HIGH_RESERVED = 0x000fffff & ~HIGH_FRAME_MASK;

/** Reserved bits of a page-directory-pointer-table entry with PAE (table 4-8): 1, 2, 5-8 and from MAXPHYADDR on. */
export const PDPTE_RESERVED = 0x1e6;
export const PDPTE_HIGH_RESERVED = ~HIGH_FRAME_MASK;

/** Bits that must be 0 in a present entry: of its low and of its high word. */
interface Reserved {
  readonly reserved: number;
  readonly reservedHigh: number;
}

/** One level of a tree of tables. */
export interface PagingLevel extends Reserved {
  /** As the literature counts: 1 holds the entries of 4 KiB pages. */
  readonly level: 1 | 2 | 3 | 4;
  /** One entry maps 2 to the power of this, bytes; the table's index is `indexMask` of the linear address shifted right by it. */
  readonly shift: number;
  readonly indexMask: number;
  /** Present where an entry with PS set maps a large page. `pse36`: bits 13-16 of the entry are bits 32-35 of its address. */
  readonly large?: Reserved & { readonly pse36?: boolean };
}

/** A format of paging structures, as far as a walker has to know it. */
export interface PagingFormat {
  readonly name: string;
  readonly entryBytes: 4 | 8;
  /** From the root to the leaves. With `pointerTable`, from the page directories. */
  readonly levels: readonly PagingLevel[];
  /** PAE: the root is a table of four pointers, one a GiB, latched when CR3 is loaded. They give no rights and have no A. */
  readonly pointerTable: boolean;
  /** G of a leaf has a meaning (CR4.PGE). */
  readonly global: boolean;
  /** Bit 63 forbids fetches, and page faults of fetches say so (EFER.NXE; formats with 8-byte entries). */
  readonly executeDisable: boolean;
}

function twoLevels(largePages: boolean, features: number): readonly PagingLevel[] {
  const pse36 = (features & PagingFeature.pse36) !== 0;
  const large = { reserved: largePdeReserved(features), reservedHigh: 0, pse36 };
  const reserved = largePages ? pteReserved(features) : 0;
  return [
    { level: 2, shift: 22, indexMask: 0x3ff, reserved: 0, reservedHigh: 0, ...(largePages && { large }) },
    { level: 1, shift: 12, indexMask: 0x3ff, reserved, reservedHigh: 0 },
  ];
}

/** Page directory and page table of 8-byte entries. */
const wideLevels = (reservedHigh: number, features: number): readonly PagingLevel[] => [
  {
    level: 2,
    shift: 21,
    indexMask: 0x1ff,
    reserved: 0,
    reservedHigh,
    large: { reserved: page2mReserved(features), reservedHigh },
  },
  { level: 1, shift: 12, indexMask: 0x1ff, reserved: pteReserved(features), reservedHigh },
];

const fourLevels = (reservedHigh: number, features: number): readonly PagingLevel[] => [
  // PS of the topmost entries is reserved (table 4-15).
  { level: 4, shift: 39, indexMask: 0x1ff, reserved: Pte.large, reservedHigh },
  {
    level: 3,
    shift: 30,
    indexMask: 0x1ff,
    reserved: 0,
    reservedHigh,
    large: { reserved: page1gReserved(features), reservedHigh },
  },
  ...wideLevels(reservedHigh, features),
];

function narrow(largePages: boolean, global: boolean, features: number): PagingFormat {
  return {
    name: `32-bit${largePages ? " PSE" : ""}${global ? " PGE" : ""}`,
    entryBytes: 4,
    levels: twoLevels(largePages, features),
    pointerTable: false,
    global,
    executeDisable: false,
  };
}

function wide(long: boolean, global: boolean, executeDisable: boolean, features: number): PagingFormat {
  const reservedHigh = (long ? LONG_HIGH_RESERVED : PAE_HIGH_RESERVED) | (executeDisable ? 0 : NO_EXECUTE);
  return {
    name: `${long ? "4-level" : "PAE"}${global ? " PGE" : ""}${executeDisable ? " NX" : ""}`,
    entryBytes: 8,
    levels: long ? fourLevels(reservedHigh, features) : wideLevels(reservedHigh, features),
    pointerTable: !long,
    global,
    executeDisable,
  };
}

/** Every combination of the PagingFeatures, by `features >>> 16 & 3`. */
const FEATURE_SETS = [0, 1, 2, 3].map((n) => n << 16);
/** By features, then CR4.PSE and CR4.PGE. */
const NARROW_FORMATS = FEATURE_SETS.map((features) =>
  [0, 1, 2, 3].map((n) => narrow((n & 1) !== 0, (n & 2) !== 0, features)),
);
/** By features, then EFER.LMA, CR4.PGE and EFER.NXE. */
const WIDE_FORMATS = FEATURE_SETS.map((features) =>
  [0, 1, 2, 3, 4, 5, 6, 7].map((n) => wide((n & 4) !== 0, (n & 2) !== 0, (n & 1) !== 0, features)),
);

/** The format that CR4 and EFER select (Intel SDM vol. 3, 4.1.1) on a processor with these features (CPUID leaf 1 EDX). */
export function formatOf(cr4: number, efer = 0, features = 0): PagingFormat {
  const set = (features >>> 16) & 3;
  if ((cr4 & Cr4.PAE) === 0)
    return (NARROW_FORMATS[set] as PagingFormat[])[
      (cr4 & Cr4.PSE ? 1 : 0) | (cr4 & Cr4.PGE ? 2 : 0)
    ] as PagingFormat;
  const index = (efer & Efer.LMA ? 4 : 0) | (cr4 & Cr4.PGE ? 2 : 0) | (efer & Efer.NXE ? 1 : 0);
  return (WIDE_FORMATS[set] as PagingFormat[])[index] as PagingFormat;
}

/** Formats that the machine's walker knows for shadow tables. */
export const SHADOW_FORMAT_NAMES = ["32-bit", "PAE", "4-level"] as const;
export type ShadowFormatName = (typeof SHADOW_FORMAT_NAMES)[number];

/**
 * Of shadow tables large and global pages and, with 8-byte entries, execute-disable are always understood; 4 MiB pages have PSE-36, for
 * guest-physical addresses above 4 GiB that no frame backs.
 */
export const SHADOW_FORMATS: Readonly<Record<ShadowFormatName, PagingFormat>> = {
  "32-bit": formatOf(Cr4.PSE | Cr4.PGE, 0, PagingFeature.pse36),
  PAE: formatOf(Cr4.PAE | Cr4.PGE, Efer.NXE),
  "4-level": formatOf(Cr4.PAE | Cr4.PGE, Efer.NXE | Efer.LMA),
};

/**
 * Frame number in an entry: of the next table and of a 4 KiB page (`shift` 12), or the first of a large page of 2 to the power of `shift`
 * bytes. Fits 24 bits.
 */
export function frameOf(low: number, high: number, shift: number): number {
  return ((low >>> 12) | ((high & HIGH_FRAME_MASK) << 20)) & (-1 << (shift - 12));
}

/** The same for an entry at a level of a format; `large`: it maps a large page. */
export function frameIn(level: PagingLevel, large: boolean, low: number, high: number): number {
  if (!large) return frameOf(low, high, PAGE_SHIFT);
  return level.large?.pse36 === true ? largeFrame36(low) : frameOf(low, high, level.shift);
}

/** First frame of a 4 MiB page with PSE-36. */
export const largeFrame36 = (low: number): number =>
  ((low & LARGE_FRAME_MASK) >>> PAGE_SHIFT) | ((low & PSE36_MASK) << (20 - PSE36_SHIFT));

/** Address bits of an entry that maps 4 MiB from `frame` on, with PSE-36. */
export const largeEntry36 = (frame: number): number =>
  ((frame << PAGE_SHIFT) & LARGE_FRAME_MASK) | ((frame >>> (20 - PSE36_SHIFT)) & PSE36_MASK);
