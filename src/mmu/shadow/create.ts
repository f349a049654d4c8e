import type { Pager, PagerName } from "../pager.ts";
import { BarePager } from "./bare/pager.ts";
import type { PagerContext } from "./context.ts";
import type { KvmOptions } from "./kvm/options.ts";
import { KvmPager } from "./kvm/pager.ts";
import { type VtlbOptions, VtlbPager } from "./vtlb/pager.ts";

/** Settings of each pager that has any. Those of the pagers that are not made are ignored. */
export interface PagerOptions {
  readonly kvm?: KvmOptions;
  readonly vtlb?: VtlbOptions | undefined;
}

/** The pager of that name for one guest. Throws PagerError when the machine has no frame for its root. */
export function createPager(name: PagerName, context: PagerContext, options: PagerOptions = {}): Pager {
  switch (name) {
    case "bare":
      return new BarePager(context);
    case "vtlb":
      return new VtlbPager(context, options.vtlb);
    case "kvm":
      return new KvmPager(context, options.kvm);
  }
}
