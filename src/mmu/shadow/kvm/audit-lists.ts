import type { Complain } from "./audit.ts";
import { spteName } from "./list-counters.ts";
import { SPTES, sidOf, spteAt } from "./pages.ts";
import { NIL } from "./pte-lists.ts";
import { RECYCLE_THRESHOLD } from "./set-leaf.ts";
import { isPresent } from "./spte.ts";
import type { KvmShadow } from "./state.ts";

class TooLong extends Error {}

/** I1 to I8, I31, I32: the lists hold exactly the sptes that they are for, each once, and are sound in themselves. */
export function auditLists(s: KvmShadow, complain: Complain): void {
  const { pages, lists, cells } = s;
  const owner = new Uint32Array((pages.capacity + 1) * SPTES);
  const listed = new Set<number>();
  for (let cell = 1; cell < cells.count; cell++) {
    if (lists.first(cell) === NIL) continue;
    let length = 0;
    try {
      lists.filter(cell, (g) => {
        if (++length > owner.length) throw new TooLong();
        if (owner[g] !== 0) complain("I5", `${spteName(g)} is in lists ${owner[g]} and ${cell}`);
        owner[g] = cell;
        listed.add(g);
        return true;
      });
    } catch (error) {
      if (!(error instanceof TooLong)) throw error;
      complain("I6", `list ${cell} does not end`);
      return;
    }
    if (length > 0 && s.options.recycle && cell < cells.firstParent && length > RECYCLE_THRESHOLD + 1)
      complain("I32", `${describe(s, cell)} has ${length} entries: it should have been recycled`);
  }
  let present = 0;
  for (const sid of pages.active)
    for (let slot = 0; slot < SPTES; slot++) {
      const g = spteAt(sid, slot);
      const lo = pages.lo(g);
      if (!isPresent(lo)) continue;
      present++;
      checkListed(s, g, owner[g] as number, complain);
    }
  for (const g of listed) checkMember(s, g, owner[g] as number, complain);
  if (present !== listed.size) complain("I8", `${present} sptes are present, ${listed.size} are listed`);
  for (const detail of lists.check?.(listed) ?? [])
    complain(s.options.rmap === "descriptors" ? "I7" : "I6", detail);
  const { allocs, frees } = lists.counters;
  if (s.options.rmap !== "descriptors" && allocs + frees !== 0)
    complain("I31", `${allocs} list objects were taken`);
}

/** A present spte of a live page must be in its list. */
function checkListed(s: KvmShadow, g: number, owner: number, complain: Complain): void {
  const { pages, cells } = s;
  const child = pages.child(g);
  if (child !== 0 || isLink(s, g)) {
    if (child === 0 || !pages.isLive(child)) complain("I3", `${spteName(g)} leads to no page in use`);
    else if (owner !== cells.parents(child))
      complain("I3", `${spteName(g)} leads to page ${child} and is ${where(s, owner)}`);
    return;
  }
  const gfn = pages.leafGfnOf(g);
  const expected = gfn < s.slots.limit ? cells.rmap(gfn, pages.level(sidOf(g))) : 0;
  if (owner !== expected)
    complain("I1", `${spteName(g)} maps gfn 0x${gfn.toString(16)} and is ${where(s, owner)}`);
}

/** A member of a list must be what the list is for. */
function checkMember(s: KvmShadow, g: number, cell: number, complain: Complain): void {
  const { pages, cells } = s;
  const what = cells.describe(cell);
  const sid = sidOf(g);
  const live = sid <= pages.capacity && pages.isLive(sid);
  if (!live) {
    complain("I9", `${spteName(g)} of a page not in use is ${where(s, cell)}`);
    return;
  }
  const lo = pages.lo(g);
  if (what.kind === "parents") {
    if (!isPresent(lo) || pages.child(g) !== what.sid)
      complain("I4", `${spteName(g)} is ${where(s, cell)} but does not lead there`);
  } else if (
    !isPresent(lo) ||
    isLink(s, g) ||
    pages.level(sid) !== what.level ||
    cells.rmap(pages.leafGfnOf(g), what.level) !== cell
  )
    complain("I2", `${spteName(g)} is ${where(s, cell)} but does not map it`);
}

function isLink(s: KvmShadow, g: number): boolean {
  return s.pages.level(sidOf(g)) > 1 && (s.pages.lo(g) & 0x80) === 0;
}

function describe(s: KvmShadow, cell: number): string {
  const what = s.cells.describe(cell);
  return what.kind === "parents"
    ? `the parents of page ${what.sid}`
    : `the leaves of gfn 0x${what.gfn.toString(16)}, level ${what.level}`;
}
const where = (s: KvmShadow, cell: number): string =>
  cell === 0 ? "in no list" : `among ${describe(s, cell)}`;
