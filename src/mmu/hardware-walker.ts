/**
 * HOT: the hardware's page walker, called by the engine on every TLB miss. Allocation-free; results are fields of the instance.
 * Two-level tables have a path of their own, 8-byte entries (PAE, 4-level) share one. src/mmu/walker.ts is the readable statement of the
 * same rules, and tests hold both together.
 */

import * as L from "../cpu/layout.ts";
import { Cr0, Cr4, Efer } from "../cpu/state.ts";
import { NO_FRAME, PAGE_SHIFT, PAGE_SIZE } from "./address.ts";
import {
  HIGH_FRAME_MASK,
  LARGE_FRAME_MASK,
  LONG_HIGH_RESERVED,
  largeFrame36,
  largePdeReserved,
  NO_EXECUTE,
  PAE_HIGH_RESERVED,
  PagingFeature,
  PDPTE_HIGH_RESERVED,
  PDPTE_RESERVED,
  Pte,
  page1gReserved,
  page2mReserved,
  pteReserved,
} from "./format.ts";
import type { WriteHook } from "./guest-memory.ts";
import type { MachineMemory } from "./machine-memory.ts";
import { type HardwarePaging, PageFault } from "./pager.ts";

const ALL_RIGHTS = Pte.writable | Pte.user;
/** Of a shadow's 4 MiB entries: PSE-36, no PAT. */
const SHADOW_LARGE_RESERVED = largePdeReserved(PagingFeature.pse36);
const ONES = -1;
/** Place of an entry that lies in memory that does not exist. */
const NOWHERE = -1;
const EMPTY = new Int32Array(0);
const DIRECTORY_LEVEL = 2;
const TOP_LEVEL = 4;

/**
 * Translates one linear address as the machine's MMU does, setting A on the path and D in the leaf when the access is allowed.
 * A table in memory that does not exist reads as all ones. What comes out is what a TLB entry needs.
 */
export class HardwareWalker {
  readonly #words: Int32Array;
  readonly #frames: number;
  /** By machine frame: 1 where there is ROM. */
  readonly machine: MachineMemory;
  readonly readOnly: Uint8Array;
  /** The CPU's register file: the guest's EFER and latched PDPTEs. */
  readonly #registers: Int32Array;
  readonly #guestPdptes: Int32Array;
  /** The shadow's PDPTEs, latched from its root. */
  readonly #shadowPdptes = new Int32Array(8);
  #paging: HardwarePaging = { mode: "guest", p2m: EMPTY };
  #p2m: Int32Array = EMPTY;
  /** What frame numbers in tables go through; undefined when they are the machine's own. */
  #frameMap: Int32Array | undefined = EMPTY;
  /** Of the walk through 8-byte entries under way: word index of the entry of each level. */
  readonly #steps = new Int32Array(TOP_LEVEL + 1);
  /** Of the access under way: SMEP or SMAP keeps it from users' pages. */
  #keptFromUsers = false;
  /** Its error code, W/R, U/S and, as far as the format of the tables does not decide, I/D. */
  #tried = 0;
  /** By the processor's features: reserved bits of entries. */
  readonly #largePdeReserved: number;
  readonly #pteReserved: number;
  readonly #page2mReserved: number;
  readonly #page1gReserved: number;
  readonly #pse36: boolean;

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
  /** The page is a user's, for SMEP and SMAP: as `user`, or lent to the supervisor. */
  usersPage = false;
  /** Instructions may be fetched (by users: if `user` too). */
  executable = false;
  /** D is set in the leaf: a write needs no further walk, so the write tag may be filled. */
  dirtyOk = false;
  /** The translation survives a CR3 load. */
  global = false;
  /** A page of 2 to the power of this maps the address: INVLPG of any address in it must drop this translation too. */
  pageShift = PAGE_SHIFT;
  /** After `false`: error code of the page fault. */
  errorCode = 0;

  /** Called after A or D was set in a table: that frame could hold decoded code. */
  onWrite: WriteHook = () => {};

