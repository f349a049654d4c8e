/**
 * HOT: guest memory by linear address, as TypeScript reaches it: the slow paths of generated code, and the system helpers. Fast case: the
 * TLB; else the hardware walker, MMIO, writes to decoded code, accesses that cross a page.
 */

import type { HardwareWalker } from "../mmu/hardware-walker.ts";
import type { Breakpoints } from "./breakpoints.ts";
import type { Burst } from "./burst.ts";
import type { CodeCache } from "./code-cache.ts";
import type { LinearMemory } from "./core.ts";
import * as L from "./layout.ts";
import { type CpuState, Cr0, Cr4, Flag } from "./state.ts";
import type { Tlb } from "./tlb.ts";
import { TlbRight } from "./tlb-right.ts";

/** What came of translating: a byte index into the WebAssembly memory, or one of these. */
export const UNBACKED = -1;
export const REFUSED = -2;

/** Told of accesses that end the instruction. */
export interface AccessMonitor {
  /** The walker refused. Either the access was answered before (index of the answer) or it throws. */
  refused(linear: number, errorCode: number, access: number, size: number, value: number): number;
  /** No frame backs the address. Index of the answer, or it throws. */
  unbacked(linear: number, gpa: number, access: number, size: number, value: number): number;
  answerValue(index: number): number;
  /** The access is misaligned where alignment is checked: throws. */
  misaligned(): never;
}

export class CpuMemory implements LinearMemory {
  private readonly state: CpuState;
  private readonly u32: Uint32Array;
  private readonly u8: Uint8Array;
  private readonly view: DataView;
  private readonly tlb: Tlb;
  private readonly walker: HardwareWalker;
  private readonly readOnly: Uint8Array;
  private readonly monitor: AccessMonitor;
  private readonly burst: Burst;
  private readonly breakpoints: Breakpoints;
  private codeCache!: CodeCache;
  /** The access under way is the processor's own (descriptor tables, TSS, inner stacks): EFLAGS.AC does not lift SMAP for it. */
  private implicit = false;

  constructor(state: CpuState, tlb: Tlb, walker: HardwareWalker, monitor: AccessMonitor, burst: Burst) {
    this.state = state;
    this.u32 = state.u32;
    this.u8 = state.u8;
    this.view = new DataView(state.u8.buffer);
    this.tlb = tlb;
    this.walker = walker;
    this.readOnly = walker.readOnly;
    this.monitor = monitor;
    this.burst = burst;
    this.breakpoints = burst.breakpoints;
  }

  /** Every access must be looked at: there are breakpoints on data, or alignment is checked. */
  get guarded(): boolean {
    return this.breakpoints.data || this.u32[L.TLB_PRIV >> 2] === L.TLB_ALIGNED;
  }

  private guard(linear: number, size: number, write: boolean, user: boolean): void {
    if (user && (linear & (size - 1)) !== 0 && this.u32[L.TLB_PRIV >> 2] === L.TLB_ALIGNED)
      this.monitor.misaligned();
    if (this.breakpoints.data) this.burst.touch(linear, size, write);
  }

  /** The code cache needs the handlers, which need this memory; so it comes second. */
  attach(codeCache: CodeCache): void {
    this.codeCache = codeCache;
  }

  /** #AC where it is checked and an operand of the running instruction is not at a multiple of `bytes`: for those wider than the accesses that they are made by. */
  requireAligned(linear: number, bytes: number): void {
    if ((linear & (bytes - 1)) !== 0 && this.u32[L.TLB_PRIV >> 2] === L.TLB_ALIGNED)
      this.monitor.misaligned();
  }

  /** Byte index for an access that stays in one page, or UNBACKED or REFUSED (walker fields say why). access: 0 read, 1 write, 2 fetch. */
  resolve(linear: number, access: number, user: boolean): number {
    this.implicit = false;
    return this.translate(linear, access, user);
  }

  private translate(linear: number, access: number, user: boolean): number {
    const u = this.u32;
    const page = (linear & 0xfffff000) >>> 0;
    const space = L.TLB_BASE + (u[L.TLB_SPACE >> 2] as number);
    const at = (space + ((linear >>> 12) & (L.TLB_ENTRIES - 1)) * L.TLB_ENTRY_SIZE) >> 2;
    if (u[at + (user ? 4 : 0) + access] === page) return ((linear >>> 0) + (u[at + 3] as number)) >>> 0;
    return this.walk(linear, access, user);
  }

