import { NO_FRAME } from "../../address.ts";
import { Pte, Right } from "../../format.ts";
import { gpteAddress, gpteGfn } from "./gpte.ts";
import { hasReservedBits, leafRights } from "./guest-mode.ts";
import { slotOf, spteAt } from "./pages.ts";
import { accessOf, directAccess } from "./role.ts";
import { Install, setLeaf } from "./set-leaf.ts";
import type { KvmShadow } from "./state.ts";

/** Slots of an aligned group that are filled together. */
const GROUP = 8;

/** Fills the empty neighbours of a leaf just made, as far as the guest's entries allow it without a fault. */
export function prefetch(s: KvmShadow, sid: number, slot: number): void {
  const { pages } = s;
  const first = slot & ~(GROUP - 1);
  for (let neighbour = first; neighbour < first + GROUP; neighbour++) {
    const g = spteAt(sid, neighbour);
    if (neighbour === slot || (pages.lo(g) & Pte.present) !== 0) continue;
    const filled = pages.isDirect(sid) ? guessDirect(s, sid, g) : guessFromGpte(s, sid, g);
    if (filled) s.stats.prefetched++;
  }
}

/**
 * Fills an empty slot of a page table's shadow from the guest's entry, if that could be done for a read without a word to the guest: the
 * entry is present and has A. Returns whether a leaf was made.
 */
export function guessFromGpte(s: KvmShadow, sid: number, g: number): boolean {
  const address = gpteAddress(s, sid, slotOf(g));
  const lo = s.memory.readEntry32(address);
  const hi = s.mode.wide ? s.memory.readEntry32(address + 4) : 0;
  return installGpte(s, sid, g, lo, hi);
}

/** The same for an entry known already. */
export function installGpte(s: KvmShadow, sid: number, g: number, lo: number, hi: number): boolean {
  if ((lo & (Pte.present | Pte.accessed)) !== (Pte.present | Pte.accessed)) return false;
  if (hasReservedBits(s.mode, 1, lo, hi)) return false;
  const access = accessOf(s.pages.role[sid] as number) & leafRights(lo, hi);
  if (!guess(s, g, access, gpteGfn(lo, hi))) return false;
  s.records?.made(g, lo, hi);
  return true;
}

function guessDirect(s: KvmShadow, sid: number, g: number): boolean {
  const role = s.pages.role[sid] as number;
  return guess(s, g, directAccess(role), s.pages.directGfn(sid, slotOf(g)));
}

function guess(s: KvmShadow, g: number, access: number, gfn: number): boolean {
  const frame = s.slots.frame(gfn);
  if (frame === NO_FRAME) return false;
  // A writable leaf would hide the first write from the log, a read-only one would cost the same fault later.
  if ((access & Right.write) !== 0 && s.slots.find(gfn)?.dirty !== undefined) return false;
  setLeaf(s, g, access, gfn, frame, Install.speculative);
  return true;
}
