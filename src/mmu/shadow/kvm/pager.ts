import { ExitControl } from "../../../cpu/exit.ts";
import type { Gpa, Gva, Mfn, NO_FRAME } from "../../address.ts";
import { Pte } from "../../format.ts";
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
import { auditKvm } from "./audit.ts";
import { changeBudget, reserve, shrink } from "./budget.ts";
import { readDirtyLog, startDirtyLog, stopDirtyLog } from "./dirty-log.ts";
import { type FaultOutcome, handleFault } from "./fault.ts";
import { resetFlood } from "./flood.ts";
import { currentMode } from "./guest-mode.ts";
import { addSlot, age, frameMoved, removeSlot } from "./host.ts";
import { invalidate } from "./invlpg.ts";
import type { KvmOptions } from "./options.ts";
import { Roots } from "./roots.ts";
import { slotFor } from "./shadow-walk.ts";
import type { MemorySlot } from "./slots.ts";
import { KvmShadow } from "./state.ts";
import { tableWritten } from "./write.ts";
import { startZapAll, zapEverything, zapObsolete, zapTable } from "./zap.ts";

/** Faults that one access may take until its leaf is there: reload, the page of a table given up, the leaf recycled. */
const FILL_ATTEMPTS = 6;

/**
 * KVM's shadow pager. Besides the calls of `Pager` it has those of a monitor that can do a store for the guest: `fault` then says when, and
 * `store` does it. Each call is a whole turn: it leaves every structure consistent and no flush owed. See README.md.
 */
export class KvmPager implements Pager {
  readonly name = "kvm";
  readonly controls =
    ExitControl.pageFault |
    ExitControl.cr0 |
    ExitControl.cr3 |
    ExitControl.cr4 |
    ExitControl.executeDisable |
    ExitControl.invlpg;
  readonly shadow: KvmShadow;
  readonly #roots: Roots;
  /** CR3 and PDPTEs that the roots were loaded for. */
  #cr3 = -1;
  readonly #pdptes = new Uint32Array(8);

  /** Throws PagerError when the machine has no frames for the roots, RangeError for impossible options. */
  constructor(context: PagerContext, options: KvmOptions = {}) {
    this.shadow = new KvmShadow(context, options);
    try {
      this.#roots = new Roots(this.shadow);
    } catch (error) {
      if (error instanceof OutOfFrames) throw new PagerError(error.message);
      throw error;
    }
    this.enter();
  }

  get hardware(): Extract<HardwarePaging, { mode: "shadow" }> {
    return this.#roots.hardware;
  }
  get framesHeld(): number {
    return this.shadow.pages.framesHeld + 1;
  }
  /** Bytes of arrays beside the frames: fixed ones, and those of list objects at present. */
  get metadataBytes(): number {
    const { pages, lists, slots } = this.shadow;
    return pages.arrayBytes + lists.fixedBytes + lists.counters.bytesNow + slots.arrayBytes;
  }

  /** Zaps the oldest pages until there is room for a fault (`shadow.isShort`); `fault` would do it itself. Throws PagerError. */
  makeRoom(): void {
    reserve(this.shadow);
    this.shadow.settleFlush();
  }

  /**
   * One page fault of the hardware that the guest's tables allow. They are walked here again, so that what is linked is what they say now;
   * should they refuse by now, the guest finds out when it tries again. Throws PagerError.
   */
  fault(gva: Gva, errorCode: number): FaultOutcome {
    const outcome = handleFault(this.shadow, gva, errorCode);
    this.shadow.settleFlush();
    return outcome;
  }

  /** A page fault was reflected without asking the pager: writes to tables before and after it are not in a row. */
  faultReflected(): void {
    resetFlood(this.shadow);
  }

  /**
   * Does a store that the guest tried to make (outcome `tableWrite`): into memory, then into the shadows of the table. 1, 2, 4 bytes, or 8
   * with `high`, within a page. The access is then answered as done.
   */
  store(gpa: Gpa, bytes: number, value: number, high = 0): void {
    const { memory } = this.shadow;
    if (bytes === 1) memory.write8(gpa, value & 0xff);
    else if (bytes === 2) memory.write16(gpa, value & 0xffff);
    else memory.write32(gpa, value >>> 0);
    if (bytes === 8) memory.write32((gpa + 4) as Gpa, high >>> 0);
    this.guestTableWritten(gpa, bytes);
  }

