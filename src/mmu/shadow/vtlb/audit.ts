import { Cr0, Cr4 } from "../../../cpu/state.ts";
import type { Hpa } from "../../address.ts";
import { type Gva, mfnOf, NO_FRAME, PAGE_SHIFT, PAGE_SIZE } from "../../address.ts";
import {
  FRAME_MASK,
  LARGE_FRAME_MASK,
  largeFrame36,
  largePdeReserved,
  PagingFeature,
  Pte,
  pteReserved,
} from "../../format.ts";
import type { AuditViolation } from "../../pager.ts";
import { GuestWalker } from "../../walker.ts";
import type { PagerContext } from "../context.ts";
import type { InvalidationLedger } from "./ledger.ts";
import { type FillRecord, type ShadowTable, type ShadowTables, SLOTS, TABLE_FLAGS } from "./tables.ts";

export interface VtlbAudit {
  readonly violations: AuditViolation[];
  /** Present leaves looked at. */
  readonly entries: number;
  /** Leaves that the guest's tables of now do not justify, but those of the fill did, which the guest has changed since without invalidating. */
  readonly staleEntries: number;
}

/** What the audit may see. */
export interface VtlbView {
  readonly context: PagerContext;
  readonly tables: ShadowTables;
  readonly ledger: InvalidationLedger;
  readonly keepGlobal: boolean;
  readonly hardwareRoot: Hpa;
  readonly filledUnder: number;
  readonly pagingBits: number;
}

/** What a guest's entries give, read from their raw values. */
interface GuestLeaf {
  readonly gfn: number;
  readonly writable: boolean;
  readonly user: boolean;
  readonly global: boolean;
  readonly dirty: boolean;
  /** A is set at every level. */
  readonly accessed: boolean;
  /** A 4 MiB page of the guest maps it. */
  readonly large: boolean;
}

const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;

/** Checks every rule of README.md. Changes nothing. */
export function auditVtlb(view: VtlbView): VtlbAudit {
  return new Audit(view).run();
}

class Audit {
  readonly #view: VtlbView;
  readonly #walker: GuestWalker;
  readonly #violations: AuditViolation[] = [];
  #entries = 0;
  #stale = 0;

  constructor(view: VtlbView) {
    this.#view = view;
    this.#walker = new GuestWalker(view.context.memory);
  }

  run(): VtlbAudit {
    const linked = new Map<ShadowTable, number>();
    for (let slot = 0; slot < SLOTS; slot++) this.#checkSlot(slot, linked);
    this.#checkFrames(linked);
    const { filledUnder, pagingBits } = this.#view;
    if (this.#entries > 0 && filledUnder !== pagingBits)
      this.#report(
        "missed-context-change",
        `entries were filled under paging bits ${hex(filledUnder)}, the guest's are ${hex(pagingBits)}`,
      );
    return { violations: this.#violations, entries: this.#entries, staleEntries: this.#stale };
  }

  #checkSlot(slot: number, linked: Map<ShadowTable, number>): void {
    const { tables } = this.#view;
    const entry = tables.rootEntry(slot);
    const table = tables.tableAt(slot);
    const gva = (slot * 0x400000) as Gva;
    if ((entry & Pte.present) === 0 || (entry & Pte.large) !== 0) {
      if (table !== undefined)
        this.#report("table-not-linked", `slot ${hex(slot)} has a table but root entry ${hex(entry)}`, gva);
      if ((entry & Pte.present) !== 0) this.#checkLeaf(gva, entry, tables.largeRecords.get(slot), true);
      return;
    }
    if (table === undefined || entry !== (hpaWord(table) | TABLE_FLAGS) >>> 0) {
      this.#report("unknown-table", `root entry ${hex(entry)} leads to no table of this pager`, gva);
      return;
    }
    const other = linked.get(table);
    if (other !== undefined)
      this.#report("table-shared", `slots ${hex(other)} and ${hex(slot)} share a table`, gva);
    linked.set(table, slot);
    this.#checkTable(gva, table);
  }

