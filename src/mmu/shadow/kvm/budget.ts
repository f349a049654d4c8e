import { isInvalid } from "./role.ts";
import { checkBudget, type KvmShadow, LOW_MARK } from "./state.ts";
import { commitZap, prepareZap, type ZapList } from "./zap.ts";

/** When fewer are, pages are zapped until so many are: not to come back at once. */
const REFILL = 25;
/** Entries added to lists in one turn at most: a path, a leaf and its neighbours; those of a write are counted. */
const LIST_ENTRIES = 16;

/**
 * Sees to it that a turn can take what it needs without failing half-way: pages within the budget, machine frames, list objects. The oldest
 * pages are zapped for it, if need be roots of the vcpu (which then has to reload). Throws PagerError when that does not help.
 */
export function reserve(s: KvmShadow, listEntries = 0): void {
  const { pages } = s;
  s.lists.reserve(Math.max(LIST_ENTRIES, listEntries));
  if (s.isShort) evict(s, () => s.available >= REFILL);
  if (!pages.reserve(LOW_MARK)) evict(s, (waiting) => pages.spares + waiting >= LOW_MARK);
  if (s.isShort)
    throw s.failure(
      `has a budget of ${s.budget} shadow pages, of which roots hold ${pages.used}: give it at least 64`,
    );
  if (!pages.reserve(LOW_MARK))
    throw s.failure(
      `can have no ${LOW_MARK} machine frames for shadow pages (it holds ${pages.framesHeld}): give the machine more memory for the monitor`,
    );
}

/** Zaps pages from the oldest on until `enough` says so or only invalid roots are left; returns how many were freed. */
export function evict(s: KvmShadow, enough: (waiting: number) => boolean): number {
  const { pages } = s;
  const zapped: ZapList = [];
  while (!enough(zapped.length)) {
    const victim = pages.active.back;
    // Invalid roots have moved to the front: when one is the oldest, there is nothing else.
    if (victim === 0 || isInvalid(pages.role[victim] as number)) break;
    prepareZap(s, victim, zapped);
  }
  const freed = zapped.length;
  commitZap(s, zapped);
  if (freed > 0) {
    s.stats.recycledPages += freed;
    s.listener.evicted(freed);
  }
  return freed;
}

/** Sets how many pages may be in use, and zaps those above; `budget` is higher than asked for if roots stand in the way. */
export function changeBudget(s: KvmShadow, goal: number): void {
  checkBudget(goal, s.options.smallestBudget, s.pages.capacity);
  evict(s, () => s.pages.used <= goal);
  s.budgetMissed = s.pages.used > goal;
  s.budget = Math.max(goal, s.pages.used);
  s.pages.returnSpares(LOW_MARK);
}

/** The host is short of memory: the oldest page goes, and spare frames go back. Returns whether a page went. */
export function shrink(s: KvmShadow): boolean {
  const before = s.pages.used;
  const freed = evict(s, (waiting) => waiting > 0);
  s.pages.returnSpares(0);
  return freed > 0 && s.pages.used < before;
}
