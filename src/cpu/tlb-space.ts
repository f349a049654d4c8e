import type { Gva, Hpa } from "../mmu/address.ts";
import type { CachedRights, CachedTranslation } from "../mmu/pager.ts";
import * as L from "./layout.ts";
import { TlbRight } from "./tlb-right.ts";

const WORDS = L.TLB_ENTRY_SIZE >> 2;
/** Word of the user's half of an entry. */
const USER = L.TLB_USER >> 2;
const READ = L.TLB_READ >> 2;
const WRITE = L.TLB_WRITE >> 2;
const EXEC = L.TLB_EXEC >> 2;
const DELTA = L.TLB_DELTA >> 2;
/** Attributes: bit 0 says that the page is global, the rest is the page shift of a large page, else 0. */
const GLOBAL = 1;
const SHIFT_AT = 1;
const PAGE_SHIFT = 12;

/** One address space of the TLB. A list of the entries filled since they were last dropped keeps a flush from touching all of them. */
export class TlbSpace {
  /** Byte offset from TLB_BASE. */
  readonly offset: number;
  /** Whose translations these are; 0: nobody's in particular. */
  tag = 0;
  /** When it was last entered; the smallest is the oldest. */
  usedAt = 0;
  private readonly u32: Uint32Array;
  private readonly base: number;
  /** Linear page of each entry, or TLB_INVALID; the tags tell only where a right is. */
  private readonly pages = new Uint32Array(L.TLB_ENTRIES);
  private readonly attributes = new Uint8Array(L.TLB_ENTRIES);
  private readonly filled = new Uint16Array(L.TLB_ENTRIES);
  private readonly listed = new Uint8Array(L.TLB_ENTRIES);
  private filledCount = 0;
  private largeCount = 0;

  constructor(u32: Uint32Array, number: number) {
    this.u32 = u32;
    this.offset = number * L.TLB_SPACE_SIZE;
    this.base = (L.TLB_BASE + this.offset) >> 2;
    for (let n = 0; n < L.TLB_ENTRIES; n++) this.invalidate(n);
  }

  fill(linear: number, host: number, rights: number, global: boolean, pageShift: number): void {
    const page = (linear & 0xfffff000) >>> 0;
    const n = (linear >>> 12) & (L.TLB_ENTRIES - 1);
    const at = this.base + n * WORDS;
    const u = this.u32;
    const delta = host - page;
    u[at + READ] = rights & TlbRight.readSupervisor ? page : L.TLB_INVALID;
    u[at + WRITE] = rights & TlbRight.writeSupervisor ? page : L.TLB_INVALID;
    u[at + EXEC] = rights & TlbRight.executeSupervisor ? page : L.TLB_INVALID;
    u[at + DELTA] = delta;
    u[at + USER + READ] = rights & TlbRight.readUser ? page : L.TLB_INVALID;
    u[at + USER + WRITE] = rights & TlbRight.writeUser ? page : L.TLB_INVALID;
    u[at + USER + EXEC] = rights & TlbRight.executeUser ? page : L.TLB_INVALID;
    u[at + USER + DELTA] = delta;
    this.pages[n] = page;
    const large = pageShift !== PAGE_SHIFT;
    this.attributes[n] = (global ? GLOBAL : 0) | (large ? pageShift << SHIFT_AT : 0);
    if (large) this.largeCount++;
    if (this.listed[n] === 0) {
      this.listed[n] = 1;
      this.filled[this.filledCount++] = n;
    }
  }

  /** Drops all entries but global ones. */
  dropNonGlobal(): void {
    let kept = 0;
    for (let k = 0; k < this.filledCount; k++) {
      const n = this.filled[k] as number;
      if ((this.attributes[n] as number) & GLOBAL) this.filled[kept++] = n;
      else {
        this.listed[n] = 0;
        this.invalidate(n);
      }
    }
    this.filledCount = kept;
  }

  /** Drops all entries. */
  drop(): void {
    for (let k = 0; k < this.filledCount; k++) {
      const n = this.filled[k] as number;
      this.listed[n] = 0;
      this.invalidate(n);
    }
    this.filledCount = 0;
    this.largeCount = 0;
  }

  dropPage(linear: number): void {
    if (this.filledCount === 0) return;
    if (this.largeCount > 0) {
      for (let k = 0; k < this.filledCount; k++) {
        const n = this.filled[k] as number;
        const shift = (this.attributes[n] as number) >>> SHIFT_AT;
        if (shift !== 0 && (this.pages[n] as number) >>> shift === linear >>> shift) this.invalidate(n);
      }
    }
    const n = (linear >>> 12) & (L.TLB_ENTRIES - 1);
    if (this.pages[n] === (linear & 0xfffff000) >>> 0) this.invalidate(n);
  }

  revokeWrite(host: number): void {
    const u = this.u32;
    for (let k = 0; k < this.filledCount; k++) {
      const n = this.filled[k] as number;
      const page = this.pages[n] as number;
      const at = this.base + n * WORDS;
      if (page !== L.TLB_INVALID && ((page + (u[at + DELTA] as number)) | 0) === (host | 0)) {
        u[at + WRITE] = L.TLB_INVALID;
        u[at + USER + WRITE] = L.TLB_INVALID;
      }
    }
  }

  *translations(): Generator<CachedTranslation> {
    const { tag } = this;
    for (let k = 0; k < this.filledCount; k++) {
      const n = this.filled[k] as number;
      const page = this.pages[n] as number;
      if (page === L.TLB_INVALID) continue;
      const at = this.base + n * WORDS;
      const delta = this.u32[at + DELTA] as number;
      const hpa = ((page + delta - L.PHYS_BASE) >>> 0) as Hpa;
      yield {
        tag,
        gva: page as Gva,
        hpa,
        supervisor: this.rights(at, page),
        user: this.rights(at + USER, page),
      };
    }
  }

  private rights(half: number, page: number): CachedRights {
    const { u32 } = this;
    return {
      read: u32[half + READ] === page,
      write: u32[half + WRITE] === page,
      execute: u32[half + EXEC] === page,
    };
  }

  private invalidate(n: number): void {
    const u = this.u32;
    const at = this.base + n * WORDS;
    u[at + READ] = L.TLB_INVALID;
    u[at + WRITE] = L.TLB_INVALID;
    u[at + EXEC] = L.TLB_INVALID;
    u[at + USER + READ] = L.TLB_INVALID;
    u[at + USER + WRITE] = L.TLB_INVALID;
    u[at + USER + EXEC] = L.TLB_INVALID;
    this.pages[n] = L.TLB_INVALID;
    this.attributes[n] = 0;
  }
}
