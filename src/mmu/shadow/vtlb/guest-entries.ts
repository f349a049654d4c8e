import { Cr0, Cr4 } from "../../../cpu/state.ts";
import { type Gva, PAGE_SHIFT, PAGE_SIZE } from "../../address.ts";
import { FRAME_MASK, frameOf, Pte } from "../../format.ts";
import type { PagerContext } from "../context.ts";
import type { FillRecord } from "./records.ts";

/** The guest's entries for an address, just as they are: of a path that a walk has found good. `filledAt` goes into the record. */
export function guestEntries({ paging, memory }: PagerContext, gva: Gva, filledAt: number): FillRecord {
  if ((paging.cr0 & Cr0.PG) === 0)
    return { guestPde: 0, guestPdeHigh: 0, guestPte: 0, guestPteHigh: 0, filledAt };
  if ((paging.cr4 & Cr4.PAE) !== 0) {
    const pointer = (gva >>> 30) << 1;
    const directory = tableOf(paging.pdptes[pointer] as number, paging.pdptes[pointer + 1] as number);
    const pdeAt = directory + ((gva >>> 21) & 0x1ff) * 8;
    const guestPde = memory.readEntry32(pdeAt);
    const guestPdeHigh = memory.readEntry32(pdeAt + 4);
    if ((guestPde & Pte.large) !== 0)
      return { guestPde, guestPdeHigh, guestPte: 0, guestPteHigh: 0, filledAt };
    const pteAt = tableOf(guestPde, guestPdeHigh) + ((gva >>> PAGE_SHIFT) & 0x1ff) * 8;
    const guestPte = memory.readEntry32(pteAt);
    return { guestPde, guestPdeHigh, guestPte, guestPteHigh: memory.readEntry32(pteAt + 4), filledAt };
  }
  const guestPde = memory.readEntry32(((paging.cr3 & FRAME_MASK) >>> 0) + (gva >>> 22) * 4);
  const isLarge = (paging.cr4 & Cr4.PSE) !== 0 && (guestPde & Pte.large) !== 0;
  const guestPte = isLarge
    ? 0
    : memory.readEntry32(((guestPde & FRAME_MASK) >>> 0) + ((gva >>> PAGE_SHIFT) & 0x3ff) * 4);
  return { guestPde, guestPdeHigh: 0, guestPte, guestPteHigh: 0, filledAt };
}

/** Guest-physical address of the table that an 8-byte entry names: up to 36 bits. */
const tableOf = (low: number, high: number): number => frameOf(low, high, PAGE_SHIFT) * PAGE_SIZE;
