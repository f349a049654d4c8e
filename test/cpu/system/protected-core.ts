import * as L from "../../../src/cpu/layout.ts";
import { Cr0 } from "../../../src/cpu/state.ts";
import type { CpuModel } from "../../../src/cpu/system/index.ts";
import { FakeCore } from "./fake-core.ts";

export const GDT = 0x1000;
export const IDT = 0x2000;
export const LDT = 0x3000;
export const TSS = 0x4000;
/** Ring stacks grow down from here. */
export const STACK0 = 0x9000;
export const STACK3 = 0xb000;

/** Selectors of the descriptors that every test starts with. */
export const Sel = {
  code0: 0x08,
  data0: 0x10,
  code3: 0x1b,
  data3: 0x23,
  tss: 0x28,
  conforming0: 0x30,
  ldt: 0x38,
  code1: 0x41,
  data1: 0x49,
  readOnly0: 0x50,
  absentData0: 0x58,
  absentCode0: 0x60,
  stack16: 0x68,
  code16: 0x70,
  expandDown: 0x78,
  /** Free for the test. */
  spare: 0x80,
  /** Just past the limit of the GDT. */
  outside: 0x100,
} as const;

/** Access bytes. */
export const Access = {
  code0: 0x9b,
  code1: 0xbb,
  code3: 0xfb,
  data0: 0x93,
  data1: 0xb3,
  data3: 0xf3,
  conforming0: 0x9f,
  readOnly0: 0x91,
} as const;

const FLAT32 = 0xc;

/** The two words of a segment descriptor; `flags` G, D/B, L, AVL from bit 3 down. */
export function segmentWords(base: number, limit: number, access: number, flags: number): [number, number] {
  return [
    (((base & 0xffff) << 16) | (limit & 0xffff)) >>> 0,
    ((base & 0xff000000) | (flags << 20) | (limit & 0xf0000) | (access << 8) | ((base >>> 16) & 0xff)) >>> 0,
  ];
}

/** The two words of a gate; `access` is P, DPL, S = 0 and type. */
export function gateWords(
  selector: number,
  offset: number,
  access: number,
  parameters = 0,
): [number, number] {
  return [
    ((selector << 16) | (offset & 0xffff)) >>> 0,
    ((offset & 0xffff0000) | (access << 8) | parameters) >>> 0,
  ];
}

/** A CPU in flat protected mode at ring 0, with GDT, IDT (empty), LDT (empty, not loaded) and a 32-bit TSS. */
export class ProtectedCore extends FakeCore {
  constructor(model?: CpuModel) {
    super(model);
    const { state } = this;
    state.set(L.CR0, Cr0.PE | Cr0.ET | Cr0.NE);
    state.set(L.GDTR_BASE, GDT);
    state.set(L.GDTR_LIMIT, 0xff);
    state.set(L.IDTR_BASE, IDT);
    state.set(L.IDTR_LIMIT, 0x7ff);
    this.describe(Sel.code0, segmentWords(0, 0xfffff, Access.code0, FLAT32));
    this.describe(Sel.data0, segmentWords(0, 0xfffff, Access.data0, FLAT32));
    this.describe(Sel.code3, segmentWords(0, 0xfffff, Access.code3, FLAT32));
    this.describe(Sel.data3, segmentWords(0, 0xfffff, Access.data3, FLAT32));
    this.describe(Sel.tss, segmentWords(TSS, 0x67, 0x8b, 0));
    this.describe(Sel.conforming0, segmentWords(0, 0xfffff, Access.conforming0, FLAT32));
    this.describe(Sel.ldt, segmentWords(LDT, 0x1f, 0x82, 0));
    this.describe(Sel.code1, segmentWords(0, 0xfffff, Access.code1, FLAT32));
    this.describe(Sel.data1, segmentWords(0, 0xfffff, Access.data1, FLAT32));
    this.describe(Sel.readOnly0, segmentWords(0, 0xfffff, Access.readOnly0, FLAT32));
    this.describe(Sel.absentData0, segmentWords(0, 0xfffff, Access.data0 & 0x7f, FLAT32));
    this.describe(Sel.absentCode0, segmentWords(0, 0xfffff, Access.code0 & 0x7f, FLAT32));
    this.describe(Sel.stack16, segmentWords(0, 0xffff, Access.data0, 0));
    this.describe(Sel.code16, segmentWords(0, 0xffff, Access.code0, 0));
    this.describe(Sel.expandDown, segmentWords(0, 0x7, 0x97, FLAT32));
    state.setSegment(7, Sel.tss, TSS, 0x67, 0x8b);
    this.memory.fill32(TSS + 4, [STACK0, Sel.data0]);
    this.enterRing(0);
  }

  /** Writes a descriptor of the GDT, or of the LDT when the selector says so. */
  describe(selector: number, words: readonly number[]): void {
    this.memory.fill32((selector & 4 ? LDT : GDT) + (selector & 0xfff8), words);
  }
  describeGate(vector: number, words: readonly number[]): void {
    this.memory.fill32(IDT + vector * 8, words);
  }

  /** Flat segments of ring 0, 1 or 3, EIP 0x5000 and a stack of its own. */
  enterRing(cpl: 0 | 1 | 3): void {
    const { state } = this;
    const code = { 0: Sel.code0, 1: Sel.code1, 3: Sel.code3 }[cpl];
    const data = { 0: Sel.data0, 1: Sel.data1, 3: Sel.data3 }[cpl];
    state.setSegment(1, code, 0, 0xffffffff, 0xc09b | (cpl << 5));
    for (const index of [0, 2, 3, 4, 5]) state.setSegment(index, data, 0, 0xffffffff, 0xc093 | (cpl << 5));
    state.set(L.CPL, cpl);
    state.setReg(4, cpl === 0 ? STACK0 : STACK3);
    state.eip = 0x5000;
    state.updateMode();
  }

  /** High word of a descriptor in the GDT: type, DPL, present. */
  accessByte(selector: number): number {
    return this.memory.bytes(GDT + (selector & 0xfff8) + 5, 1)[0] as number;
  }
}
