import { NO_EXECUTE, Pte, Right } from "../../format.ts";

/** Bits of a shadow entry that are left to software: our own. */
export const Spte = {
  /** The host allows writes to the frame. */
  hostWritable: 0x200,
  /** The guest's tables allow writes and no table is protected by this entry; W alone may also be taken by the dirty log. */
  mmuWritable: 0x400,
} as const;

/** A link gives every right: rights are settled in the leaf. */
export const LINK_FLAGS = Pte.present | Pte.writable | Pte.user | Pte.accessed;

/** Maps memory or leads to a table: not empty, and not one that stands for MMIO. Low word. */
export function isPresent(lo: number): boolean {
  return (lo & (Pte.present | Pte.unbacked)) === Pte.present;
}

/** Stands for a guest-physical address that no frame backs. Low word. */
export function isMmio(lo: number): boolean {
  return (lo & (Pte.present | Pte.unbacked)) === (Pte.present | Pte.unbacked);
}

/** What an entry itself allows, as Right bits. */
export function rightsOf(lo: number, hi: number): number {
  return (lo & (Pte.writable | Pte.user)) | ((hi & NO_EXECUTE) === 0 ? Right.execute : 0);
}

/** High word of a leaf with these rights. Machine frames need no bit of it. */
export function highOf(access: number): number {
  return (access & Right.execute) === 0 ? NO_EXECUTE : 0;
}

/** True when `lo`, `hi` allow less than `oldLo`, `oldHi` did, or something else: cached translations must go. */
export function narrows(oldLo: number, oldHi: number, lo: number, hi: number): boolean {
  if ((oldLo & Pte.present) === 0) return false;
  if ((lo & Pte.present) === 0 || (oldLo ^ lo) >>> 12 !== 0 || ((oldLo ^ lo) & Pte.unbacked) !== 0)
    return true;
  return (rightsOf(oldLo, oldHi) & ~rightsOf(lo, hi)) !== 0 || (lo & ~oldLo & Pte.lent) !== 0;
}