  #checkTable(base: Gva, table: ShadowTable): void {
    let present = 0;
    let nonGlobal = 0;
    for (let index = 0; index < SLOTS; index++) {
      const entry = this.#view.tables.leaf(table, index);
      if ((entry & Pte.present) === 0) continue;
      present++;
      if ((entry & Pte.global) === 0) nonGlobal++;
      const record = table.records.get(index);
      const gva = (base + index * PAGE_SIZE) as Gva;
      const leaf = this.#checkLeaf(gva, entry, record, false);
      if (leaf?.large === true && !table.hasPieces)
        this.#report(
          "piece-unmarked",
          `${at(gva, entry)} is a piece of a large page, its table does not say so`,
          gva,
        );
    }
    if (present !== table.present || nonGlobal !== table.nonGlobal)
      this.#report(
        "count",
        `table of ${hex(base)} counts ${table.present} leaves (${table.nonGlobal} not global), it has ${present} (${nonGlobal})`,
        base,
      );
  }

  /** One present leaf against what the guest's tables said at the fill, the invalidations since, and the guest's tables now. */
  #checkLeaf(gva: Gva, entry: number, record: FillRecord, large: boolean): GuestLeaf | undefined {
    this.#entries++;
    const { context, ledger } = this.#view;
    const leaf = this.#decode(gva, record.guestPde, record.guestPte);
    const name = at(gva, entry);
    if (leaf === undefined) {
      this.#report(
        "spte-without-gpte",
        `${name}: at the fill the guest had pde ${hex(record.guestPde)}, pte ${hex(record.guestPte)}, which map nothing`,
        gva,
      );
      return undefined;
    }
    this.#checkFrame(gva, entry, leaf, large);
    for (const rule of this.#excess(entry, leaf))
      this.#report(
        rule,
        `${name}: more than guest pde ${hex(record.guestPde)}, pte ${hex(record.guestPte)} give (CR0 ${hex(context.paging.cr0)})`,
        gva,
      );
    if ((entry & Pte.accessed) === 0 || ((entry & Pte.writable) === 0) !== ((entry & Pte.dirty) === 0))
      this.#report("hardware-bits", `${name}: A must be set, and D exactly when W is`, gva);
    if (ledger.missed(gva, record.filledAt, leaf.global, leaf.large))
      this.#report("missed-invalidation", `${name}: the guest has invalidated it since it was filled`, gva);
    this.#checkNow(gva, entry, record, leaf, large);
    return leaf;
  }

  #checkFrame(gva: Gva, entry: number, leaf: GuestLeaf, large: boolean): void {
    const { memory, frames } = this.#view.context;
    const { p2m } = memory;
    const name = at(gva, entry);
    const frame = large ? largeFrame36(entry) : (entry & FRAME_MASK) >>> PAGE_SHIFT;
    if ((entry & Pte.unbacked) !== 0) {
      if (frame !== (large ? leaf.gfn & ~0x3ff : leaf.gfn) || p2m.lookup(leaf.gfn) !== NO_FRAME)
        this.#report(
          "wrong-frame",
          `${name}: marked as not backed, the guest means gfn ${hex(leaf.gfn)}`,
          gva,
        );
      return;
    }
    if (large && !leaf.large) this.#report("excess-size", `${name}: 4 MiB, but the guest maps 4 KiB`, gva);
    const firstGfn = large ? leaf.gfn & ~0x3ff : leaf.gfn;
    for (let i = 0; i < (large ? SLOTS : 1); i++) {
      const expected = p2m.lookup(firstGfn + i);
      const owner = frames.ownerOf(frame + i);
      if (expected !== frame + i) {
        this.#report(
          "wrong-frame",
          `${name}: mfn ${hex(frame + i)} for gfn ${hex(firstGfn + i)}, the p2m says ${expected === NO_FRAME ? "none" : hex(expected)}`,
          gva,
        );
        break;
      }
      if (owner !== p2m.owner) {
        this.#report("foreign-frame", `${name}: mfn ${hex(frame + i)} belongs to ${owner ?? "nobody"}`, gva);
        break;
      }
    }
  }

  /** Names of the rights that the entry has and the guest's leaf does not give. */
  #excess(entry: number, leaf: GuestLeaf): string[] {
    const rules: string[] = [];
    const user = (entry & Pte.user) !== 0;
    const lent = (this.#view.context.paging.cr0 & Cr0.WP) === 0 && !user;
    if (user && !leaf.user) rules.push("excess-user");
    if ((entry & Pte.writable) !== 0) {
      if (!leaf.dirty) rules.push("write-before-dirty");
      if (!leaf.writable && !lent) rules.push("excess-write");
    }
    if (!leaf.accessed) rules.push("accessed-clear");
    if ((entry & Pte.global) !== 0 && !(leaf.global && this.#view.keepGlobal)) rules.push("excess-global");
    return rules;
  }

  /**
   * The guest's tables of now must justify the entry as well, unless the guest has changed them since the fill: without INVLPG or a
   * flush (the ledger says) a TLB may go on using what it has, and so may this one.
   */
  #checkNow(gva: Gva, entry: number, record: FillRecord, filled: GuestLeaf, large: boolean): void {
    const { memory, paging } = this.#view.context;
    const walk = this.#walker.probe({ gva, write: false, user: false }, paging);
    const { depth, values } = this.#walker.path;
    const guestPde = depth > 0 ? (values[0] as number) : 0;
    const guestPte = depth > 1 ? (values[1] as number) : 0;
    const now = this.#decode(gva, guestPde, guestPte);
    const justified =
      walk.kind === "mapped" &&
      now !== undefined &&
      (walk.gfn as number) === filled.gfn &&
      (!large || now.large) &&
      memory.p2m.lookup(walk.gfn) === memory.p2m.lookup(filled.gfn) &&
      this.#excess(entry, now).length === 0;
    if (justified) return;
    if (guestPde === record.guestPde && guestPte === record.guestPte)
      this.#report(
        "unjustified",
        `${at(gva, entry)}: the guest's tables do not give it, and have not changed since it was filled`,
        gva,
      );
    else this.#stale++;
  }

  #checkFrames(linked: Map<ShadowTable, number>): void {
    const { tables, context, hardwareRoot } = this.#view;
    const { frames } = context;
    const spare = new Set(tables.spare);
    for (const table of tables.all) {
      if (frames.ownerOf(table.mfn) !== tables.owner)
        this.#report(
          "frame-owner",
          `table frame ${hex(table.mfn)} belongs to ${frames.ownerOf(table.mfn) ?? "nobody"}`,
        );
      if (spare.has(table) === linked.has(table))
        this.#report(
          "frame-count",
          `table frame ${hex(table.mfn)} is ${linked.has(table) ? "in use and spare" : "lost"}`,
        );
    }
    if (frames.ownerOf(tables.root) !== tables.owner || mfnOf(hardwareRoot) !== tables.root)
      this.#report("root", `the hardware walks ${hex(hardwareRoot)}, the root is frame ${hex(tables.root)}`);
    const held = frames.heldBy(tables.owner);
    if (held !== tables.framesHeld || held > tables.budget)
      this.#report(
        "frame-count",
        `${tables.owner} holds ${held} frames, the pager knows ${tables.framesHeld}, its budget is ${tables.budget}`,
      );
    this.#checkUsedSlots();
  }

  #checkUsedSlots(): void {
    const { tables } = this.#view;
    const used = new Set(tables.usedSlots());
    for (let slot = 0; slot < SLOTS; slot++)
      if (used.has(slot) !== (tables.rootEntry(slot) & Pte.present) > 0)
        this.#report(
          "slot-list",
          `slot ${hex(slot)} is ${used.has(slot) ? "listed" : "not listed"} as in use`,
        );
  }

  /** What raw guest entries give; undefined when they map nothing. Does not use the walker, so that each checks the other. */
  #decode(gva: Gva, guestPde: number, guestPte: number): GuestLeaf | undefined {
    const { cr0, cr4, features = 0 } = this.#view.context.paging;
    if ((cr0 & Cr0.PG) === 0)
      return {
        gfn: gva >>> PAGE_SHIFT,
        writable: true,
        user: true,
        global: false,
        dirty: true,
        accessed: true,
        large: true,
      };
    if ((guestPde & Pte.present) === 0) return undefined;
    const pse = (cr4 & Cr4.PSE) !== 0;
    const large = pse && (guestPde & Pte.large) !== 0;
    if (large && (guestPde & largePdeReserved(features)) !== 0) return undefined;
    const last = large ? guestPde : guestPte;
    if ((last & Pte.present) === 0 || (!large && pse && (last & pteReserved(features)) !== 0))
      return undefined;
    const inLarge = (gva >>> PAGE_SHIFT) & 0x3ff;
    const first =
      features & PagingFeature.pse36 ? largeFrame36(last) : (last & LARGE_FRAME_MASK) >>> PAGE_SHIFT;
    const gfn = large ? first | inLarge : last >>> PAGE_SHIFT;
    const both = guestPde & last;
    return {
      gfn,
      writable: (both & Pte.writable) !== 0,
      user: (both & Pte.user) !== 0,
      global: (last & Pte.global) !== 0 && (cr4 & Cr4.PGE) !== 0,
      dirty: (last & Pte.dirty) !== 0,
      accessed: (both & Pte.accessed) !== 0,
      large,
    };
  }

  #report(rule: string, detail: string, gva?: Gva): void {
    this.#violations.push(gva === undefined ? { rule, detail } : { rule, detail, gva });
  }
}

const hpaWord = (table: ShadowTable): number => (table.mfn as number) << PAGE_SHIFT;
const at = (gva: Gva, entry: number): string => `spte ${hex(entry)} of ${hex(gva)}`;
