import { SPTES, sidOf, slotOf, spteAt } from "./pages.ts";
import type { KvmShadow } from "./state.ts";

/** Longest list of parents that is followed to find under which addresses a page is used. */
const PARENTS_FOLLOWED = 64;
/** Where the pages that root pointer `i` leads to begin. */
const ROOT_BYTES = 2 ** 30;

const bytesOf = (level: number): number => 2 ** (12 + 9 * (level - 1));

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
  for (let slot = 0; slot < SPTES && !s.owed.isAll; slot++) {
    if (pages.lo(spteAt(child, slot)) === 0) continue;
    if (pages.level(child) > 1) s.owed.addAll();
    else oweBelow(s, sid, base + slot * 4096);
  }
}

/** `offset`: from the first byte that page `sid` covers. */
function oweBelow(s: KvmShadow, sid: number, offset: number): void {
  const { pages, lists, cells } = s;
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
