/**
 * What the pager tells while it works: the facts of a turn. Numbers only, so that telling nobody costs nothing. `g` is the global index of
 * an spte (sid * 512 + slot), `lo` and `hi` its words after (for `dropped`: before) the change.
 */
export interface KvmListener {
  created(sid: number, gfn: number, role: number): void;
  /** An spte has become a link to a page, or no longer is. */
  linked(g: number, sid: number, gfn: number, role: number): void;
  unlinked(g: number, sid: number, gfn: number, role: number): void;
  zapped(sid: number, gfn: number, role: number): void;
  freed(sid: number, gfn: number, role: number): void;
  /** A leaf maps a gfn, was dropped, or lost W because the gfn is a table or is logged. */
  filled(g: number, gfn: number, lo: number, hi: number): void;
  dropped(g: number, gfn: number, lo: number, hi: number): void;
  protected(g: number, gfn: number, lo: number, hi: number): void;
  unsynced(sid: number, gfn: number, role: number): void;
  resynced(sid: number, gfn: number, role: number): void;
  /** Written so often that its shadow was given up. */
  flooded(gfn: number): void;
  /** Zapped to make room. */
  evicted(pages: number): void;
  /** A gfn was mapped too often; all its leaves were dropped. */
  recycled(gfn: number, leaves: number): void;
  /** The vcpu has to load its roots anew before it enters. */
  reloadWanted(): void;
  /** Translations were dropped: of these pages, and under these tags; undefined: all. */
  flushed(pages: readonly number[] | undefined, tags: readonly number[] | undefined): void;
}

const nothing = (): void => {};

export const SILENT: KvmListener = {
  created: nothing,
  linked: nothing,
  unlinked: nothing,
  zapped: nothing,
  freed: nothing,
  filled: nothing,
  dropped: nothing,
  protected: nothing,
  unsynced: nothing,
  resynced: nothing,
  flooded: nothing,
  evicted: nothing,
  recycled: nothing,
  reloadWanted: nothing,
  flushed: nothing,
};

/** A page, in a fact. */
export interface PageFact {
  readonly sid: number;
  readonly gfn: number;
  readonly role: number;
}
/** An spte, in a fact: low and high word. */
export interface SpteFact {
  readonly g: number;
  readonly gfn: number;
  readonly lo: number;
  readonly hi: number;
}

export type KvmFact =
  | ({ readonly type: "shadow.created" | "shadow.zapped" | "shadow.freed" } & PageFact)
  | ({ readonly type: "shadow.unsynced" | "shadow.resynced" } & PageFact)
  | ({ readonly type: "shadow.linked" | "shadow.unlinked"; readonly g: number } & PageFact)
  | ({ readonly type: "shadow.filled" | "shadow.dropped" | "shadow.protected" } & SpteFact)
  | { readonly type: "shadow.flooded"; readonly gfn: number }
  | { readonly type: "shadow.evicted"; readonly n: number }
  | { readonly type: "shadow.recycled"; readonly gfn: number; readonly n: number }
  | { readonly type: "shadow.reload" }
  | { readonly type: "tlb.flush"; readonly pages?: readonly number[]; readonly tags?: readonly number[] };

/** Keeps the facts of a turn until they are taken. */
export class FactLog implements KvmListener {
  #facts: KvmFact[] = [];

  take(): KvmFact[] {
    const facts = this.#facts;
    this.#facts = [];
    return facts;
  }

  created(sid: number, gfn: number, role: number): void {
    this.#facts.push({ type: "shadow.created", sid, gfn, role });
  }
  linked(g: number, sid: number, gfn: number, role: number): void {
    this.#facts.push({ type: "shadow.linked", g, sid, gfn, role });
  }
  unlinked(g: number, sid: number, gfn: number, role: number): void {
    this.#facts.push({ type: "shadow.unlinked", g, sid, gfn, role });
  }
  zapped(sid: number, gfn: number, role: number): void {
    this.#facts.push({ type: "shadow.zapped", sid, gfn, role });
  }
  freed(sid: number, gfn: number, role: number): void {
    this.#facts.push({ type: "shadow.freed", sid, gfn, role });
  }
  filled(g: number, gfn: number, lo: number, hi: number): void {
    this.#facts.push({ type: "shadow.filled", g, gfn, lo, hi });
  }
  dropped(g: number, gfn: number, lo: number, hi: number): void {
    this.#facts.push({ type: "shadow.dropped", g, gfn, lo, hi });
  }
  protected(g: number, gfn: number, lo: number, hi: number): void {
    this.#facts.push({ type: "shadow.protected", g, gfn, lo, hi });
  }
  unsynced(sid: number, gfn: number, role: number): void {
    this.#facts.push({ type: "shadow.unsynced", sid, gfn, role });
  }
  resynced(sid: number, gfn: number, role: number): void {
    this.#facts.push({ type: "shadow.resynced", sid, gfn, role });
  }
  flooded(gfn: number): void {
    this.#facts.push({ type: "shadow.flooded", gfn });
  }
  evicted(n: number): void {
    this.#facts.push({ type: "shadow.evicted", n });
  }
  recycled(gfn: number, n: number): void {
    this.#facts.push({ type: "shadow.recycled", gfn, n });
  }
  reloadWanted(): void {
    this.#facts.push({ type: "shadow.reload" });
  }
  flushed(pages: readonly number[] | undefined, tags: readonly number[] | undefined): void {
    this.#facts.push({ type: "tlb.flush", ...(pages && { pages }), ...(tags?.length && { tags }) });
  }
}
