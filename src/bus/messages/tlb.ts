import type { Gva } from "../../mmu/address.ts";

/** Fact, from ShadowManager: cached translations were dropped, before anything relied on their absence. */
export interface TlbFlushed {
  readonly type: "tlb.flushed";
  /** all: of every vcpu; vcpu: of the one being served; page: of one address of that one. */
  readonly scope: "all" | "vcpu" | "page";
  /** With scope page. */
  readonly gva?: Gva;
}

export type TlbMessage = TlbFlushed;
