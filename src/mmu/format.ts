import { Cr4 } from "../cpu/state.ts";

/** Bits of a paging-structure entry (Intel SDM vol. 3, tables 4-4 to 4-6). */
export const Pte = {
  present: 0x001,
  writable: 0x002,
  user: 0x004,
  writeThrough: 0x008,
  cacheDisable: 0x010,
  accessed: 0x020,
  dirty: 0x040,
  /** PS: in a directory entry, the entry maps a large page. */
  large: 0x080,
  global: 0x100,
  /**
   * One of the bits left to software; shadow tables only. The entry's frame number is a GUEST frame number that no machine frame
   * backs: the hardware reports the access as one to that guest-physical address (MMIO), as a processor with nested paging does for
   * a misconfigured entry, rather than as a page fault.
   */
  unbacked: 0x200,
} as const;

/** Frame address of a 4 KiB leaf or of a table, and of a 4 MiB leaf. */
export const FRAME_MASK = 0xfffff000;
export const LARGE_FRAME_MASK = 0xffc00000;
export const LARGE_PAGE_SIZE = 0x400000;
export const LARGE_OFFSET_MASK = 0x3fffff;

/** One level of a tree of tables. Masks are 32-bit words; addresses are bytes. */
export interface PagingLevel {
  /** The table's index is `indexMask` of the linear address shifted right by this. */
  readonly shift: number;
  readonly indexMask: number;
  /** Bits that must be 0 in a present entry that points to the next table, or at the last level to a page. */
  readonly reserved: number;
  /** Present where an entry with PS set maps a large page: its frame address bits, and the bits that must be 0. */
  readonly large?: { readonly frameMask: number; readonly reserved: number };
}

/**
 * A format of paging structures, as far as a walker has to know it. Only formats with 4-byte entries exist yet; 8-byte entries (PAE,
 * 4-level) will need a high word in the masks and in the entries.
 */
export interface PagingFormat {
  readonly name: string;
  readonly entryBytes: 4;
  /** From the root to the leaves. */
  readonly levels: readonly PagingLevel[];
  /** G of a leaf has a meaning (CR4.PGE). */
  readonly global: boolean;
}

/**
 * Reserved bits of 32-bit paging, as of a P6 without PSE-36 and without PAT (Intel SDM vol. 3, 4.3: checked only when CR4.PSE is set):
 * bits 12-21 of an entry that maps 4 MiB, and bit 7 of one that maps 4 KiB.
 */
export const LARGE_PDE_RESERVED = 0x003ff000;
export const PTE_RESERVED = 0x00000080;

const plain: readonly PagingLevel[] = [
  { shift: 22, indexMask: 0x3ff, reserved: 0 },
  { shift: 12, indexMask: 0x3ff, reserved: 0 },
];
const withLargePages: readonly PagingLevel[] = [
  {
    shift: 22,
    indexMask: 0x3ff,
    reserved: 0,
    large: { frameMask: LARGE_FRAME_MASK, reserved: LARGE_PDE_RESERVED },
  },
  { shift: 12, indexMask: 0x3ff, reserved: PTE_RESERVED },
];

/** By CR4.PSE and CR4.PGE. */
const formats: readonly PagingFormat[] = [
  { name: "32-bit", entryBytes: 4, levels: plain, global: false },
  { name: "32-bit PSE", entryBytes: 4, levels: withLargePages, global: false },
  { name: "32-bit PGE", entryBytes: 4, levels: plain, global: true },
  { name: "32-bit PSE PGE", entryBytes: 4, levels: withLargePages, global: true },
];

/** The format that CR4 selects. */
export function formatOf(cr4: number): PagingFormat {
  return formats[(cr4 & Cr4.PSE ? 1 : 0) | (cr4 & Cr4.PGE ? 2 : 0)] as PagingFormat;
}

/** The format of shadow tables of 32-bit guests: large and global pages are always understood. */
export const SHADOW_FORMAT: PagingFormat = formatOf(Cr4.PSE | Cr4.PGE);
