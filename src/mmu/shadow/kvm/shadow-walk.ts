import { spteAt } from "./pages.ts";
import { isInvalid, type Level } from "./role.ts";
import type { KvmShadow } from "./state.ts";

/** Index of an address in shadow tables of a level. */
export function indexOf(gva: number, level: Level): number {
  const shift = 12 + 9 * (level - 1);
  return shift < 32 && gva <= 0xffffffff ? (gva >>> shift) & 511 : Math.floor(gva / 2 ** shift) & 511;
}

/** The topmost shadow page for an address: 0 when there is none, or it has been zapped. */
export function rootFor(s: KvmShadow, gva: number): number {
  const sid = s.mode.topLevel === 4 ? s.roots[0] : (s.roots[gva >>> 30] as number);
  return sid !== 0 && isInvalid(s.pages.role[sid] as number) ? 0 : sid;
}

/** The slot for an address at a level, if the tables lead that far; else 0. */
export function slotFor(s: KvmShadow, gva: number, level: Level): number {
  let sid = rootFor(s, gva);
  for (let at = s.mode.topLevel as Level; sid !== 0; at--) {
    const g = spteAt(sid, indexOf(gva, at));
    if (at === level) return g;
    sid = s.pages.child(g);
  }
  return 0;
}
