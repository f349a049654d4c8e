import { ExitControl } from "../../../cpu/exit.ts";
import { Cr0, Cr4 } from "../../../cpu/state.ts";
import { type Gva, hpaOf, type Mfn, NO_FRAME, PAGE_SHIFT } from "../../address.ts";
import { FRAME_MASK, largeEntry36, Pte } from "../../format.ts";
import { OutOfFrames } from "../../frames.ts";
import {
  type AuditViolation,
  type HardwarePaging,
  type Pager,
  PagerError,
  type ShadowFault,
  type ShadowFill,
  type TranslationChange,
} from "../../pager.ts";
import type { PagerContext } from "../context.ts";
import { auditVtlb, type VtlbAudit } from "./audit.ts";
import { InvalidationLedger } from "./ledger.ts";
import { grantedRights } from "./rights.ts";
import { type FillRecord, type ShadowTable, ShadowTables } from "./tables.ts";

export interface VtlbOptions {
  /** Most machine frames for the root and tables; at least 2. When they are spent, everything is dropped and filled anew. */
  readonly frameBudget?: number;
  /** Keep what is global (CR4.PGE and G of the guest's leaf) across CR3 loads, as a TLB does. */
  readonly keepGlobal?: boolean;
}

const DEFAULT_FRAME_BUDGET = 1024;
/** Register bits that the shadow depends on. */
const CR0_BITS = Cr0.PG | Cr0.WP;
const CR4_BITS = Cr4.PSE | Cr4.PGE | Cr4.PAE | Cr4.SMEP | Cr4.SMAP;
const NO_PAE =
  "the guest has switched PAE paging on, and the vtlb pager shadows two-level tables only: run it under another pager, or boot a kernel without PAE";
/** The last frame that an entry of 4 bytes can name if it maps 4 KiB. */
const LAST_NARROW_FRAME = 0xfffff;
/** Frame and rights of a leaf: if any of them goes, the TLB may hold more than the new leaf gives. */
const NARROWING = Pte.writable | Pte.user | Pte.global;

/** The shadow as a TLB: filled on demand, dropped whenever a TLB would be. See README.md. */
export class VtlbPager implements Pager {
  readonly name = "vtlb";
  readonly controls =
    ExitControl.pageFault | ExitControl.cr0 | ExitControl.cr3 | ExitControl.cr4 | ExitControl.invlpg;
  readonly hardware: Extract<HardwarePaging, { mode: "shadow" }>;
  readonly keepGlobal: boolean;
  /** How often the frames were spent and everything was dropped. */
  exhaustions = 0;
  readonly context: PagerContext;
  readonly tables: ShadowTables;
  readonly ledger: InvalidationLedger = new InvalidationLedger();
  /** CR0 and CR4 bits under which the present entries were filled. */
  #filledUnder: number;
  #staleEntries = 0;

  /** Throws RangeError for a budget under 2, PagerError when the machine has no frame for the root. */
  constructor(context: PagerContext, options: VtlbOptions = {}) {
    const budget = options.frameBudget ?? DEFAULT_FRAME_BUDGET;
    if (!Number.isInteger(budget) || budget < 2)
      throw new RangeError(
        `the vtlb pager needs a budget of at least 2 frames (root and a table), not ${budget}`,
      );
    this.context = context;
    this.keepGlobal = options.keepGlobal ?? true;
    const { machine, p2m } = context.memory;
    try {
      this.tables = new ShadowTables(
        machine,
        context.frames,
        `${p2m.owner}/vtlb${context.number ?? ""}`,
        budget,
      );
    } catch (error) {
      if (error instanceof OutOfFrames) throw new PagerError(error.message);
      throw error;
    }
    this.hardware = {
      mode: "shadow",
      p2m: p2m.table,
      format: "32-bit",
      root: hpaOf(this.tables.root),
      writeProtect: true,
    };
    this.#filledUnder = this.pagingBits();
  }

  get framesHeld(): number {
    return this.tables.framesHeld;
  }

