import type { Level } from "./role.ts";
import { pagesPerEntry } from "./slots.ts";
import type { KvmShadow } from "./state.ts";

/**
 * At which level the page of the walk just made is mapped: 1, unless the guest maps it large, the host's frames allow it, nothing in it is
 * a table or logged.
 */
export function chooseLevel(s: KvmShadow): Level {
  const { path, slots } = s;
  if (!s.options.largeHostPages || path.level === 1) return 1;
  const slot = slots.find(path.gfn);
  if (slot === undefined || slot.dirty !== undefined) return 1;
  const highest = Math.min(path.level, slots.hostLevel(path.gfn), 3);
  let level: Level = 1;
  while (level < highest && slots.writeCount(path.gfn, (level + 1) as 2 | 3) === 0)
    level = (level + 1) as Level;
  while (
    level > 1 &&
    path.usesTableIn(firstGfn(path.gfn, level), pagesPerEntry(level)) &&
    s.mode.rootLevel !== 0
  )
    level = (level - 1) as Level;
  return level;
}

/** First gfn of what one entry of a level maps. */
export function firstGfn(gfn: number, level: Level): number {
  return gfn - (gfn % pagesPerEntry(level));
}
