import { Pte } from "../../format.ts";
import type { KvmShadow } from "./state.ts";

/** The third write in a row is one too many. */
const FLOOD_LIMIT = 3;

/**
 * The vcpu's view (2.6.35): counts writes in a row to the same table, as long as what was put there is not used in between. Returns whether
 * this is one too many.
 */
export function countVcpuWrite(s: KvmShadow, gfn: number): boolean {
  const { last, pages } = s;
  // The write itself goes through a mapping of the table, which then counts as used.
  if (last.spte !== 0 && last.spteGfn === gfn && (pages.lo(last.spte) & Pte.accessed) === 0)
    pages.write(last.spte, pages.lo(last.spte) | Pte.accessed, pages.hi(last.spte));
  const used = last.spte !== 0 && (pages.lo(last.spte) & Pte.accessed) !== 0;
  if (gfn === last.tableGfn && !used) {
    last.count++;
    return last.count >= FLOOD_LIMIT;
  }
  last.tableGfn = gfn;
  last.count = 1;
  last.spte = 0;
  return false;
}

/**
 * The page's view (3.11): level 1 is exempt, because it can become unsync; so are roots in use, for of a two-level directory's four only the
 * one on the path of the fault is seen to be used.
 */
export function countPageWrite(s: KvmShadow, sid: number): boolean {
  const { pages } = s;
  if (pages.level(sid) === 1 || pages.rootCount[sid] !== 0) return false;
  pages.floodCount[sid] = Math.min((pages.floodCount[sid] as number) + 1, FLOOD_LIMIT);
  return pages.floodCount[sid] === FLOOD_LIMIT;
}

/** The guest has done something else in between. */
export function resetFlood(s: KvmShadow): void {
  s.last.count = 0;
}
