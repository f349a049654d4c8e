import { Cpu } from "../../../../src/cpu/cpu.ts";
import { ExitReason, type ExitRecord } from "../../../../src/cpu/exit.ts";
import * as L from "../../../../src/cpu/layout.ts";
import { Cr0, Cr4 } from "../../../../src/cpu/state.ts";
import type { CpuModel } from "../../../../src/cpu/system/index.ts";
import {
  codeSegment,
  dataSegment,
  type GuestProgram,
  gateBytes,
  tssBytes,
  tssSegment,
} from "../../../../src/guest/builder/index.ts";
import { MachineMemory } from "../../../../src/mmu/machine-memory.ts";

/** A small guest on the real engine: sparse guest-physical memory on scattered frames, tables for protected mode, no monitor. */

const PAGE = 4096;
/** Where tests put code, data and the stack: mapped one to one for both rings when there is paging. */
export const CODE = 0x100000;
export const DATA = 0x110000;
export const STACK = 0x120000;
/** Page-table entry bits. */
export const P = 1;
export const W = 2;
export const U = 4;
export const LARGE = 0x80;
export const GLOBAL = 0x100;

/** Guest-physical places of the tables that every guest has. */
export const GDT = 0x1000;
export const IDT = 0x2000;
export const TSS = 0x3000;
/** One HLT for every vector, 16 bytes apart: the default handlers. */
export const HANDLERS = 0x4000;
export const PAGE_DIRECTORY = 0x6000;
/** Page tables are taken from here on, as `map` needs them. */
const PAGE_TABLES = 0x7000;
const LAST_PAGE_TABLE = 0xf000;
/** Ring-0 stack that the TSS names; it grows down from here. */
export const STACK0 = 0x6000;

/** Selectors; those of ring 3 are what Linux gives 32-bit programs. */
export const Sel = { code0: 0x08, data0: 0x10, code3: 0x23, data3: 0x2b, tss: 0x30, spare: 0x38 } as const;
const GDT_ENTRIES = 32;

export interface GuestOptions {
  /** Frames of the machine. */
  readonly frames?: number;
  /** Default: "max". */
  readonly model?: CpuModel;
  /** Guest-physical addresses of pages that have memory besides 0x1000 to 0xffff, as [address, pages]. Default: CODE to STACK. */
  readonly memory?: readonly (readonly [number, number])[];
  /** The machine and CPU of an earlier guest are used again (making a CPU takes time): the earlier guest is over. */
  readonly after?: EngineGuest | undefined;
  /** The same, and the earlier guest lives on beside this one, in its own frames. */
  readonly beside?: EngineGuest;
}

export class EngineGuest {
  readonly machine: MachineMemory;
  readonly cpu: Cpu;
  readonly p2m: Int32Array;
  private nextTable = PAGE_TABLES;

  constructor(options: GuestOptions = {}) {
    const on = options.beside ?? options.after;
    const ranges = [[0x1000, 15], ...(options.memory ?? [[CODE, (STACK - CODE) / PAGE]])] as const;
    this.machine = on?.machine ?? new MachineMemory(options.frames ?? 128);
    this.cpu = on?.cpu ?? new Cpu(this.machine, options.model ?? "max");
    const top = Math.max(...ranges.map(([gpa, pages]) => gpa / PAGE + pages));
    this.p2m = new Int32Array(top).fill(-1);
    // From the last frame down, so that neighbours in guest-physical memory are none in the machine's.
    let frame = (options.beside?.lowestFrame ?? this.machine.frames) - 1;
    for (const [gpa, pages] of ranges) {
      for (let n = 0; n < pages; n++) {
        this.machine.u8.fill(0, frame * PAGE, (frame + 1) * PAGE);
        this.cpu.memoryWritten(frame * PAGE, PAGE);
        this.p2m[gpa / PAGE + n] = frame--;
      }
    }
    if (frame < 0) throw new RangeError("the machine has too few frames for this guest");
    this.cpu.setHardwarePaging({ mode: "guest", p2m: this.p2m });
    this.cpu.controls = 0;
    this.cpu.windowRequested = false;
    this.cpu.reset();
    this.write(GDT + Sel.code0, codeSegment());
    this.write(GDT + Sel.data0, dataSegment());
    this.write(GDT + (Sel.code3 & ~7), codeSegment({ dpl: 3 }));
    this.write(GDT + (Sel.data3 & ~7), dataSegment({ dpl: 3 }));
    this.write(GDT + Sel.tss, tssSegment(TSS));
    this.write(TSS, tssBytes({ esp0: STACK0, ss0: Sel.data0 }));
    for (let vector = 0; vector < 256; vector++) {
      this.write(HANDLERS + vector * 16, [0xf4]);
      this.gate(vector, HANDLERS + vector * 16);
    }
  }

  get lowestFrame(): number {
    return this.p2m.reduce((low, mfn) => (mfn >= 0 && mfn < low ? mfn : low), this.machine.frames);
  }

  /** Host-physical address of a guest-physical one. */
  hpa(gpa: number): number {
    const mfn = this.p2m[gpa >>> 12] ?? -1;
    if (mfn < 0) throw new RangeError(`no memory at guest-physical 0x${gpa.toString(16)}`);
    return mfn * PAGE + (gpa & 0xfff);
  }

