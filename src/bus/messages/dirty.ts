import type { Gfn } from "../../mmu/address.ts";

/** Embedder → ShadowManager: from now on, note which pages the guest or the monitor writes. Nobody answers. */
export interface DirtyStart {
  readonly type: "dirty.start";
}

/** Embedder → ShadowManager: stop noting them. Nobody answers. */
export interface DirtyStop {
  readonly type: "dirty.stop";
}

/** Embedder → ShadowManager: tell the pages written since the last time, and begin anew. Answered by the fact `dirty.pages`. */
export interface DirtyRead {
  readonly type: "dirty.read";
}

/** Fact, from ShadowManager: what was written between two reads of the log. */
export interface DirtyPages {
  readonly type: "dirty.pages";
  /** In ascending order. */
  readonly gfns: readonly Gfn[];
}

export type DirtyMessage = DirtyStart | DirtyStop | DirtyRead | DirtyPages;
