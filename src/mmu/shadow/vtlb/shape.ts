import { Cr0, Cr4 } from "../../../cpu/state.ts";
import type { ShadowFormatName } from "../../format.ts";
import type { GuestPaging } from "../../pager.ts";

/**
 * The shadow has the format of the guest's own tables, so that a slot is just what one large page of the guest maps, and NX has a bit when
 * the guest has one.
 */
export interface TableShape {
  readonly format: Extract<ShadowFormatName, "32-bit" | "PAE">;
  /** Words of 32 bits in an entry. */
  readonly entryWords: 1 | 2;
  /** A slot maps 2 to the power of this, bytes. */
  readonly slotShift: 22 | 21;
  /** Entries of the directory, and of a table. */
  readonly slots: 1024 | 2048;
  readonly leaves: 1024 | 512;
}

/** Guests of two levels, and with paging off. */
export const NARROW: TableShape = {
  format: "32-bit",
  entryWords: 1,
  slotShift: 22,
  slots: 1024,
  leaves: 1024,
};
/** Guests with PAE; the four directories count as one. */
export const WIDE: TableShape = { format: "PAE", entryWords: 2, slotShift: 21, slots: 2048, leaves: 512 };

export function shapeFor({ cr0, cr4 }: GuestPaging): TableShape {
  return (cr0 & Cr0.PG) !== 0 && (cr4 & Cr4.PAE) !== 0 ? WIDE : NARROW;
}
