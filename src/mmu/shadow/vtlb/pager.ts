import { ExitControl } from "../../../cpu/exit.ts";
import { Cr0, Cr4, Efer } from "../../../cpu/state.ts";
import { type Gva, hpaOf, type Mfn, NO_FRAME, PAGE_SHIFT } from "../../address.ts";
import { FRAME_MASK, HIGH_FRAME_MASK, largeEntry36, NO_EXECUTE, Pte } from "../../format.ts";
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
import { guestEntries } from "./guest-entries.ts";
import { InvalidationLedger } from "./ledger.ts";
import type { FillRecord } from "./records.ts";
import { grantedRights } from "./rights.ts";
import { NARROW, shapeFor } from "./shape.ts";
import { type ShadowTable, ShadowTables } from "./tables.ts";

export interface VtlbOptions {
  /** Most page tables; at least 1. When they are spent, everything is dropped and filled anew. */
  readonly tableBudget?: number;
  /** Keep what is global (CR4.PGE and G of the guest's leaf) across CR3 loads, as a TLB does. */
  readonly keepGlobal?: boolean;
}

const DEFAULT_TABLE_BUDGET = 1024;
/** Register bits that the shadow depends on; no two of them are alike. */
const CR0_BITS = Cr0.PG | Cr0.WP;
const CR4_BITS = Cr4.PSE | Cr4.PGE | Cr4.PAE | Cr4.SMEP | Cr4.SMAP;
const EFER_BITS = Efer.NXE;
/** The last frame that an entry of 4 bytes can name if it maps 4 KiB. */
const LAST_NARROW_FRAME = 0xfffff;
/** Frame and rights of a leaf: if any of them goes, the TLB may hold more than the new leaf gives. */
const NARROWING = Pte.writable | Pte.user | Pte.global;

/** The shadow as a TLB: filled on demand, dropped whenever a TLB would be. See README.md. */
export class VtlbPager implements Pager {
  readonly name = "vtlb";
  readonly controls =
    ExitControl.pageFault |
    ExitControl.cr0 |
    ExitControl.cr3 |
    ExitControl.cr4 |
    ExitControl.executeDisable |
    ExitControl.invlpg;
  readonly hardware: Extract<HardwarePaging, { mode: "shadow" }>;
  readonly keepGlobal: boolean;
  /** How often the frames were spent and everything was dropped. */
  exhaustions = 0;
  readonly context: PagerContext;
  readonly tables: ShadowTables;
  readonly ledger: InvalidationLedger = new InvalidationLedger();
  /** CR0, CR4 and EFER bits under which the present entries were filled. */
  #filledUnder: number;
  #staleEntries = 0;

  /** Throws RangeError for a budget under 1, PagerError when the machine has no frames for the root. */
  constructor(context: PagerContext, options: VtlbOptions = {}) {
    const budget = options.tableBudget ?? DEFAULT_TABLE_BUDGET;
    if (!Number.isInteger(budget) || budget < 1)
      throw new RangeError(`the vtlb pager needs a budget of at least 1 page table, not ${budget}`);
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
    this.tables.reshape(shapeFor(context.paging));
    this.hardware = {
      mode: "shadow",
      p2m: p2m.table,
      format: this.tables.shape.format,
      root: hpaOf(this.tables.root),
      writeProtect: true,
      tag: 0,
    };
    this.#filledUnder = this.pagingBits();
  }

  get framesHeld(): number {
    return this.tables.framesHeld;
  }

