import { Pte } from "../../format.ts";
import { clearLeaf } from "./drop.ts";
import { isDirect, isInvalid } from "./role.ts";
import { Spte } from "./spte.ts";
import type { KvmShadow } from "./state.ts";
import { oweLeaf } from "./translated.ts";
import { markUnsync } from "./unsync.ts";

/**
 * Takes write access away from every leaf that maps a gfn: its table is about to be relied on. Writable large leaves are dropped. The
 * flush that is owed then must be settled before anyone relies on it. Undone lazily, by the next write fault.
 */
export function writeProtect(s: KvmShadow, gfn: number): void {
  if (gfn >= s.slots.limit) return;
  protectSmall(s, gfn, Pte.writable | Spte.mmuWritable);
  for (const level of [2, 3] as const) s.lists.filter(s.cells.rmap(gfn, level), (g) => keepReadOnly(s, g));
}

/** The same for the dirty log: what the guest's tables allow is not forgotten, and large leaves of the slot do not exist. */
export function logProtect(s: KvmShadow, gfn: number): void {
  protectSmall(s, gfn, Pte.writable);
}

function protectSmall(s: KvmShadow, gfn: number, bits: number): void {
  const { pages } = s;
  s.lists.filter(s.cells.rmap(gfn, 1), (g) => {
    const lo = pages.lo(g);
    if ((lo & bits) === 0) return true;
    const hi = pages.hi(g);
    pages.write(g, lo & ~bits, hi);
    if ((lo & Pte.writable) !== 0) {
      oweLeaf(s, g);
      s.listener.protected(g, gfn, (lo & ~bits) >>> 0, hi);
    }
    return true;
  });
}

function keepReadOnly(s: KvmShadow, g: number): boolean {
  if ((s.pages.lo(g) & Pte.writable) === 0) return true;
  clearLeaf(s, g);
  return false;
}

/**
 * Whether a leaf that maps a gfn must be read-only because the gfn is a table. Where all its shadows are of page tables, and the request
 * permits (`mayUnsync`), they are made unsync instead: the guest may then write the table freely until it flushes.
 */
export function needProtect(s: KvmShadow, gfn: number, mayUnsync: boolean): boolean {
  const { pages } = s;
  let found = false;
  for (let sid = pages.hash.first(gfn); sid !== 0; sid = pages.hash.next(sid)) {
    if (!isTable(s, sid, gfn)) continue;
    if (!mayUnsync || !s.options.unsync || pages.level(sid) > 1) return true;
    if (!pages.isUnsync(sid)) found = true;
  }
  if (!found) return false;
  for (let sid = pages.hash.first(gfn); sid !== 0; sid = pages.hash.next(sid))
    if (isTable(s, sid, gfn) && !pages.isUnsync(sid)) markUnsync(s, sid);
  return false;
}

/** The page shadows the guest table at a gfn, and is valid. */
export function isTable(s: KvmShadow, sid: number, gfn: number): boolean {
  const role = s.pages.role[sid] as number;
  return s.pages.gfn[sid] === gfn && !isDirect(role) && !isInvalid(role);
}
