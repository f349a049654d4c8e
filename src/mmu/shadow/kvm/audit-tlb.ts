import { hpaOf, type Mfn } from "../../address.ts";
import { NO_EXECUTE, Pte } from "../../format.ts";
import type { CachedTranslation } from "../../pager.ts";
import type { Complain } from "./audit.ts";
import { spteAt } from "./pages.ts";
import { isInvalid, type Level } from "./role.ts";
import type { RootPages } from "./root-tags.ts";
import { indexOf } from "./shadow-walk.ts";
import { isPresent } from "./spte.ts";
import type { KvmShadow } from "./state.ts";

/**
 * I33: what the hardware has cached under the tag of some roots is what the sptes below them give now, or less. Tags of roots of which a page is gone are
 * never loaded again.
 */
export function auditTlb(s: KvmShadow, complain: Complain): void {
  if (s.owed.isOwed) return;
  for (const cached of s.context.tlb.translations()) {
    const roots = s.tags.rootsOf(cached.tag);
    const what = roots === undefined ? undefined : excess(s, roots, cached);
    if (what !== undefined)
      complain(
        "I33",
        `the translation of 0x${cached.gva.toString(16)} cached under tag ${cached.tag} ${what}`,
      );
  }
}

function excess(s: KvmShadow, roots: RootPages, cached: CachedTranslation): string | undefined {
  const { gva, hpa, supervisor, user } = cached;
  const leaf = leafFor(s, roots, gva);
  if (leaf === undefined) return "has no leaf";
  const { lo, hi, frame } = leaf;
  if (hpaOf(frame) !== hpa)
    return `leads to 0x${hpa.toString(16)}, its leaf to frame 0x${frame.toString(16)}`;
  if ((user.read || user.write || user.execute) && (lo & Pte.user) === 0) return "lets the user in";
  if ((supervisor.write || user.write) && (lo & Pte.writable) === 0) return "allows writes";
  if ((supervisor.write || user.write) && (lo & Pte.dirty) === 0) return "allows writes before D is set";
  if ((supervisor.execute || user.execute) && (hi & NO_EXECUTE) !== 0) return "allows code";
  return undefined;
}

/** The leaf for an address below roots, and the frame of its 4 KiB page. */
function leafFor(
  s: KvmShadow,
  roots: RootPages,
  gva: number,
): { lo: number; hi: number; frame: Mfn } | undefined {
  const { pages } = s;
  let sid = s.mode.topLevel === 4 ? roots[0] : (roots[gva >>> 30] as number);
  if (sid === 0 || isInvalid(pages.role[sid] as number)) return undefined;
  for (let level = s.mode.topLevel as Level; sid !== 0; level--) {
    const g = spteAt(sid, indexOf(gva, level));
    const lo = pages.lo(g);
    if (!isPresent(lo)) return undefined;
    if (level === 1 || (lo & Pte.large) !== 0) {
      const within = Math.floor(gva / 4096) % 2 ** (9 * (level - 1));
      return { lo, hi: pages.hi(g), frame: ((lo >>> 12) + within) as Mfn };
    }
    sid = pages.child(g);
  }
  return undefined;
}
