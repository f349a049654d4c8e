/**
 * What the kvm ShadowManager tells about its tables. All are facts: announced, with no receiver, after the turn's changes are complete.
 *
 * `sid` numbers a shadow page; `g` numbers a shadow entry: sid * 512 + slot. `role` is the packed word of the page's role.
 */
import type { Gfn } from "../../mmu/address.ts";
import type { ShadowAudited, ShadowRequest, ShadowTlbFilled } from "./shadow.ts";

/** What tells which page it is. */
interface OfPage<Type extends string> {
  readonly type: Type;
  readonly sid: number;
  /** Of the guest table that it shadows; of a direct page, the first that it maps. */
  readonly gfn: Gfn;
  readonly role: number;
}

/** Of a leaf: which entry, the guest frame that it maps, and the entry's two words, low and high. */
interface OfLeaf<Type extends string> {
  readonly type: Type;
  readonly g: number;
  readonly gfn: Gfn;
  readonly lo: number;
  readonly hi: number;
}

/** Fact, from ShadowManager: a shadow page was made. (KVM's tracepoint kvm_mmu_get_page.) */
export type ShadowCreated = OfPage<"shadow.created">;
/** Fact, from ShadowManager: a shadow page was taken out of use; nothing leads to it, and it is freed once every TLB is flushed (a root: once no vcpu uses it). (kvm_mmu_prepare_zap_page.) */
export type ShadowZapped = OfPage<"shadow.zapped">;
/** Fact, from ShadowManager: a shadow page's frame has gone back to the pool. */
export type ShadowFreed = OfPage<"shadow.freed">;
/** Fact, from ShadowManager: the guest may write the table behind this page without leaving; the shadow may lag behind it until the next point of synchronisation. (kvm_mmu_unsync_page.) */
export type ShadowUnsynced = OfPage<"shadow.unsynced">;
/** Fact, from ShadowManager: a page that was out of step agrees with its guest table again. (kvm_mmu_sync_page.) */
export type ShadowResynced = OfPage<"shadow.resynced">;

/** Fact, from ShadowManager: entry `g` of an upper page now leads to this page. */
export type ShadowLinked = OfPage<"shadow.linked"> & { readonly g: number };
/** Fact, from ShadowManager: entry `g` no longer leads to this page. */
export type ShadowUnlinked = OfPage<"shadow.unlinked"> & { readonly g: number };

/** Fact, from ShadowManager: a leaf was made, or changed without losing rights. */
export type ShadowLeafFilled = OfLeaf<"shadow.filled">;
/** Fact, from ShadowManager: a leaf was cleared; the words are those that it had. */
export type ShadowDropped = OfLeaf<"shadow.dropped">;
/** Fact, from ShadowManager: a leaf has lost W, because it maps a guest table or a page whose writes are logged. */
export type ShadowProtected = OfLeaf<"shadow.protected">;

/** Fact, from ShadowManager: the guest has written this frame so often in a row that it is no longer taken for a table; its pages are zapped. */
export interface ShadowFlooded {
  readonly type: "shadow.flooded";
  readonly gfn: Gfn;
}

/** Fact, from ShadowManager: so many pages were zapped, the oldest first, because the budget was nearly spent or memory was wanted back. */
export interface ShadowEvicted {
  readonly type: "shadow.evicted";
  readonly n: number;
}

/** Fact, from ShadowManager: too many entries mapped one frame; all were dropped. */
export interface ShadowRecycled {
  readonly type: "shadow.recycled";
  readonly gfn: Gfn;
  readonly n: number;
}

export type ShadowFact =
  | ShadowTlbFilled
  | ShadowCreated
  | ShadowZapped
  | ShadowFreed
  | ShadowUnsynced
  | ShadowResynced
  | ShadowLinked
  | ShadowUnlinked
  | ShadowLeafFilled
  | ShadowDropped
  | ShadowProtected
  | ShadowFlooded
  | ShadowEvicted
  | ShadowRecycled
  | ShadowAudited;

export type ShadowMessage = ShadowRequest | ShadowFact;
