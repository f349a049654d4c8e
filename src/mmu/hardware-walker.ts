/**
 * HOT: the hardware's page walker, called by the engine on every TLB miss. Allocation-free; results are fields of the instance.
 * Two-level 32-bit tables only; src/mmu/walker.ts is the readable statement of the same rules, and a property test holds both together.
 */

import { Cr0, Cr4 } from "../cpu/state.ts";
import { NO_FRAME, PAGE_SHIFT } from "./address.ts";
import { LARGE_FRAME_MASK, LARGE_PDE_RESERVED, PTE_RESERVED, Pte } from "./format.ts";
import type { WriteHook } from "./guest-memory.ts";
import type { MachineMemory } from "./machine-memory.ts";
import { type HardwarePaging, PageFault } from "./pager.ts";

const ALL_RIGHTS = Pte.writable | Pte.user;
const ONES = -1;
/** Place of an entry that lies in memory that does not exist. */
const NOWHERE = -1;
const EMPTY = new Int32Array(0);

/**
 * Translates one linear address as the machine's MMU does, setting A on the path and D in the leaf when the access is allowed.
 * A table in memory that does not exist reads as all ones. What comes out is what a TLB entry needs.
 */
export class HardwareWalker {
  readonly #words: Int32Array;
  readonly #frames: number;
  #paging: HardwarePaging = { mode: "guest", p2m: EMPTY };
  #p2m: Int32Array = EMPTY;

  /** After `true`, when not notBacked: host-physical address of the 4 KiB page that holds the address. */
  hpa = 0;
  /** The access goes to an address that no frame backs: `gpa` is its guest-physical address, page offset included; hpa is void. */
  notBacked = false;
  gpa = 0;
  /** A write at the privilege of this access would be allowed (D aside). */
  writable = false;
  /** The same, for supervisor and for user accesses, whichever made this one. */
  supervisorWritable = false;
  userWritable = false;
  /** User accesses are allowed. */
  user = false;
  /** D is set in the leaf: a write needs no further walk, so the write tag may be filled. */
  dirtyOk = false;
  /** The translation survives a CR3 load. */
  global = false;
  /** A large page maps the address: INVLPG of any address in it must drop this translation too. */
  largePage = false;
  /** After `false`: error code of the page fault. */
  errorCode = 0;

  /** Called after A or D was set in a table: that frame could hold decoded code. */
  onWrite: WriteHook = () => {};

  constructor(memory: MachineMemory) {
    this.#words = memory.i32;
    this.#frames = memory.frames;
  }

  /** Sets what to walk. `root` and `writeProtect` of a shadow are read anew by every walk. */
  set(paging: HardwarePaging): void {
    this.#paging = paging;
    this.#p2m = paging.mode === "guest" ? paging.p2m : EMPTY;
  }

  /**
   * Walks for one access. `access`: 0 read, 1 write, 2 fetch. CR0, CR3 and CR4 are the vcpu's; a shadow takes none of them.
   * True: allowed, see the fields. False: page fault with `errorCode`; no entry was changed.
   */
  translate(linear: number, access: number, user: boolean, cr0: number, cr3: number, cr4: number): boolean {
    const paging = this.#paging;
    if (paging.mode === "shadow")
      return this.#walkShadow(linear, access === 1, user, paging.root, paging.writeProtect);
    if ((cr0 & Cr0.PG) === 0) return this.#identity(linear);
    return this.#walkGuest(linear, access === 1, user, (cr0 & Cr0.WP) !== 0, cr3, cr4);
  }