  /** Walks the tables and fills the TLB. */
  private walk(linear: number, access: number, user: boolean): number {
    const w = this.walker;
    const u = this.u32;
    const cr0 = u[L.CR0 >> 2] as number;
    const cr4 = u[L.CR4 >> 2] as number;
    const guarded = this.implicit || ((u[L.EFLAGS_REST >> 2] as number) & Flag.AC) === 0;
    if (!w.translate(linear >>> 0, access, user, cr0, u[L.CR3 >> 2] as number, cr4, guarded)) return REFUSED;
    if (w.notBacked) return UNBACKED;
    const host = L.PHYS_BASE + ((w.hpa & 0xfffff000) >>> 0);
    let rights: number = TlbRight.readSupervisor;
    if (w.executable) rights |= TlbRight.executeSupervisor;
    if (w.user) rights |= w.executable ? TlbRight.readUser | TlbRight.executeUser : TlbRight.readUser;
    if (w.dirtyOk && !this.codeCache.holdsCode(w.hpa >>> 12) && this.readOnly[w.hpa >>> 12] === 0) {
      if (w.supervisorWritable) rights |= TlbRight.writeSupervisor;
      if (w.userWritable) rights |= TlbRight.writeUser;
    }
    // Whether the supervisor may use a user's page must then be asked each time: it changes with EFLAGS.AC.
    if (w.usersPage && (cr4 & (Cr4.SMEP | Cr4.SMAP)) !== 0 && (cr0 & Cr0.PG) !== 0) {
      if (cr4 & Cr4.SMAP) rights &= ~(TlbRight.readSupervisor | TlbRight.writeSupervisor);
      if (cr4 & Cr4.SMEP) rights &= ~TlbRight.executeSupervisor;
    }
    const { breakpoints } = this;
    if (breakpoints.code || breakpoints.data) rights &= breakpoints.rightsIn(linear);
    this.tlb.fill(linear, host, rights, w.global, w.pageShift);
    return host + (linear & 0xfff);
  }

  /** A load of generated code that the TLB did not serve. `forWrite`: the instruction will store there too. */
  load(linear: number, size: number, forWrite: boolean, user: boolean): number {
    this.implicit = false;
    return this.loadAny(linear, size, forWrite, user);
  }

  private loadAny(linear: number, size: number, forWrite: boolean, user: boolean): number {
    if (this.guarded) this.guard(linear, size, false, user);
    if ((linear & 0xfff) + size > 4096) return this.loadAcross(linear, size, forWrite, user);
    const host = this.translate(linear, forWrite ? 1 : 0, user);
    if (host >= 0) return this.get(host, size);
    // A read that a write will follow leaves: both are answered as one instruction.
    if (host === UNBACKED && size === 4 && !forWrite) {
      const value = this.burst.registers?.peek(this.walker.gpa);
      if (value !== undefined) return value;
    }
    // What is tried is a read, although it needs the right to write.
    return this.answered(host, linear, 0, size, 0);
  }

  store(linear: number, value: number, size: number, user: boolean): void {
    this.implicit = false;
    this.storeAny(linear, value, size, user);
  }

  private storeAny(linear: number, value: number, size: number, user: boolean): void {
    if (this.guarded) this.guard(linear, size, true, user);
    if ((linear & 0xfff) + size > 4096) {
      this.storeAcross(linear, value, size, user);
      return;
    }
    const host = this.translate(linear, 1, user);
    if (host >= 0) this.put(host, value, size);
    else this.answered(host, linear, 1, size, value);
  }

  /**
   * 4, 8 or 16 bytes into WIDE, zero above. In plain memory at once; else by doublewords, as the monitor answers them, after both pages have
   * been found to be there.
   */
  loadWide(linear: number, size: number, user: boolean): void {
    this.implicit = false;
    if (this.guarded) this.guard(linear, size, false, user);
    const { u8 } = this;
    u8.fill(0, L.WIDE + size, L.WIDE + 16);
    if ((linear & 0xfff) + size <= 4096) {
      const host = this.translate(linear, 0, user);
      if (host >= 0) {
        u8.copyWithin(L.WIDE, host, host + size);
        return;
      }
    } else this.probe(linear, size, 0, user);
    for (let k = 0; k < size; k += 4)
      this.u32[(L.WIDE + k) >> 2] = this.loadAny((linear + k) >>> 0, 4, false, user);
  }

  /** The same to memory. */
  storeWide(linear: number, size: number, user: boolean): void {
    this.implicit = false;
    if (this.guarded) this.guard(linear, size, true, user);
    if ((linear & 0xfff) + size <= 4096) {
      const host = this.translate(linear, 1, user);
      if (host >= 0) {
        this.putWide(host, size);
        return;
      }
    } else this.probe(linear, size, 1, user);
    for (let k = 0; k < size; k += 4)
      this.storeAny((linear + k) >>> 0, this.u32[(L.WIDE + k) >> 2] as number, 4, user);
  }

  private putWide(host: number, size: number): void {
    const hpa = this.written(host - L.PHYS_BASE);
    if (hpa < 0) return;
    this.u8.copyWithin(L.PHYS_BASE + hpa, L.WIDE, L.WIDE + size);
    if (this.codeCache.holdsCode(hpa >>> 12)) this.codeCache.written(hpa, size);
  }

