import type { PteListKind } from "./pte-lists.ts";

/**
 * How it is found out that a frame is no longer a table. `page`: a counter for each upper page of guest writes trapped since it was last
 * walked (Linux 3.11); `vcpu`: the last frame written by the vcpu, and how often in a row (Linux 2.6.35).
 */
export const FLOOD_POLICIES = ["page", "vcpu"] as const;
export type FloodPolicy = (typeof FLOOD_POLICIES)[number];

/** What can be chosen about the kvm pager. */
export interface KvmOptions {
  /** How reverse maps are kept. */
  readonly rmap: PteListKind;
  /** The guest may write tables of last level without leaving; they are synchronised where it flushes. */
  readonly unsync: boolean;
  readonly flood: FloodPolicy;
  /** Most shadow pages; undefined: 2 % of the guest's pages, at least 64. */
  readonly shadowPages: number | undefined;
  /** Leaves around a fault are filled with it. */
  readonly prefetch: boolean;
}

export const DEFAULT_KVM_OPTIONS: KvmOptions = {
  rmap: "sibling",
  unsync: true,
  flood: "page",
  shadowPages: undefined,
  prefetch: true,
};
