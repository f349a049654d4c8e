import { hpaOf, type Mfn } from "../../address.ts";
import { Pte } from "../../format.ts";
import type { Complain, HardwareView } from "./audit.ts";
import { spteName } from "./list-counters.ts";
import { SPTES, spteAt } from "./pages.ts";
import { isInvalid } from "./role.ts";
import type { KvmShadow } from "./state.ts";

/** I18, I23, I30: what the hardware can reach from the roots that it has been given. */
export function auditReach(s: KvmShadow, view: HardwareView, complain: Complain): void {
  if (s.owed.isOwed) complain("I30", "a flush is owed");
  if (!s.rootsLoaded || s.requests.reload) return;
  checkPointers(s, view, complain);
  for (const [i, sid] of s.roots.entries())
    if (sid !== 0 && !isInvalid(s.pages.role[sid] as number))
      descend(s, sid, s.mode.topLevel === 4 ? 0 : i * 2 ** 30, complain);
}

function checkPointers(s: KvmShadow, { hardware, pointers }: HardwareView, complain: Complain): void {
  const frameOfRoot = (sid: number): Mfn => s.pages.frame[sid] as Mfn;
  if (s.mode.topLevel === 4) {
    if (hardware.format !== "4-level" || hardware.root !== hpaOf(frameOfRoot(s.roots[0])))
      complain("root", `the hardware walks ${hardware.format} tables at ${hardware.root}`);
    return;
  }
  if (hardware.format !== "PAE" || hardware.root !== pointers)
    complain("root", `the hardware walks ${hardware.format} tables at ${hardware.root}`);
  for (const [i, sid] of s.roots.entries()) {
    const expected = sid === 0 ? 0 : (hpaOf(frameOfRoot(sid)) | Pte.present) >>> 0;
    const pointer = s.memory.machine.u32[(pointers >>> 2) + 2 * i];
    if (pointer !== expected)
      complain("root", `pointer ${i} is ${pointer}, root ${sid} would be ${expected}`);
  }
}

function descend(s: KvmShadow, sid: number, base: number, complain: Complain): void {
  const { pages, records } = s;
  const level = pages.level(sid);
  if (pages.isUnsync(sid)) {
    if (s.rootsSynced) complain("I18", `page ${sid} is unsync although the roots were brought up to date`);
    if (records === undefined) return;
    for (let slot = 0; slot < SPTES; slot++) {
      const g = spteAt(sid, slot);
      if ((pages.lo(g) & Pte.present) === 0) continue;
      const known = Math.max(records.madeAt[g] as number, records.unsyncedAt[sid] as number);
      if (records.ledger.missed(base + slot * 4096, known, true, 12))
        complain(
          "I23",
          `${spteName(g)} of 0x${(base + slot * 4096).toString(16)} is older than its invalidation`,
        );
    }
    return;
  }
  if (level === 1) return;
  for (let slot = 0; slot < SPTES; slot++) {
    const child = pages.child(spteAt(sid, slot));
    if (child !== 0) descend(s, child, base + slot * 2 ** (12 + 9 * (level - 1)), complain);
  }
}