  /** Guest memory was changed on behalf of the guest where a table may be. Crossing a page counts as a write to either. */
  guestTableWritten(gpa: Gpa, bytes: number): void {
    const first = Math.min(bytes, 4096 - (gpa & 0xfff));
    tableWritten(this.shadow, { gpa, bytes: first });
    if (first < bytes) tableWritten(this.shadow, { gpa: gpa + first, bytes: bytes - first });
  }

  /** A device has written guest memory: noted in the dirty log; with `strictDma` shadows of tables there are given up. */
  deviceWrote(gpa: Gpa, bytes: number): void {
    const { slots, options, pages } = this.shadow;
    for (let gfn = Math.floor(gpa / 4096); gfn * 4096 < gpa + bytes; gfn++) {
      slots.markDirty(gfn);
      if (options.strictDma && pages.indirect > 0) zapTable(this.shadow, gfn);
    }
  }

  /**
   * Gives up every shadow of the table at a gfn, so that the guest may write it: for stores that cannot be done for it. Returns how many
   * there were; 0 means that trying again is no use.
   */
  unprotect(gfn: number): number {
    return zapTable(this.shadow, gfn);
  }

  fill(fault: ShadowFault): ShadowFill {
    const { gva, walk } = fault;
    const s = this.shadow;
    const { created } = s.stats;
    for (let attempt = 1; ; attempt++) {
      this.enter();
      const outcome = this.fault(gva, fault.errorCode);
      if (outcome.kind === "resume") break;
      if (outcome.kind === "reload") {
        if (attempt < FILL_ATTEMPTS) continue;
        throw s.failure(
          `loses its roots to every fault: its budget of ${s.budget} shadow pages is too small`,
        );
      }
      if (outcome.why === "mmio")
        throw s.failure(`cannot hand the access to 0x${walk.gpa.toString(16)} on: choose mmio "unbacked"`);
      if (attempt === FILL_ATTEMPTS)
        throw s.failure(
          `cannot let the guest write its table at 0x${walk.gpa.toString(16)}, which is used to reach itself: do the store for it`,
        );
      this.unprotect(walk.gfn);
    }
    this.enter();
    const at = slotFor(s, gva, 1) || slotFor(s, gva, 2);
    const lo = at === 0 ? 0 : s.pages.lo(at);
    return {
      gva,
      gfn: walk.gfn,
      mfn: s.slots.frame(walk.gfn) as Mfn | typeof NO_FRAME,
      writable: (lo & Pte.writable) !== 0,
      user: (lo & Pte.user) !== 0,
      level: (lo & Pte.large) === 0 ? 1 : 2,
      tablesAllocated: s.stats.created - created,
    };
  }

  contextChanged(change: TranslationChange): number {
    const before = this.shadow.stats.dropped;
    this.changeContext(change);
    this.enter();
    return this.shadow.stats.dropped - before;
  }

  /**
   * The guest's registers have changed. If they ask for other roots, lets go of those that there are, and the next `enter` takes new ones;
   * otherwise brings up to date all that they reach. Returns whether roots must be loaded.
   */
  changeContext(change: TranslationChange): boolean {
    const s = this.shadow;
    s.records?.ledger.demandAll();
    if (s.slots.p2m.a20Closed) zapEverything(s);
    // What the hardware makes of sptes depends on these registers, too (SMEP, SMAP).
    if (change !== "cr3") s.dropTranslations();
    const mode = currentMode(s.context.paging, s.mode);
    const same =
      mode.base === s.mode.base && mode.rootLevel === s.mode.rootLevel && mode.format === s.mode.format;
    if (same && s.rootsLoaded && !s.requests.reload && this.#sameRegisters()) {
      if (change === "cr3" && mode.rootLevel === 0) return false;
      this.#roots.sync();
      s.settleFlush();
      return false;
    }
    this.#roots.free();
    // The roles of page tables and directories do not tell PAE from 4-level tables, whose reserved bits differ.
    if (mode.wide && (mode.rootLevel === 4) !== s.longTables) {
      zapEverything(s);
      s.longTables = mode.rootLevel === 4;
    }
    s.mode = mode;
    s.requests.reload = false;
    return true;
  }

