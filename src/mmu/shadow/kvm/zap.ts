import { clearLink, dropSpte } from "./drop.ts";
import { PageFlag, SPTES, spteAt } from "./pages.ts";
import { isDirect, isInvalid, RoleBit } from "./role.ts";
import type { KvmShadow } from "./state.ts";
import { collectUnsync } from "./unsync.ts";

/** Pages that are zapped and wait for the flush, after which they are freed. */
export type ZapList = number[];

/**
 * First half of getting rid of a page: it is emptied, nothing leads to it any more, and lookups do not find it. It goes onto the list,
 * or stays, invalid, while it is a root. Returns how many pages went onto the list: unsync ones below go too, for nobody would find
 * them again to synchronise them. May be called again for an invalid root.
 */
export function prepareZap(s: KvmShadow, sid: number, zapped: ZapList): number {
  const { pages } = s;
  const before = zapped.length;
  if (pages.level(sid) > 1) zapUnsyncBelow(s, sid, zapped);
  // All that it led to as a root goes at once.
  if (pages.rootIndexes[sid] !== 0) s.owed.addRoot(sid);
  const words = pages.words(sid);
  for (let slot = 0; slot < SPTES; slot++) if (words[2 * slot] !== 0) dropSpte(s, spteAt(sid, slot));
  s.lists.drain(s.cells.parents(sid), (g) => clearLink(s, g, sid));
  const role = pages.role[sid] as number;
  const gfn = pages.gfn[sid] as number;
  const wasInvalid = isInvalid(role);
  if (!wasInvalid && !isDirect(role)) {
    pages.indirect--;
    s.slots.account(gfn, -1);
  }
  pages.role[sid] = role | RoleBit.invalid;
  pages.flags[sid] = (pages.flags[sid] as number) & ~PageFlag.unsync;
  if (!wasInvalid) {
    s.stats.zapped++;
    s.listener.zapped(sid, gfn, role);
  }
  if (pages.rootCount[sid] === 0) {
    pages.retire(sid);
    zapped.push(sid);
  } else {
    pages.active.moveToFront(sid);
    if (!wasInvalid) wantReload(s);
  }
  s.last.spte = 0;
  return zapped.length - before;
}

/** Second half: once no TLB can lead there any more, the pages are free. */
export function commitZap(s: KvmShadow, zapped: ZapList): void {
  if (zapped.length === 0) return;
  s.settleFlush();
  for (const sid of zapped) {
    const gfn = s.pages.gfn[sid] as number;
    const role = s.pages.role[sid] as number;
    if (s.pages.rootIndexes[sid] !== 0) s.tags.forget(sid);
    s.pages.free(sid);
    s.listener.freed(sid, gfn, role);
  }
  zapped.length = 0;
}

/** Zaps every valid shadow of a guest table; returns how many there were. */
export function zapTable(s: KvmShadow, gfn: number): number {
  const { pages } = s;
  const tables: number[] = [];
  for (let sid = pages.hash.first(gfn); sid !== 0; sid = pages.hash.next(sid)) {
    const role = pages.role[sid] as number;
    if (pages.gfn[sid] === gfn && !isDirect(role) && !isInvalid(role)) tables.push(sid);
  }
  const zapped: ZapList = [];
  // One of them may have gone with another, as an unsync page below it.
  for (const sid of tables) if (pages.isLive(sid)) prepareZap(s, sid, zapped);
  commitZap(s, zapped);
  return tables.length;
}

/** Zaps everything at once. */
export function zapEverything(s: KvmShadow): void {
  const zapped: ZapList = [];
  for (const sid of [...s.pages.active]) if (s.pages.isLive(sid)) prepareZap(s, sid, zapped);
  commitZap(s, zapped);
}

/** Makes every page obsolete: none is found any more, and the vcpu reloads. `zapObsolete` then frees them bit by bit. */
export function startZapAll(s: KvmShadow): void {
  s.generation++;
  wantReload(s);
}

/** Zaps up to `batch` obsolete pages, the oldest first. Returns whether any that could go is left. */
export function zapObsolete(s: KvmShadow, batch = 10): boolean {
  const { pages } = s;
  const obsolete = [...pages.active].reverse().filter((sid) => pages.generation[sid] !== s.generation);
  const zapped: ZapList = [];
  let left = batch;
  let more = false;
  for (const sid of obsolete) {
    if (!pages.isLive(sid)) continue;
    if (left === 0) {
      more = true;
      break;
    }
    // An obsolete root goes when the vcpu lets go of it.
    if (isInvalid(pages.role[sid] as number)) continue;
    prepareZap(s, sid, zapped);
    left--;
  }
  commitZap(s, zapped);
  return more;
}

/** The vcpu has to load its roots anew before it enters the guest. */
export function wantReload(s: KvmShadow): void {
  if (s.requests.reload) return;
  s.requests.reload = true;
  s.stats.reloads++;
  s.listener.reloadWanted();
}

function zapUnsyncBelow(s: KvmShadow, top: number, zapped: ZapList): void {
  for (let batch = collectUnsync(s, top); batch.length > 0; batch = collectUnsync(s, top))
    for (const { sid } of batch) if (s.pages.isUnsync(sid)) prepareZap(s, sid, zapped);
}