  /** `features`: CPUID leaf 1 EDX of the processor. Shadow tables follow their own rules (SHADOW_FORMATS). */
  constructor(memory: MachineMemory, features = 0) {
    this.#largePdeReserved = largePdeReserved(features);
    this.#pteReserved = pteReserved(features);
    this.#page2mReserved = page2mReserved(features);
    this.#page1gReserved = page1gReserved(features);
    this.#pse36 = (features & PagingFeature.pse36) !== 0;
    this.#words = memory.i32;
    this.#frames = memory.frames;
    this.machine = memory;
    this.readOnly = memory.readOnly;
    this.#registers = new Int32Array(memory.memory.buffer, 0, L.STATE_SIZE >> 2);
    this.#guestPdptes = new Int32Array(memory.memory.buffer, L.PDPTE, 8);
  }

  /**
   * Sets what to walk; under PAE the shadow's four pointers are latched now. `root` of the other formats and `writeProtect` are read
   * anew by every walk.
   */
  set(paging: HardwarePaging): void {
    this.#paging = paging;
    this.#p2m = paging.p2m;
    this.#frameMap = paging.mode === "guest" ? paging.p2m : undefined;
    if (paging.mode === "guest" || paging.format !== "PAE") return;
    const first = paging.root >>> 2;
    for (let k = 0; k < 8; k++) this.#shadowPdptes[k] = this.#words[first + k] ?? 0;
  }

  /** A monitor's tables are walked, not the guest's own. */
  get isShadow(): boolean {
    return this.#paging.mode === "shadow";
  }

  /**
   * Latches the guest's PDPTEs into the register file, as a load of CR3 does under PAE. False, and nothing changed, when a present
   * one has reserved bits set (Intel SDM vol. 3, 4.4.1); memory that does not exist reads as ones, so that is one such.
   */
  latchPdptes(cr3: number): boolean {
    const words = this.#words;
    const first = this.#guestEntry(cr3, (cr3 & 0xfe0) >>> 2);
    if (first === NOWHERE) return false;
    for (let k = first; k < first + 8; k += 2) {
      const low = words[k] as number;
      if ((low & Pte.present) === 0) continue;
      if (((low & PDPTE_RESERVED) | ((words[k + 1] as number) & PDPTE_HIGH_RESERVED)) !== 0) return false;
    }
    for (let k = 0; k < 8; k++) this.#guestPdptes[k] = words[first + k] as number;
    return true;
  }

  /**
   * Walks for one access. `access`: 0 read, 1 write, 2 fetch. CR0, CR3 and CR4 are the vcpu's; a shadow takes SMEP and SMAP of them. `linear`
   * has 32 bits, for 4-level tables 48. `guarded`: SMAP, where it is on, applies to this access. True: allowed, see the fields. False:
   * page fault with `errorCode`; no entry was changed.
   */
  translate(
    linear: number,
    access: number,
    user: boolean,
    cr0: number,
    cr3: number,
    cr4: number,
    guarded = false,
  ): boolean {
    const paging = this.#paging;
    let tried = (access === 1 ? PageFault.write : 0) | (user ? PageFault.user : 0);
    this.#keptFromUsers = false;
    if ((cr4 & (Cr4.SMEP | Cr4.SMAP)) !== 0 && (cr0 & Cr0.PG) !== 0) {
      if (access === 2) {
        if ((cr4 & Cr4.SMEP) !== 0) {
          this.#keptFromUsers = !user;
          tried |= PageFault.fetch;
        }
      } else if (guarded && !user && (cr4 & Cr4.SMAP) !== 0) {
        this.#keptFromUsers = true;
        tried |= PageFault.guarded;
      }
    }
    this.#tried = tried;
    const write = access === 1;
    if (paging.mode === "shadow") {
      const { root, writeProtect } = paging;
      if (paging.format === "32-bit") return this.#walkShadow(linear, write, user, root, writeProtect);
      if (paging.format === "PAE")
        return this.#walkPae(linear, access, user, writeProtect, this.#shadowPdptes, true, true);
      return this.#walkWide(linear, access, user, writeProtect, TOP_LEVEL, root, 0, true, true);
    }
    if ((cr0 & Cr0.PG) === 0) return this.#identity(linear);
    const wp = (cr0 & Cr0.WP) !== 0;
    if ((cr4 & Cr4.PAE) === 0) return this.#walkGuest(linear, write, user, wp, cr3, cr4);
    const efer = this.#registers[L.EFER >> 2] as number;
    const nxe = (efer & Efer.NXE) !== 0;
    const pge = (cr4 & Cr4.PGE) !== 0;
    if ((efer & Efer.LMA) === 0) return this.#walkPae(linear, access, user, wp, this.#guestPdptes, nxe, pge);
    return this.#walkWide(linear, access, user, wp, TOP_LEVEL, cr3, 0, nxe, pge);
  }

