import * as L from "./layout.ts";

const WORDS = L.TLB_ENTRY_SIZE >> 2;
const BASE = L.TLB_BASE >> 2;
const GLOBAL = 1;
/** In the attribute word, from this bit on: page shift of a large page, else 0. */
const SHIFT_AT = 8;
const PAGE_SHIFT = 12;

/** What an entry lets pass, as bits. */
export const TlbRight = {
  readSupervisor: 1,
  writeSupervisor: 2,
  executeSupervisor: 4,
  readUser: 8,
  writeUser: 16,
  executeUser: 32,
} as const;

/**
 * The physical CPU's TLB: direct-mapped, in the machine's memory so that generated code reads it. A list of the entries filled since
 * they were last dropped keeps a flush from touching all of them.
 */
export class Tlb {
  private readonly u32: Uint32Array;
  private readonly filled = new Uint16Array(L.TLB_ENTRIES);
  private readonly listed = new Uint8Array(L.TLB_ENTRIES);
  private filledCount = 0;
  private largeCount = 0;
  /** Entries filled since the machine began (statistics). */
  fills = 0;
  flushes = 0;

  constructor(u32: Uint32Array) {
    this.u32 = u32;
    for (let n = 0; n < L.TLB_ENTRIES; n++) this.invalidate(n);
    const never = BASE + (L.TLB_ALIGNED >> 2);
    u32.fill(L.TLB_INVALID, never, never + L.TLB_ENTRIES * WORDS);
  }

  /**
   * Maps the page of `linear` to the bytes at `host` (a page's byte index in the WebAssembly memory). `pageShift` above 12: it is a piece
   * of a large page of 2 to the power of that.
   */
  fill(linear: number, host: number, rights: number, global: boolean, pageShift: number): void {
    const page = (linear & 0xfffff000) >>> 0;
    const n = (linear >>> 12) & (L.TLB_ENTRIES - 1);
    const at = BASE + n * WORDS;
    const u = this.u32;
    u[at] = rights & TlbRight.readSupervisor ? page : L.TLB_INVALID;
    u[at + 1] = rights & TlbRight.writeSupervisor ? page : L.TLB_INVALID;
    u[at + 2] = rights & TlbRight.executeSupervisor ? page : L.TLB_INVALID;
    u[at + 3] = host - page;
    u[at + 4] = rights & TlbRight.readUser ? page : L.TLB_INVALID;
    u[at + 5] = rights & TlbRight.writeUser ? page : L.TLB_INVALID;
    u[at + 6] = rights & TlbRight.executeUser ? page : L.TLB_INVALID;
    const large = pageShift !== PAGE_SHIFT;
    u[at + 7] = (global ? GLOBAL : 0) | (large ? pageShift << SHIFT_AT : 0);
    if (large) this.largeCount++;
    this.fills++;
    if (this.listed[n] === 0) {
      this.listed[n] = 1;
      this.filled[this.filledCount++] = n;
    }
  }

  /** Drops all entries but global ones. */
  flush(): void {
    this.flushes++;
    let kept = 0;
    for (let k = 0; k < this.filledCount; k++) {
      const n = this.filled[k] as number;
      if ((this.u32[BASE + n * WORDS + 7] as number) & GLOBAL) this.filled[kept++] = n;
      else {
        this.listed[n] = 0;
        this.invalidate(n);
      }
    }
    this.filledCount = kept;
  }

  flushAll(): void {
    this.flushes++;
    for (let k = 0; k < this.filledCount; k++) {
      const n = this.filled[k] as number;
      this.listed[n] = 0;
      this.invalidate(n);
    }
    this.filledCount = 0;
    this.largeCount = 0;
  }

  /** Drops what could translate `linear`: its page, and the rest of the large page that it may lie in. */
  flushPage(linear: number): void {
    if (this.largeCount > 0) {
      for (let k = 0; k < this.filledCount; k++) {
        const n = this.filled[k] as number;
        const at = BASE + n * WORDS;
        const shift = (this.u32[at + 7] as number) >>> SHIFT_AT;
        if (shift !== 0 && this.pageOf(at) >>> shift === linear >>> shift) this.invalidate(n);
      }
    }
    const n = (linear >>> 12) & (L.TLB_ENTRIES - 1);
    const page = (linear & 0xfffff000) >>> 0;
    if (this.pageOf(BASE + n * WORDS) === page) this.invalidate(n);
  }

  /** Withdraws direct write access to the bytes of one page, under whatever linear addresses. */
  revokeWrite(host: number): void {
    const u = this.u32;
    for (let k = 0; k < this.filledCount; k++) {
      const at = BASE + (this.filled[k] as number) * WORDS;
      const page = this.pageOf(at);
      if (page !== L.TLB_INVALID && ((page + (u[at + 3] as number)) | 0) === (host | 0)) {
        u[at + 1] = L.TLB_INVALID;
        u[at + 5] = L.TLB_INVALID;
      }
    }
  }

  /** Linear page of the entry at word index `at`, or TLB_INVALID: some tag that is valid. Supervisor read is granted with every other right but a user-only one cannot exist. */
  private pageOf(at: number): number {
    return this.u32[at] as number;
  }

  private invalidate(n: number): void {
    const at = BASE + n * WORDS;
    const u = this.u32;
    u[at] = L.TLB_INVALID;
    u[at + 1] = L.TLB_INVALID;
    u[at + 2] = L.TLB_INVALID;
    u[at + 4] = L.TLB_INVALID;
    u[at + 5] = L.TLB_INVALID;
    u[at + 6] = L.TLB_INVALID;
    u[at + 7] = 0;
  }
}
