import { ALL_RIGHTS } from "../../format.ts";
import { writeLink } from "./drop.ts";
import { writeProtect } from "./protect.ts";
import { directRole, isInvalid, type Level, quadrantFor, tableRole } from "./role.ts";
import type { KvmShadow } from "./state.ts";
import { syncPages, syncTransiently } from "./sync.ts";
import { hasUnsync, markSlot } from "./unsync.ts";
import { commitZap, type ZapList } from "./zap.ts";

/** The shadow page of a guest table for an address, found or made. `access`: what the entries above the table allow. */
export function tablePage(s: KvmShadow, gfn: number, gva: number, level: Level, access = ALL_RIGHTS): number {
  const quadrant = s.mode.wide ? 0 : quadrantFor(gva, level);
  return findOrMake(s, gfn, tableRole(s.mode.base, level, quadrant, access));
}

/** The page that covers gfns from `gfn` on, with no guest table behind it, found or made. */
export function directPage(s: KvmShadow, gfn: number, level: Level, access = ALL_RIGHTS): number {
  return findOrMake(s, gfn, directRole(s.mode.base, level, access));
}

/** Makes an empty slot lead to a page, and sees to it that what is unsync below will be found. */
export function link(s: KvmShadow, g: number, child: number): void {
  writeLink(s, g, child);
  if (!hasUnsync(s, child)) return;
  s.rootsSynced = false;
  markSlot(s, g);
  if (s.pages.unsyncChildren[child] !== 0) s.requests.sync = true;
}

function findOrMake(s: KvmShadow, gfn: number, role: number): number {
  const { pages } = s;
  const zapped: ZapList = [];
  let unsyncSeen = false;
  let hit = 0;
  for (let sid = pages.hash.first(gfn); sid !== 0; sid = pages.hash.next(sid)) {
    if (pages.gfn[sid] !== gfn || pages.generation[sid] !== s.generation) continue;
    if (isInvalid(pages.role[sid] as number)) continue;
    if (pages.isUnsync(sid)) unsyncSeen = true;
    if (pages.role[sid] !== role) continue;
    if (!pages.isUnsync(sid) || syncTransiently(s, sid, zapped)) hit = sid;
    break;
  }
  if (hit !== 0) {
    pages.floodCount[hit] = 0;
    s.stats.hits++;
    commitZap(s, zapped);
    return hit;
  }
  commitZap(s, zapped);
  const sid = pages.take(gfn, role, s.generation);
  s.stats.created++;
  s.listener.created(sid, gfn, role);
  if (pages.isDirect(sid)) return sid;
  s.slots.account(gfn, 1);
  writeProtect(s, gfn);
  // A higher table must never be writable: what is unsync of this gfn becomes synchronous for good.
  if (pages.level(sid) > 1 && unsyncSeen) {
    s.settleFlush();
    syncPages(s, gfn, zapped);
    commitZap(s, zapped);
  }
  return sid;
}
