import { FIRST_SPTE } from "./list-sizes.ts";
import { type PteListCounters, PteListError } from "./pte-lists.ts";

export function newCounters(): PteListCounters {
  return { linkLoads: 0, slotVisits: 0, allocs: 0, frees: 0, bytesNow: 0, bytesPeak: 0 };
}

export const spteName = (g: number): string => `spte ${g >>> 9}[${g & 511}]`;

export function notListed(cell: number, g: number): PteListError {
  return new PteListError(`${spteName(g)} is not in list ${cell}`);
}

/** Why `g` cannot be added: it is no spte, or in a list already. */
export function refusal(cell: number, g: number, sptes: number): PteListError {
  if (!(g >= FIRST_SPTE && g < sptes))
    return new PteListError(`there is no spte ${g}: indices go from ${FIRST_SPTE} to ${sptes - 1}`);
  return new PteListError(`${spteName(g)} cannot be added to list ${cell}: it is in a list already`);
}

export function noSuchList(cell: number, cells: number): PteListError {
  return new PteListError(`there is no list ${cell}: cells go from 1 to ${cells - 1}`);
}
