import { Pte, Right } from "../../format.ts";
import { dropLeaf } from "./drop.ts";
import { gpteAddress, gpteGfn } from "./gpte.ts";
import { hasReservedBits, leafRights } from "./guest-mode.ts";
import { mmioGfn, setMmio } from "./mmio.ts";
import { PageFlag, SPTES, spteAt } from "./pages.ts";
import { isTable, writeProtect } from "./protect.ts";
import { accessOf, RoleBit } from "./role.ts";
import { Install, setLeaf } from "./set-leaf.ts";
import { isMmio } from "./spte.ts";
import type { KvmShadow } from "./state.ts";
import { oweLeaf } from "./translated.ts";
import { clearPath, collectUnsync } from "./unsync.ts";
import { commitZap, prepareZap, type ZapList } from "./zap.ts";

/** Role bits in which a page may not differ from the vcpu if its gptes are to be read as the vcpu's. */
const FORMAT_BITS = RoleBit.wide | RoleBit.nxe | RoleBit.pse;

/** Brings everything below a page up to date with the guest's tables, which are protected again. */
export function syncChildren(s: KvmShadow, top: number): void {
  while (s.pages.unsyncChildren[top] !== 0) {
    const batch = collectUnsync(s, top);
    if (batch.length === 0) return;
    for (const { sid } of batch) writeProtect(s, s.pages.gfn[sid] as number);
    // The guest must not write any more when the entries are read.
    s.settleFlush();
    const zapped: ZapList = [];
    for (const { sid, path } of batch) {
      resync(s, sid, zapped);
      clearPath(s, path);
    }
    commitZap(s, zapped);
  }
}

/** Brings every unsync page of a gfn up to date, for good: it is going to be a table of a higher level, which stays protected. */
export function syncPages(s: KvmShadow, gfn: number, zapped: ZapList): void {
  const { pages } = s;
  for (let sid = pages.hash.first(gfn); sid !== 0; sid = pages.hash.next(sid))
    if (isTable(s, sid, gfn) && pages.isUnsync(sid)) resync(s, sid, zapped);
}

/** Makes an unsync page, whose table is protected, synchronous; zaps it if nothing is left in it. */
export function resync(s: KvmShadow, sid: number, zapped: ZapList): void {
  const { pages } = s;
  // Zapped meanwhile, as the child of another page of the batch.
  if (!pages.isUnsync(sid)) return;
  pages.flags[sid] = (pages.flags[sid] as number) & ~PageFlag.unsync;
  s.stats.synced++;
  s.listener.resynced(sid, pages.gfn[sid] as number, pages.role[sid] as number);
  if (!syncEntries(s, sid)) prepareZap(s, sid, zapped);
}

/** Brings an unsync page up to date once; the guest may go on writing. False: the page is useless and was zapped. */
export function syncTransiently(s: KvmShadow, sid: number, zapped: ZapList): boolean {
  s.stats.synced++;
  if (syncEntries(s, sid)) return true;
  prepareZap(s, sid, zapped);
  return false;
}

/** Compares each entry of a page with its gpte. False when nothing is present in the end, or the page has another format. */
function syncEntries(s: KvmShadow, sid: number): boolean {
  const { pages, mode, memory } = s;
  const role = pages.role[sid] as number;
  if (((role ^ mode.base) & FORMAT_BITS) !== 0) return false;
  let present = false;
  const words = pages.words(sid);
  for (let slot = 0; slot < SPTES; slot++) {
    const spte = words[2 * slot] as number;
    if ((spte & Pte.present) === 0) continue;
    const g = spteAt(sid, slot);
    const address = gpteAddress(s, sid, slot);
    const lo = memory.readEntry32(address);
    const hi = mode.wide ? memory.readEntry32(address + 4) : 0;
    const usable =
      (lo & (Pte.present | Pte.accessed)) === (Pte.present | Pte.accessed) &&
      !hasReservedBits(mode, 1, lo, hi);
    const gfn = gpteGfn(lo, hi);
    const access = accessOf(role) & leafRights(lo, hi);
    if (isMmio(spte)) {
      if (usable && gfn === mmioGfn(spte, pages.hi(g))) setMmio(s, g, gfn, access);
      else {
        pages.clear(g);
        oweLeaf(s, g);
      }
    } else if (!usable || gfn !== pages.leafGfnOf(g)) dropLeaf(s, g);
    else
      setLeaf(
        s,
        g,
        s.slots.hostWritable(gfn) ? access : access & ~Right.write,
        gfn,
        s.slots.frame(gfn),
        Install.sync,
      );
    if ((pages.lo(g) & Pte.present) === 0) continue;
    present = true;
    s.records?.made(g, lo, hi);
  }
  return present;
}
