import type { Gva } from "./address.ts";
import { type GuestPaging, PageFault, type ShadowFault } from "./pager.ts";
import type { GuestAccess, GuestWalker } from "./walker.ts";

/** Vector of #PF. */
const PAGE_FAULT_VECTOR = 14;

/** A page fault as the guest must see it: error code of ITS tables, and the linear address for CR2. */
export interface Reflection {
  readonly vector: typeof PAGE_FAULT_VECTOR;
  readonly errorCode: number;
  readonly cr2: Gva;
}

/** Whose fault a hardware page fault is. */
export type FaultVerdict =
  /** The guest's own tables refuse the access. */
  | { readonly kind: "reflect"; readonly reflection: Reflection }
  /** The guest's tables allow it: the shadow was behind. */
  | { readonly kind: "shadow"; readonly fault: ShadowFault };

/** The access that raised a page fault, as far as its error code tells (Intel SDM vol. 3, 4.7). */
export function accessOf(gva: Gva, errorCode: number): GuestAccess {
  return {
    gva,
    write: (errorCode & PageFault.write) !== 0,
    user: (errorCode & PageFault.user) !== 0,
    fetch: (errorCode & PageFault.fetch) !== 0,
    guarded: (errorCode & PageFault.guarded) !== 0,
  };
}

/**
 * Walks the guest's tables for the access of a hardware page fault. The hardware's P bit tells about the shadow and is dropped; the
 * reflected error code comes from the guest's tables. An allowed access has set A and D there, as the processor would have.
 */
export function classifyFault(
  walker: GuestWalker,
  paging: GuestPaging,
  gva: Gva,
  errorCode: number,
): FaultVerdict {
  const walk = walker.walk(accessOf(gva, errorCode), paging);
  return walk.kind === "fault"
    ? {
        kind: "reflect",
        reflection: { vector: PAGE_FAULT_VECTOR, errorCode: walk.errorCode, cr2: gva },
      }
    : { kind: "shadow", fault: { gva, errorCode, walk } };
}
