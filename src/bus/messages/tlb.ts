import type { Gva } from "../../mmu/address.ts";

/** Fact, from ShadowManager: cached translations were dropped, all of the vcpu's or those of some pages, before anything relied on their absence. */
export interface TlbFlush {
  readonly type: "tlb.flush";
  /** Present: of the 4 KiB pages at these addresses only. */
  readonly pages?: readonly Gva[];
  /** Beside `pages`: all that was cached under these tags of roots. */
  readonly tags?: readonly number[];
}

export type TlbMessage = TlbFlush;
