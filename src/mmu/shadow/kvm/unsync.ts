import { PageFlag, sidOf, spteAt } from "./pages.ts";
import type { KvmShadow } from "./state.ts";

/** Unsync pages that are synchronised with one flush. */
const BATCH = 16;

/** A page found below another, and the links that lead there, from the top. */
export interface UnsyncPage {
  readonly sid: number;
  readonly path: readonly number[];
}

/** The guest may write the table of this page from now on. */
export function markUnsync(s: KvmShadow, sid: number): void {
  const { pages } = s;
  pages.flags[sid] = (pages.flags[sid] as number) | PageFlag.unsync;
  s.rootsSynced = false;
  s.stats.unsynced++;
  s.records?.unsynced(sid);
  s.listener.unsynced(sid, pages.gfn[sid] as number, pages.role[sid] as number);
  markParents(s, sid);
}

/** Notes in every page above that something below is unsync. Stops where it is noted already: then it is further up too. */
export function markParents(s: KvmShadow, sid: number): void {
  s.lists.filter(s.cells.parents(sid), (g) => {
    markSlot(s, g);
    return true;
  });
}

export function markSlot(s: KvmShadow, g: number): void {
  const { pages } = s;
  if (pages.setUnsyncBit(g) && pages.unsyncChildren[sidOf(g)] === 1) markParents(s, sidOf(g));
}

/** Something in the page, or below it, may be unsync. */
export function hasUnsync(s: KvmShadow, sid: number): boolean {
  return s.pages.isUnsync(sid) || s.pages.unsyncChildren[sid] !== 0;
}

/** Up to 16 unsync pages below a page, each once. Bits that lead nowhere any more are cleared on the way. */
export function collectUnsync(s: KvmShadow, top: number): UnsyncPage[] {
  const found: UnsyncPage[] = [];
  if (s.pages.unsyncChildren[top] !== 0) descend(s, top, [], found);
  return found;
}

function descend(s: KvmShadow, sid: number, path: number[], found: UnsyncPage[]): void {
  const { pages } = s;
  for (let word = 0; word < 16; word++) {
    for (let bits = pages.unsyncBits[sid * 16 + word] as number; bits !== 0; bits &= bits - 1) {
      const g = spteAt(sid, word * 32 + 31 - Math.clz32(bits & -bits));
      const child = pages.child(g);
      if (child === 0 || !hasUnsync(s, child)) {
        pages.clearUnsyncBit(g);
        continue;
      }
      path.push(g);
      if (pages.isUnsync(child)) {
        if (!found.some((page) => page.sid === child)) found.push({ sid: child, path: [...path] });
      } else descend(s, child, path, found);
      path.pop();
      if (!hasUnsync(s, child)) pages.clearUnsyncBit(g);
      if (found.length >= BATCH) return;
    }
  }
}

/** Clears the bits along a path, upwards, as long as nothing else below is unsync. */
export function clearPath(s: KvmShadow, path: readonly number[]): void {
  for (let i = path.length - 1; i >= 0; i--) {
    const g = path[i] as number;
    s.pages.clearUnsyncBit(g);
    if (s.pages.unsyncChildren[sidOf(g)] !== 0) return;
  }
}
