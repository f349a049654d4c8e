import type { Pager } from "../mmu/pager.ts";
import { KvmPager } from "../mmu/shadow/kvm/pager.ts";
import type { KvmShadow } from "../mmu/shadow/kvm/state.ts";

/** What the actors of kvm drive of its pager: one turn, one call. */
export type KvmMechanism = Pick<
  KvmPager,
  | "name"
  | "fault"
  | "makeRoom"
  | "store"
  | "changeContext"
  | "enter"
  | "invalidatePage"
  | "remapped"
  | "changeBudget"
  | "shrink"
  | "startDirtyLog"
  | "stopDirtyLog"
  | "readDirtyLog"
  | "hardware"
> & {
  readonly shadow: Pick<KvmShadow, "isShort" | "requests" | "rootsLoaded" | "stats" | "options"> & {
    readonly slots: Pick<KvmShadow["slots"], "all">;
    readonly pages: Pick<KvmShadow["pages"], "capacity">;
  };
};

/** Whether a pager needs the actors of kvm. */
export function isKvm(pager: Pager): pager is KvmPager {
  return pager instanceof KvmPager;
}
