import * as L from "../../src/cpu/layout.ts";
import { Cr0, Cr4 } from "../../src/cpu/state.ts";
import type { Gpa, Gva } from "../../src/mmu/address.ts";
import { dumpMappings, type Mapping } from "../../src/mmu/dump.ts";
import { SHADOW_FORMATS } from "../../src/mmu/format.ts";
import { FrameAllocator } from "../../src/mmu/frames.ts";
import { GuestMemory } from "../../src/mmu/guest-memory.ts";
import { HardwareWalker } from "../../src/mmu/hardware-walker.ts";
import { MachineMemory } from "../../src/mmu/machine-memory.ts";
import { P2m } from "../../src/mmu/p2m.ts";
import type { GuestPaging, HardwarePaging, TlbControl } from "../../src/mmu/pager.ts";
import { GuestWalker } from "../../src/mmu/walker.ts";

export const gva = (value: number): Gva => value as Gva;
export const gpa = (value: number): Gpa => value as Gpa;

export const MIB = 0x100000;
export const P = 0x001;
export const W = 0x002;
export const U = 0x004;
export const A = 0x020;
export const D = 0x040;
export const PS = 0x080;
export const G = 0x100;

/** Records what a pager tells the TLB. */
export class TlbLog implements TlbControl {
  calls: string[] = [];
  flush(): void {
    this.calls.push("flush");
  }
  flushNonGlobal(): void {
    this.calls.push("flushNonGlobal");
  }
  flushPage(at: Gva): void {
    this.calls.push(`flushPage ${at.toString(16)}`);
  }
  flushTag(tag: number): void {
    this.calls.push(`flushTag ${tag}`);
  }
  loadRoot(): void {
    this.calls.push("loadRoot");
  }
  translations(): [] {
    return [];
  }
  take(): string[] {
    const calls = this.calls;
    this.calls = [];
    return calls;
  }
}

/** The guest's paging registers; EFER and the PDPTEs are those of the machine's register file, where the hardware walker looks. */
class BedPaging implements GuestPaging {
  cr0 = (Cr0.PG | Cr0.PE | Cr0.WP) >>> 0;
  cr3 = DIRECTORY;
  cr4: number = Cr4.PSE;
  readonly pdptes: Uint32Array;
  readonly #efer: Uint32Array;
  constructor(machine: MachineMemory) {
    this.pdptes = new Uint32Array(machine.memory.buffer, L.PDPTE, 8);
    this.#efer = new Uint32Array(machine.memory.buffer, L.EFER, 1);
  }
  get efer(): number {
    return this.#efer[0] as number;
  }
  set efer(value: number) {
    this.#efer[0] = value;
  }
}

/** A guest of 12 MiB at frame 0x400 of a machine of 20 MiB, paging on, directory at DIRECTORY, page table of slot n at TABLE(n). */
export const DIRECTORY = 0x10000;
export const tableOf = (slot: number): number => 0x200000 + slot * 0x1000;

export class Bed {
  readonly machine: MachineMemory;
  readonly frames: FrameAllocator;
  readonly p2m: P2m;
  readonly memory: GuestMemory;
  readonly walker: GuestWalker;
  readonly hardware: HardwareWalker;
  readonly tlb = new TlbLog();
  readonly paging: BedPaging;

  constructor(guestBytes = 12 * MIB, machineFrames = 0x1400) {
    this.machine = new MachineMemory(machineFrames);
    this.frames = new FrameAllocator(machineFrames);
    this.p2m = new P2m(this.frames, guestBytes, "guest");
    this.memory = new GuestMemory(this.machine, this.p2m);
    this.walker = new GuestWalker(this.memory);
    this.hardware = new HardwareWalker(this.machine);
    this.hardware.set({ mode: "guest", p2m: this.p2m.table });
    this.paging = new BedPaging(this.machine);
  }

  setPde(slot: number, entry: number, directory = DIRECTORY): void {
    this.memory.write32(gpa(directory + slot * 4), entry);
  }
  pde(slot: number, directory = DIRECTORY): number {
    return this.memory.read32(gpa(directory + slot * 4));
  }
  /** Writes the entry of a linear address into the table at tableOf(slot). */
  setPte(at: number, entry: number): void {
    this.memory.write32(gpa(tableOf(at >>> 22) + ((at >>> 12) & 0x3ff) * 4), entry);
  }
  pte(at: number): number {
    return this.memory.read32(gpa(tableOf(at >>> 22) + ((at >>> 12) & 0x3ff) * 4));
  }
  /** Maps a 4 KiB page through the table at tableOf(slot), which the directory entry gives all rights to. */
  map(at: number, entry: number): void {
    this.setPde(at >>> 22, tableOf(at >>> 22) | P | W | U);
    this.setPte(at, entry);
  }

  /** One hardware translation: error code, or -1 when allowed (see this.hardware). */
  translate(at: number, write: boolean, user: boolean, fetch = false): number {
    const { cr0, cr3, cr4 } = this.paging;
    const access = fetch ? 2 : write ? 1 : 0;
    return this.hardware.translate(at, access, user, cr0, cr3, cr4) ? -1 : this.hardware.errorCode;
  }

  /** Whole shadow at a pager's root. */
  shadow(paging: HardwarePaging): Mapping[] {
    if (paging.mode !== "shadow") throw new Error("no shadow");
    const format = SHADOW_FORMATS[paging.format];
    return dumpMappings(format, (hpa) => this.machine.u32[hpa >>> 2] as number, paging.root);
  }
}