  fill(fault: ShadowFault): ShadowFill {
    const { gva, walk } = fault;
    const { p2m } = this.context.memory;
    this.#adoptPagingBits();
    const paged = (this.context.paging.cr0 & Cr0.PG) !== 0;
    if (paged && (this.context.paging.cr4 & Cr4.PAE) !== 0) throw new PagerError(NO_PAE);
    const rights = this.rights(fault, paged);
    const frame = this.hostFrame(fault);
    const flags = Pte.present | Pte.accessed | rights | (rights & Pte.writable ? Pte.dirty : 0);
    const kept = walk.global && this.keepGlobal ? Pte.global : 0;
    const guestLarge = walk.level > 1 || !paged;
    const largeFrame = guestLarge && frame !== NO_FRAME ? p2m.lookupLarge(walk.gfn) : NO_FRAME;
    /** Only a 4 MiB page (PSE-36) reaches so far up, and only a large entry can say so. */
    const isFar = (walk.gfn as number) > LAST_NARROW_FRAME;
    const held = this.tables.all.length;
    if (largeFrame !== NO_FRAME)
      this.#fillLarge(gva, ((largeFrame << PAGE_SHIFT) | flags | kept | Pte.large) >>> 0);
    else if (isFar)
      this.#fillLarge(gva, (largeEntry36(walk.gfn) | Pte.unbacked | flags | kept | Pte.large) >>> 0);
    else {
      const place = frame === NO_FRAME ? (walk.gfn << PAGE_SHIFT) | Pte.unbacked : frame << PAGE_SHIFT;
      this.#fillSmall(gva, (place | flags | kept) >>> 0, guestLarge);
    }
    return {
      gva,
      gfn: walk.gfn,
      mfn: frame as Mfn | typeof NO_FRAME,
      writable: (rights & Pte.writable) !== 0,
      user: (rights & Pte.user) !== 0,
      level: largeFrame === NO_FRAME && !isFar ? 1 : 2,
      tablesAllocated: this.tables.all.length - held,
    };
  }

