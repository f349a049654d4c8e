import type { Gva } from "../../address.ts";
import { Pte } from "../../format.ts";
import { dropSpte } from "./drop.ts";
import { spteAt } from "./pages.ts";
import { guessFromGpte } from "./prefetch.ts";
import type { Level } from "./role.ts";
import { indexOf, rootFor } from "./shadow-walk.ts";
import type { KvmShadow } from "./state.ts";
import { hasUnsync } from "./unsync.ts";

/** Longest list of parents that is searched for the paths that lead to a page. */
const PATHS_SEARCHED = 32;

/** INVLPG: the leaf of an unsync page is made anew from the guest's entry; synchronous pages need nothing. */
export function invalidate(s: KvmShadow, gva: Gva): void {
  s.lists.reserve(1);
  let sid = rootFor(s, gva);
  for (let level = s.mode.topLevel as Level; sid !== 0 && hasUnsync(s, sid); level--) {
    const g = spteAt(sid, indexOf(gva, level));
    if (level > 1) {
      sid = s.pages.child(g);
      continue;
    }
    renew(s, sid, g);
    break;
  }
  if (s.flushOwed) s.settleFlush();
  else s.flushPage(gva);
}

function renew(s: KvmShadow, sid: number, g: number): void {
  if ((s.pages.lo(g) & Pte.present) !== 0) {
    const owed = s.flushOwed;
    dropSpte(s, g);
    // Through one path only this address can have been translated by the leaf, and its translation goes anyway.
    if (!owed && hasOnePath(s, sid)) s.forgiveFlush();
  }
  guessFromGpte(s, sid, g);
}

/** At most one link of the tables in use leads to the page. */
function hasOnePath(s: KvmShadow, sid: number): boolean {
  if (s.mode.topLevel !== 2) return false;
  const cell = s.cells.parents(sid);
  if (s.lists.length(cell, PATHS_SEARCHED) === PATHS_SEARCHED) return false;
  let paths = 0;
  s.lists.filter(cell, (g) => {
    paths += s.pages.rootCount[g >>> 9] as number;
    return true;
  });
  return paths <= 1;
}
