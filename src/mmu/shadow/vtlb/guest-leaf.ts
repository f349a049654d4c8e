import { Cr0, Cr4, Efer } from "../../../cpu/state.ts";
import { type Gva, PAGE_SHIFT } from "../../address.ts";
import {
  HIGH_FRAME_MASK,
  LARGE_FRAME_MASK,
  largeFrame36,
  largePdeReserved,
  NO_EXECUTE,
  PAE_HIGH_RESERVED,
  PagingFeature,
  Pte,
  page2mReserved,
  pteReserved,
} from "../../format.ts";
import type { GuestPaging } from "../../pager.ts";

/** What a guest's entries give, read from their raw values. */
export interface GuestLeaf {
  readonly gfn: number;
  readonly writable: boolean;
  readonly user: boolean;
  readonly executable: boolean;
  readonly global: boolean;
  readonly dirty: boolean;
  /** A is set at every level. */
  readonly accessed: boolean;
  /** The guest maps it by a page of 2 to the power of this, bytes. */
  readonly pageShift: 12 | 21 | 22;
}

/** Raw words of a path of two entries; high words are 0 in 4-byte ones. */
export interface GuestEntries {
  readonly guestPde: number;
  readonly guestPdeHigh: number;
  readonly guestPte: number;
  readonly guestPteHigh: number;
}

/** What raw guest entries give; undefined when they map nothing. Does not use the walker, so that each checks the other. */
export function decodeGuestLeaf(paging: GuestPaging, gva: Gva, entries: GuestEntries): GuestLeaf | undefined {
  if ((paging.cr0 & Cr0.PG) === 0)
    return {
      gfn: gva >>> PAGE_SHIFT,
      writable: true,
      user: true,
      executable: true,
      global: false,
      dirty: true,
      accessed: true,
      pageShift: 22,
    };
  return (paging.cr4 & Cr4.PAE) === 0 ? decodeNarrow(paging, gva, entries) : decodeWide(paging, gva, entries);
}

function decodeNarrow(paging: GuestPaging, gva: Gva, entries: GuestEntries): GuestLeaf | undefined {
  const { guestPde, guestPte } = entries;
  const { cr4, features = 0 } = paging;
  if ((guestPde & Pte.present) === 0) return undefined;
  const pse = (cr4 & Cr4.PSE) !== 0;
  if (pse && (guestPde & Pte.large) !== 0) {
    if ((guestPde & largePdeReserved(features)) !== 0) return undefined;
    const first =
      features & PagingFeature.pse36 ? largeFrame36(guestPde) : (guestPde & LARGE_FRAME_MASK) >>> PAGE_SHIFT;
    return leafOf(cr4, guestPde, guestPde, 0, first | ((gva >>> PAGE_SHIFT) & 0x3ff), 22);
  }
  if ((guestPte & Pte.present) === 0 || (pse && (guestPte & pteReserved(features)) !== 0)) return undefined;
  return leafOf(cr4, guestPde, guestPte, 0, guestPte >>> PAGE_SHIFT, 12);
}

function decodeWide(paging: GuestPaging, gva: Gva, entries: GuestEntries): GuestLeaf | undefined {
  const { guestPde, guestPdeHigh, guestPte, guestPteHigh } = entries;
  const { cr4, efer, features = 0 } = paging;
  const highReserved = PAE_HIGH_RESERVED | (efer & Efer.NXE ? 0 : NO_EXECUTE);
  if ((guestPde & Pte.present) === 0 || (guestPdeHigh & highReserved) !== 0) return undefined;
  if ((guestPde & Pte.large) !== 0) {
    if ((guestPde & page2mReserved(features)) !== 0) return undefined;
    const gfn = (wideFrame(guestPde, guestPdeHigh) & ~0x1ff) | ((gva >>> PAGE_SHIFT) & 0x1ff);
    return leafOf(cr4, guestPde, guestPde, guestPdeHigh, gfn, 21);
  }
  if ((guestPte & Pte.present) === 0) return undefined;
  if (((guestPte & pteReserved(features)) | (guestPteHigh & highReserved)) !== 0) return undefined;
  const gfn = wideFrame(guestPte, guestPteHigh);
  return leafOf(cr4, guestPde, guestPte, guestPdeHigh | guestPteHigh, gfn, 12);
}

function leafOf(
  cr4: number,
  pde: number,
  last: number,
  highs: number,
  gfn: number,
  pageShift: GuestLeaf["pageShift"],
): GuestLeaf {
  const both = pde & last;
  return {
    gfn,
    writable: (both & Pte.writable) !== 0,
    user: (both & Pte.user) !== 0,
    executable: (highs & NO_EXECUTE) === 0,
    global: (last & Pte.global) !== 0 && (cr4 & Cr4.PGE) !== 0,
    dirty: (last & Pte.dirty) !== 0,
    accessed: (both & Pte.accessed) !== 0,
    pageShift,
  };
}

const wideFrame = (low: number, high: number): number =>
  (low >>> PAGE_SHIFT) | ((high & HIGH_FRAME_MASK) << 20);
