import * as L from "../cpu/layout.ts";
import { type CpuState, Cr0 } from "../cpu/state.ts";
import { firmwareMemoryTypes } from "../cpu/system/memory-types.ts";

/** A segment register with its hidden part. `attributes` as `CpuState.setSegment` takes them; 0 = unusable. */
export interface EntrySegment {
  readonly selector: number;
  readonly base: number;
  /** Last valid offset, bytes. */
  readonly limit: number;
  readonly attributes: number;
}

export interface EntryRegisters {
  readonly eax: number;
  readonly ecx: number;
  readonly edx: number;
  readonly ebx: number;
  readonly esp: number;
  readonly ebp: number;
  readonly esi: number;
  readonly edi: number;
}

/** Base and limit of a descriptor-table register. */
export interface EntryTable {
  readonly base: number;
  readonly limit: number;
}

/** The processor's state when it executes a guest's first instruction, as a loader asks for it. */
export interface EntryState {
  readonly eip: number;
  readonly eflags: number;
  readonly cr0: number;
  readonly registers: EntryRegisters;
  readonly es: EntrySegment;
  readonly cs: EntrySegment;
  readonly ss: EntrySegment;
  readonly ds: EntrySegment;
  readonly fs: EntrySegment;
  readonly gs: EntrySegment;
  readonly gdtr: EntryTable;
  readonly idtr: EntryTable;
}

/** Attributes of a present, accessed ring-0 segment (layout SEG_ATTR): 32-bit code, 32-bit data, and their 16-bit kin. */
export const CODE32 = 0xc09b;
export const DATA32 = 0xc093;
export const CODE16 = 0x009b;
export const DATA16 = 0x0093;
/** A busy 32-bit TSS: what TR holds after reset (Intel SDM vol. 3, table 9-1). */
const BUSY_TSS = 0x008b;

/** EFLAGS with every flag clear (bit 1 always reads as one): interrupts off. */
export const EFLAGS_CLEAR = 0x2;

/** The vector table that a BIOS uses. Loaders of protected-mode kernels leave it, too: one that goes back to real mode finds its interrupts there. */
const REAL_MODE_IDT: EntryTable = { base: 0, limit: 0x3ff };

const NO_REGISTERS: EntryRegisters = { eax: 0, ecx: 0, edx: 0, ebx: 0, esp: 0, ebp: 0, esi: 0, edi: 0 };

export interface FlatEntryOptions {
  readonly eip: number;
  readonly registers?: Partial<EntryRegisters>;
  readonly codeSelector: number;
  readonly dataSelector: number;
  readonly gdtr: EntryTable;
}

/** 32-bit protected mode, paging off, every segment flat (base 0, limit 4 GiB), interrupts off, no IDT but that of real mode. */
export function flatEntry(options: FlatEntryOptions): EntryState {
  const code = { selector: options.codeSelector, base: 0, limit: 0xffffffff, attributes: CODE32 };
  const data = { selector: options.dataSelector, base: 0, limit: 0xffffffff, attributes: DATA32 };
  return {
    eip: options.eip,
    eflags: EFLAGS_CLEAR,
    cr0: Cr0.PE | Cr0.ET,
    registers: { ...NO_REGISTERS, ...options.registers },
    es: data,
    cs: code,
    ss: data,
    ds: data,
    fs: data,
    gs: data,
    gdtr: options.gdtr,
    idtr: REAL_MODE_IDT,
  };
}

/** Real mode at `segment`:`offset`, every data segment equal to `segment`, interrupts off, IDT at 0 as after reset. */
export function realModeEntry(
  segment: number,
  offset: number,
  registers: Partial<EntryRegisters> = {},
): EntryState {
  const base = (segment << 4) >>> 0;
  const data = { selector: segment, base, limit: 0xffff, attributes: DATA16 };
  return {
    eip: offset,
    eflags: EFLAGS_CLEAR,
    cr0: Cr0.ET,
    registers: { ...NO_REGISTERS, ...registers },
    es: data,
    cs: { ...data, attributes: CODE16 },
    ss: data,
    ds: data,
    fs: data,
    gs: data,
    gdtr: { base: 0, limit: 0xffff },
    idtr: REAL_MODE_IDT,
  };
}

/** Puts a processor that has just been reset into a guest's entry state. Control registers other than CR0 become 0; MTRRs are as firmware leaves them. */
export function applyEntryState(state: CpuState, entry: EntryState): void {
  const { registers: r } = entry;
  [r.eax, r.ecx, r.edx, r.ebx, r.esp, r.ebp, r.esi, r.edi].forEach((value, index) => {
    state.setReg(index, value);
  });
  [entry.es, entry.cs, entry.ss, entry.ds, entry.fs, entry.gs].forEach((segment, index) => {
    state.setSegment(index, segment.selector, segment.base, segment.limit, segment.attributes);
  });
  state.setSegment(6, 0, 0, 0xffff, 0);
  state.setSegment(7, 0, 0, 0xffff, BUSY_TSS);
  state.set(L.CR0, entry.cr0);
  state.set(L.CR2, 0);
  state.set(L.CR3, 0);
  state.set(L.CR4, 0);
  state.set(L.GDTR_BASE, entry.gdtr.base);
  state.set(L.GDTR_LIMIT, entry.gdtr.limit);
  state.set(L.IDTR_BASE, entry.idtr.base);
  state.set(L.IDTR_LIMIT, entry.idtr.limit);
  state.set(L.CPL, 0);
  firmwareMemoryTypes(state);
  state.eflags = entry.eflags;
  state.eip = entry.eip;
  state.updateMode();
}
