import { Pte } from "../../format.ts";
import { sidOf } from "./pages.ts";
import { isMmio, isPresent, LINK_FLAGS } from "./spte.ts";
import type { KvmShadow } from "./state.ts";
import { oweLeaf, oweLink } from "./translated.ts";

/** Clears a leaf that the caller, or the list's own pass, takes out of its list. */
export function clearLeaf(s: KvmShadow, g: number): void {
  const { pages, stats } = s;
  const lo = pages.lo(g);
  const hi = pages.hi(g);
  pages.clear(g);
  if ((lo & Pte.accessed) !== 0) stats.frameAccessed++;
  if ((lo & Pte.dirty) !== 0) stats.frameDirty++;
  if ((lo & Pte.large) !== 0) stats.largeLeaves--;
  stats.dropped++;
  oweLeaf(s, g);
  s.listener.dropped(g, pages.leafGfnOf(g), lo, hi);
}

/** Clears a present leaf and takes it out of its list. Its gfn must still be noted: the list is found through it. */
export function dropLeaf(s: KvmShadow, g: number): void {
  const gfn = s.pages.leafGfnOf(g);
  const level = s.pages.level(sidOf(g));
  // First the value: the leaf is gone even if the removal throws.
  clearLeaf(s, g);
  s.lists.remove(s.cells.rmap(gfn, level), g);
}

/** Clears a link and takes it out of its target's list of parents. The unsync bit of the slot is left to the next walk. */
export function dropLink(s: KvmShadow, g: number): void {
  const { pages } = s;
  const child = pages.target(pages.lo(g));
  s.lists.remove(s.cells.parents(child), g);
  clearLink(s, g, child);
}

/** Clears a link that is in no list any more. */
export function clearLink(s: KvmShadow, g: number, child: number): void {
  s.pages.clear(g);
  oweLink(s, g, child);
  s.listener.unlinked(g, child, s.pages.gfn[child] as number, s.pages.role[child] as number);
}

/** Makes an empty slot lead to a page. */
export function writeLink(s: KvmShadow, g: number, child: number): void {
  s.lists.add(s.cells.parents(child), g);
  s.pages.write(g, ((s.pages.frame[child] as number) << 12) | LINK_FLAGS, 0);
  s.listener.linked(g, child, s.pages.gfn[child] as number, s.pages.role[child] as number);
}

/** Empties a slot, whatever is in it. */
export function dropSpte(s: KvmShadow, g: number): void {
  const lo = s.pages.lo(g);
  if (isPresent(lo)) {
    if (s.pages.level(sidOf(g)) > 1 && (lo & Pte.large) === 0) dropLink(s, g);
    else dropLeaf(s, g);
  } else if (isMmio(lo)) {
    s.pages.clear(g);
    oweLeaf(s, g);
  }
}
