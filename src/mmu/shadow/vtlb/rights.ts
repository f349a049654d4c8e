import { Cr0 } from "../../../cpu/state.ts";
import { Pte } from "../../format.ts";
import { PageFault, type ShadowFault } from "../../pager.ts";

/**
 * W, U and the mark of a lent page (Pte bits) that a fill grants for this access. The hardware always runs with write protection on, because W must stop
 * supervisor writes too while the guest's D is clear. What CR0.WP=0 allows beyond that is made of W and U:
 *
 *   guest page     D clear   D set, page writable   D set, read-only
 *   WP=1           U         W U                    U
 *   WP=0           U         W U                    supervisor page: W.  User page: lent to the supervisor (W, no U) by a supervisor
 *                                                   write, taken back (U, no W) by the next user access, which then faults.
 *
 * (U only where the guest's tables give it. A lent page is marked as such: SMEP and SMAP still apply to it.)
 */
export function grantedRights(fault: ShadowFault, cr0: number): number {
  const { walk, errorCode } = fault;
  const user = walk.user ? Pte.user : 0;
  if (!walk.dirty) return user;
  if (walk.writable) return Pte.writable | user;
  if ((cr0 & Cr0.WP) !== 0) return user;
  if (!walk.user) return Pte.writable;
  const supervisorWrite = (errorCode & PageFault.write) !== 0 && (errorCode & PageFault.user) === 0;
  return supervisorWrite ? Pte.writable | Pte.lent : user;
}
