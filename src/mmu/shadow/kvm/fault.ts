import { type Gpa, type Gva, NO_FRAME, OFFSET_MASK, PAGE_SIZE } from "../../address.ts";
import { Pte, Right } from "../../format.ts";
import { PageFault } from "../../pager.ts";
import { reserve } from "./budget.ts";
import { dropLeaf, dropLink } from "./drop.ts";
import { directPage, link, tablePage } from "./find-page.ts";
import { resetFlood } from "./flood.ts";
import { isUser, isWrite } from "./guest-path.ts";
import { chooseLevel, firstGfn } from "./level-choice.ts";
import { mmioFault } from "./mmio.ts";
import { slotOf, spteAt } from "./pages.ts";
import { prefetch } from "./prefetch.ts";
import { directAccess, isDirect, type Level } from "./role.ts";
import { Install, Installed, setLeaf } from "./set-leaf.ts";
import { indexOf, rootFor } from "./shadow-walk.ts";
import { isMmio, isPresent } from "./spte.ts";
import type { KvmShadow } from "./state.ts";

/** What is to be done about a page fault. */
export type FaultOutcome =
  /** The guest begins the instruction anew. */
  | { readonly kind: "resume" }
  /** The monitor does the access: a store to a guest table that stays protected, or one where no memory is. */
  | { readonly kind: "emulate"; readonly why: "tableWrite" | "mmio"; readonly gpa: Gpa }
  /** A root had to go: the vcpu loads its roots anew and then begins the instruction anew. */
  | { readonly kind: "reload" };

const RESUME: FaultOutcome = { kind: "resume" };
const RELOAD: FaultOutcome = { kind: "reload" };

function emulate(why: "tableWrite" | "mmio", gpa: number): FaultOutcome {
  return { kind: "emulate", why, gpa: gpa as Gpa };
}

/** Handles the hardware's page fault for `gva`. Throws PagerError when no shadow page can be had. */
export function handleFault(s: KvmShadow, gva: Gva, errorCode: number): FaultOutcome {
  s.stats.faults++;
  if ((errorCode & PageFault.reserved) !== 0) {
    const gfn = mmioFault(s, gva, errorCode);
    if (gfn !== undefined) return emulate("mmio", gfn * PAGE_SIZE + (gva & OFFSET_MASK));
  }
  if (!s.rootsLoaded || s.requests.reload) return RELOAD;
  if (!s.path.walk(gva, errorCode, s.context.paging)) {
    // The guest's tables have changed since they allowed the access.
    resetFlood(s);
    return RESUME;
  }
  noteTablesTouched(s);
  reserve(s);
  // Making room may have taken a root: what would be filled now would be thrown away.
  if (s.requests.reload || rootFor(s, gva) === 0) return RELOAD;
  const outcome = fetch(s, gva, errorCode);
  if (outcome.kind !== "emulate" || outcome.why !== "tableWrite") resetFlood(s);
  return outcome;
}

/** A and D of the tables of the walk may just have been set, by this walk or by that of whoever asked. */
function noteTablesTouched(s: KvmShadow): void {
  if (s.mode.rootLevel === 0) return;
  for (let level = s.path.level; level <= s.path.topLevel; level++)
    s.slots.markDirty(s.path.table[level] as number);
}

/** Builds the shadow of the path just walked, and the leaf at its end. */
function fetch(s: KvmShadow, gva: Gva, errorCode: number): FaultOutcome {
  const { path, pages } = s;
  const frame = s.slots.frame(path.gfn);
  const access = accessFor(s, errorCode);
  const target = frame === NO_FRAME ? 1 : chooseLevel(s);
  const parent = descend(s, gva, target, access);
  if (parent === 0) return RESUME;
  const g = spteAt(parent, indexOf(gva, target));
  const gfn = firstGfn(path.gfn, target);
  const result = setLeaf(s, g, access, gfn, frame === NO_FRAME ? frame : s.slots.frame(gfn), Install.demand);
  // A recycled list has taken this leaf with it: then there is nothing to record.
  if (target === 1 && !pages.isDirect(parent) && (pages.lo(g) & Pte.present) !== 0)
    s.records?.made(g, path.lo[1] as number, path.hi[1] as number);
  if (frame === NO_FRAME) return s.options.mmio === "unbacked" ? RESUME : emulate("mmio", path.gpa);
  if (s.options.prefetch && target === 1) prefetch(s, parent, slotOf(g));
  if (result === Installed.protected && isWrite(errorCode)) return emulate("tableWrite", path.gpa);
  return RESUME;
}

/**
 * What the leaf may allow. The hardware runs with write protection on; what CR0.WP=0 lets a supervisor do beyond the guest's W is lent to
 * it by a leaf that is writable and not the user's: the next user access faults and takes it back. Marked as lent, it is a user's page for SMEP
 * and SMAP all the same.
 */
function accessFor(s: KvmShadow, errorCode: number): number {
  const access = s.path.leafAccess;
  if ((access & Right.write) !== 0 || s.mode.writeProtect || s.mode.rootLevel === 0) return access;
  if (!isWrite(errorCode) || isUser(errorCode)) return access;
  return ((access | Right.write) & ~Right.user) | ((access & Right.user) !== 0 ? Right.lent : 0);
}

/**
 * Follows the shadow tables to the page that holds the leaf, making what is missing. Each guest entry is read again after the table it leads
 * to is protected and before it is linked: protected, it can no longer change unseen. Returns 0 if one has changed.
 */
function descend(s: KvmShadow, gva: Gva, target: Level, access: number): number {
  const { path, pages } = s;
  let sid = rootFor(s, gva);
  let level = s.mode.topLevel as Level;
  if (s.mode.rootLevel !== 0 && !path.unchanged(level)) return 0;
  for (; level > path.level; level--) {
    const below = (level - 1) as Level;
    const g = spteAt(sid, indexOf(gva, level));
    pages.floodCount[sid] = 0;
    dropIfLeaf(s, g);
    let child = pages.child(g);
    const missing = child === 0;
    if (missing) child = tablePage(s, path.table[below] as number, gva, below, path.tableAccess[below]);
    s.options.beforeLink();
    if (!path.unchanged(below)) return 0;
    if (missing) link(s, g, child);
    sid = child;
  }
  for (; level > target; level--) {
    const g = spteAt(sid, indexOf(gva, level));
    const first = firstGfn(path.gfn, level);
    pages.floodCount[sid] = 0;
    dropIfLeaf(s, g);
    let child = pages.child(g);
    // The direct page of a large gpte that has since got D, or lent its W, has other rights.
    if (child !== 0 && !isDirectFor(s, child, first, access)) {
      dropLink(s, g);
      child = 0;
    }
    if (child === 0) {
      child = directPage(s, first, (level - 1) as Level, access);
      link(s, g, child);
    }
    sid = child;
  }
  return sid;
}

function dropIfLeaf(s: KvmShadow, g: number): void {
  const lo = s.pages.lo(g);
  if (isPresent(lo) && (lo & Pte.large) !== 0) dropLeaf(s, g);
  else if (isMmio(lo)) s.pages.clear(g);
}

function isDirectFor(s: KvmShadow, sid: number, gfn: number, access: number): boolean {
  const role = s.pages.role[sid] as number;
  return isDirect(role) && s.pages.gfn[sid] === gfn && directAccess(role) === access;
}