  fill(fault: ShadowFault): ShadowFill {
    const { gva, walk } = fault;
    const { tables } = this;
    // Entries of other paging bits must not mix with new ones, should a change not have been told.
    if (this.pagingBits() !== this.#filledUnder) this.#adoptPagingBits();
    const { shape } = tables;
    const paged = (this.context.paging.cr0 & Cr0.PG) !== 0;
    const rights = this.rights(fault, paged);
    const frame = this.hostFrame(fault);
    const kept = walk.global && this.keepGlobal ? Pte.global : 0;
    const flags = Pte.present | Pte.accessed | rights | (rights & Pte.writable ? Pte.dirty : 0) | kept;
    const high = this.isExecutable(fault) ? 0 : NO_EXECUTE;
    const guestLarge = walk.level > 1 || !paged;
    const largeFrame =
      guestLarge && frame !== NO_FRAME
        ? this.context.memory.p2m.lookupLarge(walk.gfn, shape.slotShift)
        : NO_FRAME;
    /** Only a 4 MiB page (PSE-36) reaches so far up, and only a large entry can say so. */
    const isFar = shape === NARROW && (walk.gfn as number) > LAST_NARROW_FRAME;
    const held = tables.all.length;
    if (largeFrame !== NO_FRAME) this.#fillLarge(gva, (largeFrame << PAGE_SHIFT) | flags | Pte.large, high);
    else if (isFar) this.#fillLarge(gva, largeEntry36(walk.gfn) | Pte.unbacked | flags | Pte.large, high);
    else if (frame !== NO_FRAME) this.#fillSmall(gva, (frame << PAGE_SHIFT) | flags, high, guestLarge);
    else {
      const highFrame = (walk.gfn >>> 20) & HIGH_FRAME_MASK;
      this.#fillSmall(gva, (walk.gfn << PAGE_SHIFT) | Pte.unbacked | flags, high | highFrame, guestLarge);
    }
    return {
      gva,
      gfn: walk.gfn,
      mfn: frame as Mfn | typeof NO_FRAME,
      writable: (rights & Pte.writable) !== 0,
      user: (rights & Pte.user) !== 0,
      level: largeFrame === NO_FRAME && !isFar ? 1 : 2,
      tablesAllocated: tables.all.length - held,
    };
  }

  contextChanged(change: TranslationChange): number {
    if (change === "cr3") {
      this.ledger.demandNonGlobal();
      return this.dropForCr3() + this.#renewLedger();
    }
    if (this.pagingBits() === this.#filledUnder) return 0;
    return this.#adoptPagingBits() + this.#renewLedger();
  }

  invalidatePage(gva: Gva): void {
    this.ledger.demandPage(gva);
    this.dropPage(gva);
    this.#renewLedger();
  }

  remapped(): void {
    this.ledger.demandAll();
    this.dropEverything();
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
      hardware: this.hardware,
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

  /** Instructions may be fetched through the leaf to fill. */
  protected isExecutable(fault: ShadowFault): boolean {
    return fault.walk.executable;
  }

  /** Machine frame of the 4 KiB page, or NO_FRAME. */
  protected hostFrame(fault: ShadowFault): number {
    return this.context.memory.p2m.lookup(fault.walk.gfn);
  }

  /** The guest's entries of a filled leaf, for the audit. */
  protected record(gva: Gva): FillRecord {
    return guestEntries(this.context, gva, this.ledger.now);
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
    const { tables } = this;
    const slot = tables.slotOf(gva);
    const table = tables.tableAt(slot);
    if (table !== undefined && !table.hasPieces) {
      tables.clearLeaf(table, tables.indexOf(gva));
      this.context.tlb.flushPage(gva);
    } else if (tables.dropSlot(slot) > 0) this.context.tlb.flush();
  }

  protected pagingBits(): number {
    const { cr0, cr4, efer } = this.context.paging;
    return (cr0 & CR0_BITS) | (cr4 & CR4_BITS) | (efer & EFER_BITS);
  }

  /** Drops everything; what comes now is filled under the guest's paging bits of now, in the format that they ask for. */
  #adoptPagingBits(): number {
    const { tables, hardware } = this;
    this.#filledUnder = this.pagingBits();
    this.ledger.demandAll();
    const dropped = this.dropEverything();
    const shape = shapeFor(this.context.paging);
    if (shape !== tables.shape) {
      tables.reshape(shape);
      hardware.format = shape.format;
      hardware.root = hpaOf(tables.root);
      this.context.tlb.loadRoot();
    }
    return dropped;
  }

  /** Starts the ledger anew when its stamps run out (once in 2^32 demands); returns the number of leaves dropped for it. */
  #renewLedger(): number {
    if (!this.ledger.exhausted) return 0;
    const dropped = this.dropEverything();
    this.ledger.restart();
    return dropped;
  }

  #fillLarge(gva: Gva, entry: number, high: number): void {
    const { tables } = this;
    const slot = tables.slotOf(gva);
    const record = this.record(gva);
    if (tables.tableAt(slot) !== undefined) {
      tables.dropSlot(slot);
      this.context.tlb.flush();
    }
    const old = tables.slotEntry(slot);
    const oldHigh = tables.slotEntryHigh(slot);
    tables.setLarge(slot, entry, high, record);
    if (narrows(old, oldHigh, entry, high)) this.context.tlb.flush();
  }

  #fillSmall(gva: Gva, entry: number, high: number, piece: boolean): void {
    const { tables } = this;
    const slot = tables.slotOf(gva);
    if (tables.hasLarge(slot)) {
      tables.dropSlot(slot);
      this.context.tlb.flush();
    }
    const table = tables.tableAt(slot) ?? this.#newTable(slot);
    if (piece) table.hasPieces = true;
    const index = tables.indexOf(gva);
    const old = tables.leaf(table, index);
    const oldHigh = tables.leafHigh(table, index);
    tables.setLeaf(table, index, entry, high, this.record(gva));
    if (narrows(old, oldHigh, entry, high)) this.context.tlb.flushPage(gva);
  }

  #newTable(slot: number): ShadowTable {
    const table = this.tables.acquire(slot);
    if (table !== undefined) return table;
    this.exhaustions++;
    this.dropEverything();
    const anew = this.tables.acquire(slot);
    if (anew !== undefined) return anew;
    throw new PagerError(
      `the vtlb pager of ${this.context.memory.p2m.owner} has no machine frame for a single page table (${this.framesHeld} held): give the machine more memory for the monitor`,
    );
  }
}

/** True when a translation cached from the old entry could allow or last longer than what the new one says. */
function narrows(old: number, oldHigh: number, entry: number, high: number): boolean {
  if ((old & Pte.present) === 0) return false;
  const moved = ((old ^ entry) & (FRAME_MASK | Pte.unbacked)) | ((oldHigh ^ high) & HIGH_FRAME_MASK);
  if (moved !== 0 || (old & ~entry & NARROWING) !== 0) return true;
  return (entry & ~old & Pte.lent) !== 0 || (high & ~oldHigh & NO_EXECUTE) !== 0;
}
