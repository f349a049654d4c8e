import { type Gva, PAGE_SHIFT } from "../../address.ts";
import { frameOf, Pte, Right } from "../../format.ts";
import { isUser, isWrite } from "./guest-path.ts";
import { slotFor } from "./shadow-walk.ts";
import { highOf, isMmio } from "./spte.ts";
import type { KvmShadow } from "./state.ts";
import { oweLeaf } from "./translated.ts";
import { zapEverything } from "./zap.ts";

/** High word: bits 62, 63 and those of addresses that the host does not have; every walk that meets them faults. */
const RESERVED_HIGH = 0xc0000000 | 0x000ffff0;
/** The generation: its low 5 bits are in bits 3, 4, 5, 6 and 8 of the low word, the next 10 in bits 52-61. */
const LOW_PLACES = [3, 4, 5, 6, 8] as const;
const HIGH_SHIFT = 20;
export const MMIO_GENERATIONS = 1 << 15;

/** Puts an spte for a gfn where no memory is into an empty slot or one that holds such an spte. */
export function setMmio(s: KvmShadow, g: number, gfn: number, access: number): void {
  const { pages } = s;
  if (s.options.mmio === "none") {
    pages.clear(g);
    return;
  }
  const rights = access & (Right.write | Right.user);
  const base = ((gfn << PAGE_SHIFT) | Pte.present | Pte.unbacked | rights) >>> 0;
  const high = (gfn >>> 20) & 0xf;
  const oldLo = pages.lo(g);
  if (isMmio(oldLo)) oweLeaf(s, g);
  if (s.options.mmio === "unbacked") {
    // A, and D if it may be written, are set beforehand: the hardware has nothing to note.
    const preset = Pte.accessed | ((rights & Right.write) === 0 ? 0 : Pte.dirty);
    pages.write(g, base | preset | (access & Right.lent), highOf(access) | high);
    return;
  }
  const generation = s.mmioGeneration;
  let lo = base;
  for (const [i, place] of LOW_PLACES.entries()) lo |= ((generation >>> i) & 1) << place;
  const hi = RESERVED_HIGH | (((generation >>> LOW_PLACES.length) & 0x3ff) << HIGH_SHIFT) | high;
  pages.write(g, lo >>> 0, hi >>> 0);
}

export function mmioGfn(lo: number, hi: number): number {
  return frameOf(lo, hi, PAGE_SHIFT);
}

export function mmioGenerationOf(lo: number, hi: number): number {
  let generation = ((hi >>> HIGH_SHIFT) & 0x3ff) << LOW_PLACES.length;
  for (const [i, place] of LOW_PLACES.entries()) generation |= ((lo >>> place) & 1) << i;
  return generation;
}

/** A page fault for reserved bits: its gfn, if the spte is one for MMIO, of this generation, and allows such an access; else undefined. */
export function mmioFault(s: KvmShadow, gva: Gva, errorCode: number): number | undefined {
  const at = slotFor(s, gva, 1);
  if (at === 0) return undefined;
  const lo = s.pages.lo(at);
  const hi = s.pages.hi(at);
  if (!isMmio(lo) || mmioGenerationOf(lo, hi) !== s.mmioGeneration) return undefined;
  if (isWrite(errorCode) && (lo & Pte.writable) === 0) return undefined;
  return isUser(errorCode) && (lo & Pte.user) === 0 ? undefined : mmioGfn(lo, hi);
}

/**
 * The slots have changed: sptes for MMIO that exist are not to be believed. Those with a generation fault and are found out one by one;
 * where the generations are used up, or the hardware acts on sptes by itself, everything goes.
 */
export function mmioLayoutChanged(s: KvmShadow): void {
  s.mmioGeneration = (s.mmioGeneration + 1) % MMIO_GENERATIONS;
  if (s.options.mmio === "unbacked" || s.mmioGeneration === 0) zapEverything(s);
}
