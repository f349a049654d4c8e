import { Cr0 } from "../../../cpu/state.ts";
import type { Hpa } from "../../address.ts";
import { type Gva, mfnOf, NO_FRAME, PAGE_SHIFT, PAGE_SIZE } from "../../address.ts";
import { frameOf, largeFrame36, NO_EXECUTE, Pte, type ShadowFormatName } from "../../format.ts";
import type { AuditViolation } from "../../pager.ts";
import { GuestWalker } from "../../walker.ts";
import type { PagerContext } from "../context.ts";
import { decodeGuestLeaf, type GuestEntries, type GuestLeaf } from "./guest-leaf.ts";
import type { InvalidationLedger } from "./ledger.ts";
import type { FillRecord } from "./records.ts";
import { NARROW } from "./shape.ts";
import { type ShadowTable, type ShadowTables, TABLE_FLAGS } from "./tables.ts";

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
  readonly hardware: { readonly root: Hpa; readonly format: ShadowFormatName };
  readonly filledUnder: number;
  readonly pagingBits: number;
}

/** One leaf of the shadow. */
interface ShadowLeaf {
  readonly gva: Gva;
  readonly entry: number;
  readonly high: number;
  /** It is an entry of the directory. */
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
    for (let slot = 0; slot < this.#view.tables.shape.slots; slot++) this.#checkSlot(slot, linked);
    this.#checkFrames(linked);
    this.#checkRoot();
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
    const entry = tables.slotEntry(slot);
    const high = tables.slotEntryHigh(slot);
    const table = tables.tableAt(slot);
    const gva = (slot * 2 ** tables.shape.slotShift) as Gva;
    if ((entry & Pte.present) === 0 || (entry & Pte.large) !== 0) {
      if (table !== undefined)
        this.#report(
          "table-not-linked",
          `slot ${hex(slot)} has a table but directory entry ${hex(entry)}`,
          gva,
        );
      if ((entry & Pte.present) !== 0)
        this.#checkLeaf(
          { gva, entry, high, large: true },
          tables.largeRecords.get(slot, tables.shape.entryWords),
        );
      return;
    }
    if (table === undefined || entry !== (hpaWord(table) | TABLE_FLAGS) >>> 0 || high !== 0) {
      this.#report("unknown-table", `directory entry ${hex(entry)} leads to no table of this pager`, gva);
      return;
    }
    const other = linked.get(table);
    if (other !== undefined)
      this.#report("table-shared", `slots ${hex(other)} and ${hex(slot)} share a table`, gva);
    linked.set(table, slot);
    this.#checkTable(gva, table);
  }

  #checkTable(base: Gva, table: ShadowTable): void {
    const { tables } = this.#view;
    const { leaves, entryWords } = tables.shape;
    let present = 0;
    let nonGlobal = 0;
    for (let index = 0; index < leaves; index++) {
      const entry = tables.leaf(table, index);
      if ((entry & Pte.present) === 0) continue;
      present++;
      if ((entry & Pte.global) === 0) nonGlobal++;
      const record = table.records.get(index, entryWords);
      const gva = (base + index * PAGE_SIZE) as Gva;
      const high = tables.leafHigh(table, index);
      const leaf = this.#checkLeaf({ gva, entry, high, large: false }, record);
      if (leaf !== undefined && leaf.pageShift !== PAGE_SHIFT && !table.hasPieces)
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
  #checkLeaf(shadow: ShadowLeaf, record: FillRecord): GuestLeaf | undefined {
    this.#entries++;
    const { context, ledger } = this.#view;
    const { gva, entry } = shadow;
    const leaf = decodeGuestLeaf(context.paging, gva, record);
    const name = at(gva, entry);
    if (leaf === undefined) {
      this.#report(
        "spte-without-gpte",
        `${name}: at the fill the guest had ${entriesText(record)}, which map nothing`,
        gva,
      );
      return undefined;
    }
    this.#checkFrame(shadow, leaf);
    for (const rule of this.#excess(shadow, leaf))
      this.#report(
        rule,
        `${name}: more than guest ${entriesText(record)} give (CR0 ${hex(context.paging.cr0)})`,
        gva,
      );
    if ((entry & Pte.accessed) === 0 || ((entry & Pte.writable) === 0) !== ((entry & Pte.dirty) === 0))
      this.#report("hardware-bits", `${name}: A must be set, and D exactly when W is`, gva);
    if (ledger.missed(gva, record.filledAt, leaf.global, leaf.pageShift))
      this.#report("missed-invalidation", `${name}: the guest has invalidated it since it was filled`, gva);
    this.#checkNow(shadow, record, leaf);
    return leaf;
  }

  #checkFrame({ gva, entry, high, large }: ShadowLeaf, leaf: GuestLeaf): void {
    const { context, tables } = this.#view;
    const { memory, frames } = context;
    const { p2m } = memory;
    const { shape } = tables;
    const name = at(gva, entry);
    const inSlot = shape.leaves - 1;
    const frame = large && shape === NARROW ? largeFrame36(entry) : frameOf(entry, high, PAGE_SHIFT);
    if ((entry & Pte.unbacked) !== 0) {
      if (frame !== (large ? leaf.gfn & ~inSlot : leaf.gfn) || p2m.lookup(leaf.gfn) !== NO_FRAME)
        this.#report(
          "wrong-frame",
          `${name}: marked as not backed, the guest means gfn ${hex(leaf.gfn)}`,
          gva,
        );
      return;
    }
    if (large && leaf.pageShift !== shape.slotShift)
      this.#report("excess-size", `${name}: the whole slot, but the guest maps 4 KiB`, gva);
    const firstGfn = large ? leaf.gfn & ~inSlot : leaf.gfn;
    for (let i = 0; i < (large ? shape.leaves : 1); i++) {
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
  #excess({ entry, high }: ShadowLeaf, leaf: GuestLeaf): string[] {
    const rules: string[] = [];
    const user = (entry & Pte.user) !== 0;
    const lent = (this.#view.context.paging.cr0 & Cr0.WP) === 0 && !user;
    if (user && !leaf.user) rules.push("excess-user");
    if ((entry & Pte.writable) !== 0) {
      if (!leaf.dirty) rules.push("write-before-dirty");
      if (!leaf.writable && !lent) rules.push("excess-write");
    }
    if ((high & NO_EXECUTE) === 0 && !leaf.executable) rules.push("excess-execute");
    if (!leaf.accessed) rules.push("accessed-clear");
    if ((entry & Pte.global) !== 0 && !(leaf.global && this.#view.keepGlobal)) rules.push("excess-global");
    return rules;
  }

  /**
   * The guest's tables of now must justify the entry as well, unless the guest has changed them since the fill: without INVLPG or a
   * flush (the ledger says) a TLB may go on using what it has, and so may this one.
   */
  #checkNow(shadow: ShadowLeaf, record: FillRecord, filled: GuestLeaf): void {
    const { memory, paging } = this.#view.context;
    const { gva, entry, large } = shadow;
    const walk = this.#walker.probe({ gva, write: false, user: false }, paging);
    const { depth, values, highs } = this.#walker.path;
    const entries: GuestEntries = {
      guestPde: depth > 0 ? (values[0] as number) : 0,
      guestPdeHigh: depth > 0 ? (highs[0] as number) : 0,
      guestPte: depth > 1 ? (values[1] as number) : 0,
      guestPteHigh: depth > 1 ? (highs[1] as number) : 0,
    };
    const now = decodeGuestLeaf(paging, gva, entries);
    const justified =
      walk.kind === "mapped" &&
      now !== undefined &&
      (walk.gfn as number) === filled.gfn &&
      (!large || now.pageShift === filled.pageShift) &&
      memory.p2m.lookup(walk.gfn) === memory.p2m.lookup(filled.gfn) &&
      this.#excess(shadow, now).length === 0;
    if (justified) return;
    if (WORDS.every((word) => entries[word] === record[word]))
      this.#report(
        "unjustified",
        `${at(gva, entry)}: the guest's tables do not give it, and have not changed since it was filled`,
        gva,
      );
    else this.#stale++;
  }

  #checkFrames(linked: Map<ShadowTable, number>): void {
    const { tables, context } = this.#view;
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
    const held = frames.heldBy(tables.owner);
    if (held !== tables.framesHeld || tables.all.length > tables.budget)
      this.#report(
        "frame-count",
        `${tables.owner} holds ${held} frames, the pager knows ${tables.framesHeld}, ${tables.all.length} of its ${tables.budget} tables among them`,
      );
    this.#checkUsedSlots();
  }

  /** The hardware begins at our root, in the format of our tables; the pointers of PAE lead to the directory. */
  #checkRoot(): void {
    const { tables, context, hardware } = this.#view;
    const { frames, memory } = context;
    const foreign = tables.rootFrames().some((mfn) => frames.ownerOf(mfn) !== tables.owner);
    if (foreign || mfnOf(hardware.root) !== tables.root || hardware.format !== tables.shape.format)
      this.#report(
        "root",
        `the hardware walks ${hardware.format} tables at ${hex(hardware.root)}, the root is frame ${hex(tables.root)} with ${tables.shape.format} tables`,
      );
    if (tables.shape === NARROW) return;
    const words = memory.machine.page32(tables.root);
    for (let gib = 0; gib < 4; gib++)
      if (words[2 * gib] !== tables.pointer(gib) || words[2 * gib + 1] !== 0)
        this.#report("root", `pointer ${gib} is ${hex(words[2 * gib] as number)}`);
  }

  #checkUsedSlots(): void {
    const { tables } = this.#view;
    const used = new Set(tables.usedSlots());
    for (let slot = 0; slot < tables.shape.slots; slot++)
      if (used.has(slot) !== (tables.slotEntry(slot) & Pte.present) > 0)
        this.#report(
          "slot-list",
          `slot ${hex(slot)} is ${used.has(slot) ? "listed" : "not listed"} as in use`,
        );
  }

  #report(rule: string, detail: string, gva?: Gva): void {
    this.#violations.push(gva === undefined ? { rule, detail } : { rule, detail, gva });
  }
}

const WORDS = ["guestPde", "guestPdeHigh", "guestPte", "guestPteHigh"] as const;
const entriesText = ({ guestPde, guestPdeHigh, guestPte, guestPteHigh }: GuestEntries): string =>
  `pde ${hex64(guestPdeHigh, guestPde)}, pte ${hex64(guestPteHigh, guestPte)}`;
const hex64 = (high: number, low: number): string =>
  high === 0 ? hex(low) : hex(high) + (low >>> 0).toString(16).padStart(8, "0");
const hpaWord = (table: ShadowTable): number => (table.mfn as number) << PAGE_SHIFT;
const at = (gva: Gva, entry: number): string => `spte ${hex(entry)} of ${hex(gva)}`;