  #identity(linear: number): boolean {
    this.#grant(ALL_RIGHTS, true, false, true, false, PAGE_SHIFT);
    this.#guestFrame(linear >>> PAGE_SHIFT, linear);
    return true;
  }

  #walkGuest(linear: number, write: boolean, user: boolean, wp: boolean, cr3: number, cr4: number): boolean {
    const words = this.#words;
    const pse = (cr4 & Cr4.PSE) !== 0;
    const pdeAt = this.#guestEntry(cr3, linear >>> 22);
    const pde = pdeAt === NOWHERE ? ONES : (words[pdeAt] as number);
    if ((pde & Pte.present) === 0) return this.#refuse(0);
    if (pse && (pde & Pte.large) !== 0) {
      if ((pde & this.#largePdeReserved) !== 0) return this.#refuse(PageFault.present | PageFault.reserved);
      if (!this.#permits(pde, pde & Pte.user, write, user, wp)) return this.#refuse(PageFault.present);
      const set = Pte.accessed | (write ? Pte.dirty : 0);
      if ((pde & set) !== set && pdeAt !== NOWHERE) this.#update(pdeAt, pde | set);
      const global = (pde & Pte.global) !== 0 && (cr4 & Cr4.PGE) !== 0;
      this.#grant(pde, wp, user, write || (pde & Pte.dirty) !== 0, global, 22);
      const first = this.#pse36 ? largeFrame36(pde) : (pde & LARGE_FRAME_MASK) >>> PAGE_SHIFT;
      this.#guestFrame(first | ((linear >>> PAGE_SHIFT) & 0x3ff), linear);
      return true;
    }
    const pteAt = this.#guestEntry(pde, (linear >>> PAGE_SHIFT) & 0x3ff);
    const pte = pteAt === NOWHERE ? ONES : (words[pteAt] as number);
    if ((pte & Pte.present) === 0) return this.#refuse(0);
    if (pse && (pte & this.#pteReserved) !== 0) return this.#refuse(PageFault.present | PageFault.reserved);
    const rights = pde & pte;
    if (!this.#permits(rights, rights & Pte.user, write, user, wp)) return this.#refuse(PageFault.present);
    if ((pde & Pte.accessed) === 0 && pdeAt !== NOWHERE) this.#update(pdeAt, pde | Pte.accessed);
    const set = Pte.accessed | (write ? Pte.dirty : 0);
    // Read again: a directory that is its own table (a recursive slot) has just had A set in this very entry.
    if ((pte & set) !== set && pteAt !== NOWHERE) this.#update(pteAt, (words[pteAt] as number) | set);
    const global = (pte & Pte.global) !== 0 && (cr4 & Cr4.PGE) !== 0;
    this.#grant(rights, wp, user, write || (pte & Pte.dirty) !== 0, global, PAGE_SHIFT);
    this.#guestFrame(pte >>> PAGE_SHIFT, linear);
    return true;
  }

  #walkShadow(linear: number, write: boolean, user: boolean, root: number, wp: boolean): boolean {
    const words = this.#words;
    const pdeAt = this.#machineEntry(root, linear >>> 22);
    const pde = pdeAt === NOWHERE ? ONES : (words[pdeAt] as number);
    if ((pde & Pte.present) === 0) return this.#refuse(0);
    let leafAt = pdeAt;
    let leaf = pde;
    let rights = pde;
    const large = (pde & Pte.large) !== 0;
    if (large) {
      if ((pde & SHADOW_LARGE_RESERVED) !== 0) return this.#refuse(PageFault.present | PageFault.reserved);
    } else {
      leafAt = this.#machineEntry(pde, (linear >>> PAGE_SHIFT) & 0x3ff);
      leaf = leafAt === NOWHERE ? ONES : (words[leafAt] as number);
      if ((leaf & Pte.present) === 0) return this.#refuse(0);
      if ((leaf & Pte.large) !== 0) return this.#refuse(PageFault.present | PageFault.reserved);
      rights &= leaf;
    }
    if (!this.#permits(rights, (rights & Pte.user) | (leaf & Pte.lent), write, user, wp))
      return this.#refuse(PageFault.present);
    if ((pde & Pte.accessed) === 0 && pdeAt !== NOWHERE) this.#update(pdeAt, pde | Pte.accessed);
    const set = Pte.accessed | (write ? Pte.dirty : 0);
    if ((leaf & set) !== set && leafAt !== NOWHERE) this.#update(leafAt, (words[leafAt] as number) | set);
    this.#grant(
      rights,
      wp,
      user,
      write || (leaf & Pte.dirty) !== 0,
      (leaf & Pte.global) !== 0,
      large ? 22 : PAGE_SHIFT,
    );
    if ((leaf & Pte.lent) !== 0) this.usersPage = true;
    const frame = large ? largeFrame36(leaf) | ((linear >>> PAGE_SHIFT) & 0x3ff) : leaf >>> PAGE_SHIFT;
    this.#machineFrame(frame, linear, (leaf & Pte.unbacked) !== 0);
    return true;
  }

  /** PAE: from the latched pointer of the GiB, which gives no rights and has no A. */
  #walkPae(
    linear: number,
    access: number,
    user: boolean,
    wp: boolean,
    pdptes: Int32Array,
    nxe: boolean,
    pge: boolean,
  ): boolean {
    const pointer = (linear >>> 30) << 1;
    const low = pdptes[pointer] as number;
    if ((low & Pte.present) === 0) return this.#refuseWide(0, access, nxe);
    const high = pdptes[pointer + 1] as number;
    return this.#walkWide(linear, access, user, wp, DIRECTORY_LEVEL, low, high, nxe, pge);
  }

  /** Tables of 8-byte entries from `top` down; the topmost one is at the frame that `low` and `high` name. */
  #walkWide(
    linear: number,
    access: number,
    user: boolean,
    wp: boolean,
    top: number,
    low: number,
    high: number,
    nxe: boolean,
    pge: boolean,
  ): boolean {
    const words = this.#words;
    const steps = this.#steps;
    const write = access === 1;
    const above = linear > 0xffffffff ? Math.floor(linear / 0x100000000) : 0;
    const highReserved =
      (top === DIRECTORY_LEVEL ? PAE_HIGH_RESERVED : LONG_HIGH_RESERVED) | (nxe ? 0 : NO_EXECUTE);
    let rights = ALL_RIGHTS;
    let forbidden = 0;
    const shadow = this.#frameMap === undefined;
    let level = top;
    let shift = PAGE_SHIFT;
    for (;;) {
      const at = this.#wideEntry(low, high, indexAt(level, linear, above));
      steps[level] = at;
      low = at === NOWHERE ? ONES : (words[at] as number);
      high = at === NOWHERE ? ONES : (words[at + 1] as number);
      if ((low & Pte.present) === 0) return this.#refuseWide(0, access, nxe);
      let reserved = 0;
      if (level === 1) reserved = shadow ? Pte.large : this.#pteReserved;
      else if ((low & Pte.large) !== 0) {
        shift = level === 2 ? 21 : 30;
        reserved = level === 2 ? this.#page2mReserved : level === 3 ? this.#page1gReserved : Pte.large;
      }
      if (((low & reserved) | (high & highReserved)) !== 0)
        return this.#refuseWide(PageFault.present | PageFault.reserved, access, nxe);
      rights &= low;
      forbidden |= high;
      if (level === 1 || shift !== PAGE_SHIFT) break;
      level--;
    }
    // Bit 63 without NXE has been refused as reserved.
    const executable = (forbidden & NO_EXECUTE) === 0;
    const lent = shadow ? low & Pte.lent : 0;
    if (!this.#permits(rights, (rights & Pte.user) | lent, write, user, wp) || (access === 2 && !executable))
      return this.#refuseWide(PageFault.present, access, nxe);
    // No step is NOWHERE: ones have reserved bits. Entries are read again: one that is its own table has just had A set.
    for (let l = top; l > level; l--) {
      const at = steps[l] as number;
      const entry = words[at] as number;
      if ((entry & Pte.accessed) === 0) this.#update(at, entry | Pte.accessed);
    }
    const leafAt = steps[level] as number;
    const set = Pte.accessed | (write ? Pte.dirty : 0);
    if ((low & set) !== set) this.#update(leafAt, (words[leafAt] as number) | set);
    const global = pge && (low & Pte.global) !== 0;
    this.#grant(rights, wp, user, write || (low & Pte.dirty) !== 0, global, shift);
    this.executable = executable;
    if (lent !== 0) this.usersPage = true;
    const inPage = (1 << (shift - PAGE_SHIFT)) - 1;
    const frame = (wideFrame(low, high) & ~inPage) | ((linear >>> PAGE_SHIFT) & inPage);
    this.#wideFrameReached(frame, linear, (low & Pte.unbacked) !== 0);
    return true;
  }

  /** Word index of entry `index` of the table in the frame that an 8-byte entry names. */
  #wideEntry(low: number, high: number, index: number): number {
    const mfn = this.#machineFrameOf(wideFrame(low, high));
    return mfn === NO_FRAME ? NOWHERE : (mfn << 10) | (index << 1);
  }

  /** The machine's frame of a frame number in an entry, NO_FRAME if there is none. */
  #machineFrameOf(frame: number): number {
    const map = this.#frameMap;
    if (map === undefined) return frame < this.#frames ? frame : NO_FRAME;
    return frame < map.length ? (map[frame] as number) : NO_FRAME;
  }

  #wideFrameReached(frame: number, linear: number, unbacked: boolean): void {
    // In guest tables the bit is the guest's own.
    const mfn = unbacked && this.#frameMap === undefined ? NO_FRAME : this.#machineFrameOf(frame);
    this.notBacked = mfn === NO_FRAME;
    this.hpa = this.notBacked ? 0 : (mfn << PAGE_SHIFT) >>> 0;
    this.gpa = frame * PAGE_SIZE + (linear & 0xfff);
  }

  #refuseWide(reason: number, access: number, nxe: boolean): boolean {
    return this.#refuse(access === 2 && nxe ? reason | PageFault.fetch : reason);
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
    this.gpa = gfn * PAGE_SIZE + (linear & 0xfff);
  }

  #machineFrame(frame: number, linear: number, unbacked: boolean): void {
    this.notBacked = unbacked || frame >= this.#frames;
    this.hpa = this.notBacked ? 0 : (frame << PAGE_SHIFT) >>> 0;
    this.gpa = frame * PAGE_SIZE + (linear & 0xfff);
  }

  #grant(
    rights: number,
    wp: boolean,
    user: boolean,
    dirty: boolean,
    global: boolean,
    pageShift: number,
  ): void {
    this.user = (rights & Pte.user) !== 0;
    this.usersPage = this.user;
    this.userWritable = (rights & ALL_RIGHTS) === ALL_RIGHTS;
    this.supervisorWritable = (rights & Pte.writable) !== 0 || !wp;
    this.writable = user ? this.userWritable : this.supervisorWritable;
    this.dirtyOk = dirty;
    this.global = global;
    this.executable = true;
    this.pageShift = pageShift;
  }

  #refuse(reason: number): boolean {
    this.errorCode = reason | this.#tried;
    return false;
  }

  /** `users`: not zero for a user's page. */
  #permits(rights: number, users: number, write: boolean, user: boolean, wp: boolean): boolean {
    if (user) return (rights & Pte.user) !== 0 && (!write || (rights & Pte.writable) !== 0);
    if (this.#keptFromUsers && users !== 0) return false;
    return !write || !wp || (rights & Pte.writable) !== 0;
  }

  #update(index: number, value: number): void {
    const hpa = this.readOnly[index >>> 10] === 0 ? (index << 2) >>> 0 : this.machine.writtenAt(index * 4);
    if (hpa < 0) return;
    this.#words[hpa >>> 2] = value;
    this.onWrite(hpa, 4);
  }
}

/** Frame number in an 8-byte entry: 24 bits. */
function wideFrame(low: number, high: number): number {
  return (low >>> PAGE_SHIFT) | ((high & HIGH_FRAME_MASK) << 20);
}

/** Index into a table of 512 entries; `above` holds bits 32-47 of the linear address. */
function indexAt(level: number, linear: number, above: number): number {
  if (level === 1) return (linear >>> PAGE_SHIFT) & 0x1ff;
  if (level === 2) return (linear >>> 21) & 0x1ff;
  if (level === 3) return ((above << 2) | (linear >>> 30)) & 0x1ff;
  return (above >>> 7) & 0x1ff;
}
