import type { Gva } from "../../mmu/address.ts";

/** Fact, from ShadowManager: cached translations were dropped, all of the vcpu's or those of one page, before anything relied on their absence. */
export interface TlbFlush {
  readonly type: "tlb.flush";
  /** Present: of this address only. */
  readonly gva?: Gva;
}

export type TlbMessage = TlbFlush;
