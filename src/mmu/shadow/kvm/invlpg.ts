import type { Gva } from "../../address.ts";
import { Pte } from "../../format.ts";
import { dropSpte } from "./drop.ts";
import { spteAt } from "./pages.ts";
import { guessFromGpte } from "./prefetch.ts";
import type { Level } from "./role.ts";
import { indexOf, rootFor } from "./shadow-walk.ts";
import type { KvmShadow } from "./state.ts";
import { hasUnsync } from "./unsync.ts";

/** INVLPG: the leaf of an unsync page is made anew from the guest's entry; synchronous pages need nothing. */
export function invalidate(s: KvmShadow, gva: Gva): void {
  s.lists.reserve(1);
  let sid = rootFor(s, gva);
  for (let level = s.mode.topLevel as Level; sid !== 0 && hasUnsync(s, sid); level--) {
    const g = spteAt(sid, indexOf(gva, level));
    if (level > 1) {
      sid = s.pages.child(g);
      continue;
    }
    renew(s, sid, g);
    break;
  }
  // Nothing need have changed: what the processor has cached goes all the same.
  s.owed.add(gva);
  s.settleFlush();
}

function renew(s: KvmShadow, sid: number, g: number): void {
  if ((s.pages.lo(g) & Pte.present) !== 0) dropSpte(s, g);
  guessFromGpte(s, sid, g);
}