  read8(linear: number, supervisor: boolean): number {
    this.implicit = supervisor;
    return this.loadAny(linear >>> 0, 1, false, !supervisor && this.state.usesUserTags);
  }
  read16(linear: number, supervisor: boolean): number {
    this.implicit = supervisor;
    return this.loadAny(linear >>> 0, 2, false, !supervisor && this.state.usesUserTags);
  }
  read32(linear: number, supervisor: boolean): number {
    this.implicit = supervisor;
    return this.loadAny(linear >>> 0, 4, false, !supervisor && this.state.usesUserTags) >>> 0;
  }
  write8(linear: number, value: number, supervisor: boolean): void {
    this.implicit = supervisor;
    this.storeAny(linear >>> 0, value, 1, !supervisor && this.state.usesUserTags);
  }
  write16(linear: number, value: number, supervisor: boolean): void {
    this.implicit = supervisor;
    this.storeAny(linear >>> 0, value, 2, !supervisor && this.state.usesUserTags);
  }
  write32(linear: number, value: number, supervisor: boolean): void {
    this.implicit = supervisor;
    this.storeAny(linear >>> 0, value, 4, !supervisor && this.state.usesUserTags);
  }

  probeWrite(linear: number, sizeBytes: number, supervisor: boolean): void {
    this.implicit = supervisor;
    this.probe(linear >>> 0, sizeBytes, 1, !supervisor && this.state.usesUserTags);
  }
  probeRead(linear: number, sizeBytes: number, supervisor: boolean): void {
    this.implicit = supervisor;
    this.probe(linear >>> 0, sizeBytes, 0, !supervisor && this.state.usesUserTags);
  }

  direct(linear: number, write: boolean, supervisor: boolean): number {
    if (this.guarded && (this.u32[L.TLB_PRIV >> 2] === L.TLB_ALIGNED || this.breakpoints.hasDataIn(linear)))
      return -1;
    this.implicit = supervisor;
    const user = !supervisor && this.state.usesUserTags;
    const host = this.translate(linear >>> 0, write ? 1 : 0, user);
    if (host < 0) return -1;
    const frame = (host - L.PHYS_BASE) >>> 12;
    if (write && (this.codeCache.holdsCode(frame) || this.readOnly[frame] !== 0)) return -1;
    return host;
  }

  /** An answer lets the probe pass in spite of the refusal: the accesses that it is for will be refused, and answered, one by one. */
  private probe(linear: number, size: number, access: number, user: boolean): void {
    const last = linear + size - 1;
    for (let at = linear; ; at = (at & 0xfffff000) + 4096) {
      if (this.translate(at >>> 0, access, user) === REFUSED)
        this.monitor.refused(at >>> 0, this.walker.errorCode, access, 0, 0);
      if ((at & 0xfffff000) >>> 0 === (last & 0xfffff000) >>> 0) return;
    }
  }

  /** An access that reached no memory: its answer, if the monitor has given one; else this throws. */
  private answered(outcome: number, linear: number, access: number, size: number, value: number): number {
    const w = this.walker;
    const index =
      outcome === REFUSED
        ? this.monitor.refused(linear, w.errorCode, access, size, value)
        : this.monitor.unbacked(linear, w.gpa, access, size, value);
    return this.monitor.answerValue(index);
  }

  /** Both pages are translated before a byte is read, so a fault reports the right page and nothing is half done. */
  private loadAcross(linear: number, size: number, forWrite: boolean, user: boolean): number {
    this.probe(linear, size, forWrite ? 1 : 0, user);
    let value = 0;
    for (let k = 0; k < size; k++) {
      const byte = this.loadAny((linear + k) >>> 0, 1, forWrite, user);
      value |= byte << (8 * k);
    }
    return value;
  }

  private storeAcross(linear: number, value: number, size: number, user: boolean): void {
    this.probe(linear, size, 1, user);
    for (let k = 0; k < size; k++) this.storeAny((linear + k) >>> 0, (value >>> (8 * k)) & 0xff, 1, user);
  }

  /** Reads at a byte index that `resolve` gave, inside one page. */
  get(host: number, size: number): number {
    if (size === 4) return this.view.getInt32(host, true);
    if (size === 1) return this.u8[host] as number;
    if (size === 2) return this.view.getUint16(host, true);
    throw new RangeError(`no access of ${size} bytes`);
  }

  /** Where a write to that place lands; -1 when there is ROM and it is lost. */
  private written(hpa: number): number {
    return this.readOnly[hpa >>> 12] === 0 ? hpa : this.walker.machine.writtenAt(hpa);
  }

  /** Writes there, or where writes to that ROM go, and drops decoded code that it hits. */
  put(host: number, value: number, size: number): void {
    const hpa = this.written(host - L.PHYS_BASE);
    if (hpa < 0) return;
    const at = L.PHYS_BASE + hpa;
    if (size === 4) this.view.setInt32(at, value, true);
    else if (size === 1) this.u8[at] = value;
    else this.view.setUint16(at, value, true);
    if (this.codeCache.holdsCode(hpa >>> 12)) this.codeCache.written(hpa, size);
  }
}