  contextChanged(change: TranslationChange): number {
    if (change === "cr3") {
      this.ledger.demandNonGlobal();
      return this.dropForCr3() + this.#renewLedger();
    }
    if (this.pagingBits() === this.#filledUnder) return 0;
    this.#filledUnder = this.pagingBits();
    this.ledger.demandAll();
    return this.dropEverything() + this.#renewLedger();
  }

  invalidatePage(gva: Gva): void {
    this.ledger.demandPage(gva);
    this.dropPage(gva);
    this.#renewLedger();
  }

  audit(): AuditViolation[] {
    return this.auditReport().violations;
  }

  /** The audit with its figures: entries looked at, and how many of them the guest has since changed without invalidating. */
  auditReport(): VtlbAudit {
    const report = auditVtlb({
      context: this.context,
      tables: this.tables,
      ledger: this.ledger,
      keepGlobal: this.keepGlobal,
      hardwareRoot: this.hardware.root,
      filledUnder: this.#filledUnder,
      pagingBits: this.pagingBits(),
    });
    this.#staleEntries = report.staleEntries;
    return report;
  }

  /** Stale entries that the last audit found; allowed by the architecture. */
  get staleEntries(): number {
    return this.#staleEntries;
  }

  dispose(): void {
    this.context.tlb.flush();
    this.tables.dispose();
  }

  /** W and U of the leaf to fill. */
  protected rights(fault: ShadowFault, paged: boolean): number {
    return paged ? grantedRights(fault, this.context.paging.cr0) : Pte.writable | Pte.user;
  }

  /** Machine frame of the 4 KiB page, or NO_FRAME. */
  protected hostFrame(fault: ShadowFault): number {
    return this.context.memory.p2m.lookup(fault.walk.gfn);
  }

  /** The guest's entries of a filled leaf, for the audit. */
  protected record(gva: Gva): FillRecord {
    const { paging, memory } = this.context;
    const filledAt = this.ledger.now;
    if ((paging.cr0 & Cr0.PG) === 0) return { guestPde: 0, guestPte: 0, filledAt };
    const guestPde = memory.readEntry32(((paging.cr3 & FRAME_MASK) >>> 0) + (gva >>> 22) * 4);
    if ((paging.cr4 & Cr4.PSE) !== 0 && (guestPde & Pte.large) !== 0)
      return { guestPde, guestPte: 0, filledAt };
    const guestPte = memory.readEntry32(((guestPde & FRAME_MASK) >>> 0) + ((gva >>> PAGE_SHIFT) & 0x3ff) * 4);
    return { guestPde, guestPte, filledAt };
  }

  protected dropEverything(): number {
    const dropped = this.tables.dropAll();
    this.context.tlb.flush();
    return dropped;
  }

  protected dropForCr3(): number {
    if (!this.keepGlobal || (this.context.paging.cr4 & Cr4.PGE) === 0) return this.dropEverything();
    const { dropped, lostGlobal } = this.tables.dropNonGlobal();
    // The TLB must never hold what the shadow does not: INVLPG of a large page relies on the shadow to know its extent.
    if (lostGlobal) this.context.tlb.flush();
    else this.context.tlb.flushNonGlobal();
    return dropped;
  }

  protected dropPage(gva: Gva): void {
    const slot = gva >>> 22;
    const table = this.tables.tableAt(slot);
    if (table !== undefined && !table.hasPieces) {
      this.tables.clearLeaf(table, (gva >>> PAGE_SHIFT) & 0x3ff);
      this.context.tlb.flushPage(gva);
    } else if (this.tables.dropSlot(slot) > 0) this.context.tlb.flush();
  }

  protected pagingBits(): number {
    return (this.context.paging.cr0 & CR0_BITS) | (this.context.paging.cr4 & CR4_BITS);
  }

  /** Entries of other paging bits must not mix with new ones, should a change not have been told. */
  #adoptPagingBits(): void {
    const bits = this.pagingBits();
    if (bits === this.#filledUnder) return;
    this.#filledUnder = bits;
    this.ledger.demandAll();
    this.dropEverything();
  }

  /** Starts the ledger anew when its stamps run out (once in 2^32 demands); returns the number of leaves dropped for it. */
  #renewLedger(): number {
    if (!this.ledger.exhausted) return 0;
    const dropped = this.dropEverything();
    this.ledger.restart();
    return dropped;
  }

  #fillLarge(gva: Gva, entry: number): void {
    const { tables } = this;
    const slot = gva >>> 22;
    const record = this.record(gva);
    if (tables.tableAt(slot) !== undefined) {
      tables.dropSlot(slot);
      this.context.tlb.flush();
    }
    const old = tables.setLarge(slot, entry, record);
    if (narrows(old, entry)) this.context.tlb.flush();
  }

  #fillSmall(gva: Gva, entry: number, piece: boolean): void {
    const { tables } = this;
    const slot = gva >>> 22;
    if (tables.hasLarge(slot)) {
      tables.dropSlot(slot);
      this.context.tlb.flush();
    }
    const table = tables.tableAt(slot) ?? this.#newTable(slot);
    if (piece) table.hasPieces = true;
    const old = tables.setLeaf(table, (gva >>> PAGE_SHIFT) & 0x3ff, entry, this.record(gva));
    if (narrows(old, entry)) this.context.tlb.flushPage(gva);
  }

  #newTable(slot: number): ShadowTable {
    const table = this.tables.acquire(slot);
    if (table !== undefined) return table;
    this.exhaustions++;
    this.dropEverything();
    const anew = this.tables.acquire(slot);
    if (anew !== undefined) return anew;
    throw new PagerError(
      `the vtlb pager of ${this.context.memory.p2m.owner} has no machine frame for a single page table (${this.framesHeld} held, budget ${this.tables.budget}): give the machine more memory for the monitor`,
    );
  }
}

/** True when a translation cached from `old` could allow or last longer than what `entry` says. */
function narrows(old: number, entry: number): boolean {
  if ((old & Pte.present) === 0) return false;
  const moved = ((old ^ entry) & (FRAME_MASK | Pte.unbacked)) !== 0;
  return moved || (old & ~entry & NARROWING) !== 0 || (entry & ~old & Pte.lent) !== 0;
}
