import { type PteListCounters, PteListError } from "./pte-lists.ts";

export function newCounters(): PteListCounters {
  return { linkLoads: 0, slotVisits: 0, allocs: 0, frees: 0, bytesNow: 0, bytesPeak: 0 };
}

export const spteName = (g: number): string => `spte ${g >>> 9}[${g & 511}]`;

export function notListed(cell: number, g: number): PteListError {
  return new PteListError(`${spteName(g)} is not in list ${cell}`);
}

export function listedTwice(cell: number, g: number): PteListError {
  return new PteListError(`${spteName(g)} cannot be added to list ${cell}: it is in a list already`);
}