  /** Does what is owed before the guest is entered: roots (after a reload too), synchronisation, flush. Throws PagerError. */
  enter(): void {
    const loading = !this.shadow.rootsLoaded || this.shadow.requests.reload;
    this.#roots.prepareEntry();
    if (loading) this.#noteRegisters();
  }

  /**
   * Another vcpu of the guest is going to run, and `paging` shows its registers now: takes the roots that they ask for, and brings up to date all that
   * they reach. So one set of roots does for all of them, and nothing that another has left out of step is ever seen. Throws PagerError.
   */
  vcpuChanged(): void {
    const { last } = this.shadow;
    last.spte = 0;
    last.tableGfn = -1;
    resetFlood(this.shadow);
    this.changeContext("cr3");
    this.enter();
  }

  invalidatePage(gva: Gva): void {
    this.shadow.records?.ledger.demandPage(gva);
    if (this.shadow.slots.p2m.a20Closed) this.remapped();
    else invalidate(this.shadow, gva);
  }

  /**
   * Everything is found out anew. While address line 20 is held low, two gfns have one frame, and a table may be written through the one that is not
   * protected: then the same happens at every flush of the guest's.
   */
  remapped(): void {
    const s = this.shadow;
    s.records?.ledger.demandAll();
    s.slots.layoutChanged();
    zapEverything(s);
    s.dropTranslations();
    this.enter();
  }

  // ---- resources -------------------------------------------------------------------------------------------------

  /** Sets how many shadow pages may be in use, zapping those above. Throws RangeError beyond the capacity. */
  changeBudget(pages: number): void {
    changeBudget(this.shadow, pages);
  }
  /** The host is short of memory: gives up the oldest page and spare frames. Returns whether a page went. */
  shrink(): boolean {
    return shrink(this.shadow);
  }
  /** All pages are obsolete from now on, roots included; `zapObsolete` frees them bit by bit. */
  zapAll(): void {
    startZapAll(this.shadow);
  }
  /** Returns whether more is left. */
  zapObsolete(batch?: number): boolean {
    return zapObsolete(this.shadow, batch);
  }

  startDirtyLog(slotId: number): void {
    startDirtyLog(this.shadow, this.#slot(slotId));
  }
  stopDirtyLog(slotId: number): void {
    stopDirtyLog(this.#slot(slotId));
  }
  /** Pages of the slot written since the log was started or last read, one bit each. Throws RangeError if it is not logged. */
  readDirtyLog(slotId: number): Uint32Array {
    return readDirtyLog(this.shadow, this.#slot(slotId));
  }

  /** Whether a gfn was used since this was last asked, approximately. */
  age(gfn: number): boolean {
    return age(this.shadow, gfn);
  }
  /** The p2m has a new frame for a gfn, which the host allows writes to or not. */
  frameMoved(gfn: number, writable: boolean): void {
    frameMoved(this.shadow, gfn, writable);
  }
  removeSlot(id: number): MemorySlot {
    return removeSlot(this.shadow, id);
  }
  addSlot(slot: MemorySlot): void {
    addSlot(this.shadow, slot);
  }

  audit(): AuditViolation[] {
    return auditKvm(this.shadow, { hardware: this.#roots.hardware, pointers: this.#roots.paeRootHpa });
  }

  dispose(): void {
    this.#roots.dispose();
    this.shadow.context.tlb.flush();
    this.shadow.pages.dispose();
  }

  #slot(id: number): MemorySlot {
    const slot = this.shadow.slots.byId(id);
    if (slot === undefined) throw new RangeError(`there is no memory slot ${id}`);
    return slot;
  }

  #sameRegisters(): boolean {
    const { cr3, pdptes } = this.shadow.context.paging;
    if (this.shadow.mode.rootLevel === 0) return true;
    if (this.shadow.mode.rootLevel === 3) return this.#pdptes.every((word, i) => word === pdptes[i]);
    return cr3 >>> 12 === this.#cr3;
  }

  #noteRegisters(): void {
    const { cr3, pdptes } = this.shadow.context.paging;
    this.#cr3 = cr3 >>> 12;
    if (this.shadow.mode.rootLevel === 3) this.#pdptes.set(pdptes);
  }
}
