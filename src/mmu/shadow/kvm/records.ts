import { InvalidationLedger } from "../vtlb/ledger.ts";
import { SPTES } from "./pages.ts";

/**
 * For the audit only: from which guest entry each leaf of a page table was made, and when; when each page became unsync; and when the guest
 * demanded which invalidation. With them the audit can tell a leaf that is legally stale from one that should be gone.
 */
export class LeafRecords {
  readonly gpteLo: Uint32Array;
  readonly gpteHi: Uint32Array;
  readonly madeAt: Uint32Array;
  /** By sid. */
  readonly unsyncedAt: Uint32Array;
  readonly ledger = new InvalidationLedger();

  constructor(pages: number) {
    this.gpteLo = new Uint32Array((pages + 1) * SPTES);
    this.gpteHi = new Uint32Array((pages + 1) * SPTES);
    this.madeAt = new Uint32Array((pages + 1) * SPTES);
    this.unsyncedAt = new Uint32Array(pages + 1);
  }

  made(g: number, lo: number, hi: number): void {
    this.gpteLo[g] = lo;
    this.gpteHi[g] = hi;
    this.madeAt[g] = this.ledger.now;
  }
  unsynced(sid: number): void {
    this.unsyncedAt[sid] = this.ledger.now;
  }
}