  #identity(linear: number): boolean {
    this.#grant(ALL_RIGHTS, true, false, true, false, false);
    this.#guestFrame(linear >>> PAGE_SHIFT, linear);
    return true;
  }

  #walkGuest(linear: number, write: boolean, user: boolean, wp: boolean, cr3: number, cr4: number): boolean {
    const words = this.#words;
    const pse = (cr4 & Cr4.PSE) !== 0;
    const pdeAt = this.#guestEntry(cr3, linear >>> 22);
    const pde = pdeAt === NOWHERE ? ONES : (words[pdeAt] as number);
    if ((pde & Pte.present) === 0) return this.#refuse(0, write, user);
    if (pse && (pde & Pte.large) !== 0) {
      if ((pde & LARGE_PDE_RESERVED) !== 0)
        return this.#refuse(PageFault.present | PageFault.reserved, write, user);
      if (!permits(pde, write, user, wp)) return this.#refuse(PageFault.present, write, user);
      const set = Pte.accessed | (write ? Pte.dirty : 0);
      if ((pde & set) !== set && pdeAt !== NOWHERE) this.#update(pdeAt, pde | set);
      const global = (pde & Pte.global) !== 0 && (cr4 & Cr4.PGE) !== 0;
      this.#grant(pde, wp, user, write || (pde & Pte.dirty) !== 0, global, true);
      this.#guestFrame(((pde & LARGE_FRAME_MASK) | (linear & ~LARGE_FRAME_MASK)) >>> PAGE_SHIFT, linear);
      return true;
    }
    const pteAt = this.#guestEntry(pde, (linear >>> PAGE_SHIFT) & 0x3ff);
    const pte = pteAt === NOWHERE ? ONES : (words[pteAt] as number);
    if ((pte & Pte.present) === 0) return this.#refuse(0, write, user);
    if (pse && (pte & PTE_RESERVED) !== 0)
      return this.#refuse(PageFault.present | PageFault.reserved, write, user);
    const rights = pde & pte;
    if (!permits(rights, write, user, wp)) return this.#refuse(PageFault.present, write, user);
    if ((pde & Pte.accessed) === 0 && pdeAt !== NOWHERE) this.#update(pdeAt, pde | Pte.accessed);
    const set = Pte.accessed | (write ? Pte.dirty : 0);
    // Read again: a directory that is its own table (a recursive slot) has just had A set in this very entry.
    if ((pte & set) !== set && pteAt !== NOWHERE) this.#update(pteAt, (words[pteAt] as number) | set);
    const global = (pte & Pte.global) !== 0 && (cr4 & Cr4.PGE) !== 0;
    this.#grant(rights, wp, user, write || (pte & Pte.dirty) !== 0, global, false);
    this.#guestFrame(pte >>> PAGE_SHIFT, linear);
    return true;
  }

  #walkShadow(linear: number, write: boolean, user: boolean, root: number, wp: boolean): boolean {
    const words = this.#words;
    const pdeAt = this.#machineEntry(root, linear >>> 22);
    const pde = pdeAt === NOWHERE ? ONES : (words[pdeAt] as number);
    if ((pde & Pte.present) === 0) return this.#refuse(0, write, user);
    let leafAt = pdeAt;
    let leaf = pde;
    let rights = pde;
    const large = (pde & Pte.large) !== 0;
    if (large) {
      if ((pde & LARGE_PDE_RESERVED) !== 0)
        return this.#refuse(PageFault.present | PageFault.reserved, write, user);
    } else {
      leafAt = this.#machineEntry(pde, (linear >>> PAGE_SHIFT) & 0x3ff);
      leaf = leafAt === NOWHERE ? ONES : (words[leafAt] as number);
      if ((leaf & Pte.present) === 0) return this.#refuse(0, write, user);
      if ((leaf & PTE_RESERVED) !== 0)
        return this.#refuse(PageFault.present | PageFault.reserved, write, user);
      rights &= leaf;
    }
    if (!permits(rights, write, user, wp)) return this.#refuse(PageFault.present, write, user);
    if ((pde & Pte.accessed) === 0 && pdeAt !== NOWHERE) this.#update(pdeAt, pde | Pte.accessed);
    const set = Pte.accessed | (write ? Pte.dirty : 0);
    if ((leaf & set) !== set && leafAt !== NOWHERE) this.#update(leafAt, (words[leafAt] as number) | set);
    this.#grant(rights, wp, user, write || (leaf & Pte.dirty) !== 0, (leaf & Pte.global) !== 0, large);
    const frame = large
      ? ((leaf & LARGE_FRAME_MASK) | (linear & ~LARGE_FRAME_MASK)) >>> PAGE_SHIFT
      : leaf >>> PAGE_SHIFT;
    this.#machineFrame(frame, linear, (leaf & Pte.unbacked) !== 0);
    return true;
  }

  /** Word index of entry `index` of the table at guest-physical `table`. */
  #guestEntry(table: number, index: number): number {
    const p2m = this.#p2m;
    const gfn = table >>> PAGE_SHIFT;
    const mfn = gfn < p2m.length ? (p2m[gfn] as number) : NO_FRAME;
    return mfn === NO_FRAME ? NOWHERE : (mfn << 10) | index;
  }

  /** Word index of entry `index` of the table at host-physical `table`. */
  #machineEntry(table: number, index: number): number {
    const mfn = table >>> PAGE_SHIFT;
    return mfn < this.#frames ? (mfn << 10) | index : NOWHERE;
  }

  #guestFrame(gfn: number, linear: number): void {
    const p2m = this.#p2m;
    const mfn = gfn < p2m.length ? (p2m[gfn] as number) : NO_FRAME;
    this.notBacked = mfn === NO_FRAME;
    this.hpa = this.notBacked ? 0 : (mfn << PAGE_SHIFT) >>> 0;
    this.gpa = ((gfn << PAGE_SHIFT) | (linear & 0xfff)) >>> 0;
  }

  #machineFrame(frame: number, linear: number, unbacked: boolean): void {
    this.notBacked = unbacked || frame >= this.#frames;
    this.hpa = this.notBacked ? 0 : (frame << PAGE_SHIFT) >>> 0;
    this.gpa = ((frame << PAGE_SHIFT) | (linear & 0xfff)) >>> 0;
  }

  #grant(
    rights: number,
    wp: boolean,
    user: boolean,
    dirty: boolean,
    global: boolean,
    largePage: boolean,
  ): void {
    this.user = (rights & Pte.user) !== 0;
    this.userWritable = (rights & ALL_RIGHTS) === ALL_RIGHTS;
    this.supervisorWritable = (rights & Pte.writable) !== 0 || !wp;
    this.writable = user ? this.userWritable : this.supervisorWritable;
    this.dirtyOk = dirty;
    this.global = global;
    this.largePage = largePage;
  }

  #refuse(reason: number, write: boolean, user: boolean): boolean {
    this.errorCode = reason | (write ? PageFault.write : 0) | (user ? PageFault.user : 0);
    return false;
  }

  #update(index: number, value: number): void {
    this.#words[index] = value;
    this.onWrite((index << 2) >>> 0, 4);
  }
}

function permits(rights: number, write: boolean, user: boolean, wp: boolean): boolean {
  if (user) return (rights & Pte.user) !== 0 && (!write || (rights & Pte.writable) !== 0);
  return !write || !wp || (rights & Pte.writable) !== 0;
}
