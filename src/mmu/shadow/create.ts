import type { Pager, PagerName } from "../pager.ts";
import { BarePager } from "./bare/pager.ts";
import type { PagerContext } from "./context.ts";
import type { KvmOptions } from "./kvm/options.ts";
import { KvmPager } from "./kvm/pager.ts";
import { VtlbPager } from "./vtlb/pager.ts";

/** The pager of that name for one guest. Throws PagerError when the machine has no frame for its root. */
export function createPager(name: PagerName, context: PagerContext, kvm: KvmOptions = {}): Pager {
  switch (name) {
    case "bare":
      return new BarePager(context);
    case "vtlb":
      return new VtlbPager(context);
    case "kvm":
      return new KvmPager(context, kvm);
  }
}