  /** Writes guest-physical memory as the monitor does, telling the CPU. */
  write(gpa: number, bytes: Uint8Array | readonly number[]): void {
    for (let at = 0; at < bytes.length; ) {
      const hpa = this.hpa(gpa + at);
      const size = Math.min(bytes.length - at, PAGE - (hpa & 0xfff));
      for (let k = 0; k < size; k++) this.machine.u8[hpa + k] = bytes[at + k] as number;
      this.cpu.memoryWritten(hpa, size);
      at += size;
    }
  }
  write32(gpa: number, ...values: readonly number[]): void {
    values.forEach((value, n) => {
      this.write(gpa + 4 * n, [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24]);
    });
  }
  read8(gpa: number): number {
    return this.machine.u8[this.hpa(gpa)] as number;
  }
  read32(gpa: number): number {
    let value = 0;
    for (let k = 3; k >= 0; k--) value = value * 256 + this.read8(gpa + k);
    return value;
  }

  gate(vector: number, offset: number, kind: "interrupt" | "trap" = "interrupt", dpl = 3): void {
    this.write(IDT + vector * 8, gateBytes({ kind, selector: Sel.code0, offset, dpl }));
  }

  /** Address of the page-table entry for `gva`; makes the page table. */
  entry(gva: number): number {
    const slot = PAGE_DIRECTORY + (gva >>> 22) * 4;
    if ((this.read32(slot) & P) === 0) {
      if (this.nextTable > LAST_PAGE_TABLE) throw new RangeError("too many page tables");
      this.write32(slot, this.nextTable | P | W | U);
      this.nextTable += PAGE;
    }
    return ((this.read32(slot) & 0xfffff000) >>> 0) + ((gva >>> 12) & 0x3ff) * 4;
  }
  map(gva: number, gpa: number, flags: number, pages = 1): void {
    for (let n = 0; n < pages; n++) this.write32(this.entry(gva + n * PAGE), (gpa + n * PAGE) | flags | P);
  }
  unmap(gva: number): void {
    this.write32(this.entry(gva), 0);
  }

  /** Flat 32-bit protected mode. With paging, the first 64 KiB are mapped one to one for the supervisor. */
  enterFlat(options: { ring: 0 | 3; paged: boolean; eip: number; esp: number }): void {
    const { cpu } = this;
    const s = cpu.state;
    cpu.reset();
    s.set(L.GDTR_BASE, GDT);
    s.set(L.GDTR_LIMIT, GDT_ENTRIES * 8 - 1);
    s.set(L.IDTR_BASE, IDT);
    s.set(L.IDTR_LIMIT, 0x7ff);
    const dpl = options.ring << 5;
    s.setSegment(1, options.ring ? Sel.code3 : Sel.code0, 0, 0xffffffff, 0xc09b | dpl);
    for (const n of [0, 2, 3, 4, 5])
      s.setSegment(n, options.ring ? Sel.data3 : Sel.data0, 0, 0xffffffff, 0xc093 | dpl);
    s.setSegment(7, Sel.tss, TSS, 0x67, 0x8b);
    s.set(L.CPL, options.ring);
    s.set(L.CR0, Cr0.PE | Cr0.ET | Cr0.NE | Cr0.WP | (options.paged ? Cr0.PG : 0));
    s.set(L.CR4, Cr4.PSE | Cr4.PGE | Cr4.OSFXSR | Cr4.OSXMMEXCPT);
    s.set(L.CR3, PAGE_DIRECTORY);
    if (options.paged && (this.read32(this.entry(GDT)) & P) === 0) this.map(0x1000, 0x1000, W, 15);
    if (options.paged && (this.p2m[CODE >>> 12] ?? -1) >= 0 && (this.read32(this.entry(CODE)) & P) === 0)
      this.map(CODE, CODE, U | W, (STACK - CODE) / PAGE);
    s.eip = options.eip;
    s.setReg(4, options.esp);
    s.updateMode();
    cpu.flushTlbAll();
  }

  /** Runs until something other than a spent budget ends it; throws after `most` bursts. */
  runToExit(budget = 1_000_000, most = 100): ExitRecord {
    for (let n = 0; n < most; n++) {
      const exit = this.cpu.run(budget);
      if (exit.reason !== ExitReason.budget) return exit;
    }
    throw new Error(`still running at eip 0x${this.cpu.state.eip.toString(16)}`);
  }

  /** Loads a program built for its place. */
  load(program: GuestProgram): void {
    this.write(program.origin, program.bytes);
  }

  /** Loads a program and makes it ready to run, in ring 0 or 3, with the stack below STACK. */
  start(program: GuestProgram, options: { ring?: 0 | 3; paged?: boolean } = {}): void {
    const { ring = 0, paged = false } = options;
    this.load(program);
    this.enterFlat({ ring, paged, eip: program.origin, esp: STACK });
  }

  get registers(): number[] {
    return [0, 1, 2, 3, 4, 5, 6, 7].map((n) => this.cpu.state.reg(n));
  }

  /** The frame that the delivery of an exception pushed (ring 0 stack pointer is at it). */
  frame(hasErrorCode: boolean): { errorCode: number; eip: number; cs: number; eflags: number; esp: number } {
    const { state } = this.cpu;
    const pointer = state.segAttr(2) & 0x4000 ? state.reg(4) : state.reg16(4);
    const top = (state.segBase(2) + pointer) >>> 0;
    const word = (n: number) => this.read32(top + 4 * (n + (hasErrorCode ? 1 : 0)));
    return {
      errorCode: hasErrorCode ? this.read32(top) : -1,
      eip: word(0),
      cs: word(1) & 0xffff,
      eflags: word(2),
      // Pushed only on the way from another ring.
      esp: word(1) & 3 ? word(3) : top + (hasErrorCode ? 16 : 12),
    };
  }

  /** Vector whose default handler the guest has halted in, or -1. */
  get haltedIn(): number {
    const eip = this.cpu.state.eip - 1;
    return eip >= HANDLERS && eip < HANDLERS + 0x1000 ? (eip - HANDLERS) >> 4 : -1;
  }
}
