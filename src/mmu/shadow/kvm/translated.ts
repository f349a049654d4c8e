import { SPTES, sidOf, slotOf, spteAt } from "./pages.ts";
import type { KvmShadow } from "./state.ts";

/** Longest list of parents that is followed to find under which addresses a page is used. */
const PARENTS_FOLLOWED = 64;
/** Most leaves of a page, once linked, whose addresses are flushed one by one: beyond, all goes that its roots lead to. */
const LEAVES_FOLLOWED = 64;
/** Where the pages that root pointer `i` leads to begin. */
const ROOT_BYTES = 2 ** 30;

/** By level: a power that is worked out for every leaf costs more than the rest. */
const BYTES = [0, 2 ** 12, 2 ** 21, 2 ** 30, 2 ** 39] as const;
const bytesOf = (level: number): number => BYTES[level] as number;

/** Owes the flush of every address that leaf `g` may have been translated for, under whatever roots. */
export function oweLeaf(s: KvmShadow, g: number): void {
  if (s.owed.isAll) return;
  const sid = sidOf(g);
  oweBelow(s, sid, slotOf(g) * bytesOf(s.pages.level(sid)));
}

/**
 * Owes the flush of every address that link `g`, to page `child`, may have been used for. Hardware that remembers links, as ours does not, forgets
 * them with any flush, so there is always one.
 */
export function oweLink(s: KvmShadow, g: number, child: number): void {
  if (s.owed.isAll) return;
  const { pages } = s;
  const sid = sidOf(g);
  const base = slotOf(g) * bytesOf(pages.level(sid));
  oweBelow(s, sid, base);
  const used = pages.level(child) === 1 ? leavesOf(s, child) : Number.POSITIVE_INFINITY;
  if (used > LEAVES_FOLLOWED) oweRoots(s, sid);
  else if (used > 0)
    for (let slot = 0; slot < SPTES; slot++)
      if (pages.lo(spteAt(child, slot)) !== 0) oweBelow(s, sid, base + slot * 4096);
}

/** Owes the flush of all that was translated through page `sid`. */
export function oweRoots(s: KvmShadow, sid: number): void {
  if (s.pages.rootIndexes[sid] !== 0) s.owed.addRoot(sid);
  const parents = s.cells.parents(sid);
  const count = s.lists.length(parents, PARENTS_FOLLOWED + 1);
  if (count > PARENTS_FOLLOWED) s.owed.addAll();
  else if (count > 0)
    s.lists.filter(parents, (link) => {
      oweRoots(s, sidOf(link));
      return true;
    });
}

function leavesOf(s: KvmShadow, sid: number): number {
  const words = s.pages.words(sid);
  let leaves = 0;
  for (let slot = 0; slot < SPTES; slot++) if (words[2 * slot] !== 0) leaves++;
  return leaves;
}

/** `offset`: from the first byte that page `sid` covers. */
function oweBelow(s: KvmShadow, sid: number, offset: number): void {
  const { pages, lists, cells } = s;
  if (!s.owed.hasRoot(sid))
    for (let roots = pages.rootIndexes[sid] as number, i = 0; roots !== 0; roots >>>= 1, i++)
      if ((roots & 1) !== 0) s.owed.add(i * ROOT_BYTES + offset);
  const parents = cells.parents(sid);
  const count = lists.length(parents, PARENTS_FOLLOWED + 1);
  if (count > PARENTS_FOLLOWED) s.owed.addAll();
  else if (count > 0)
    lists.filter(parents, (link) => {
      const above = sidOf(link);
      oweBelow(s, above, slotOf(link) * bytesOf(pages.level(above)) + offset);
      return true;
    });
}
