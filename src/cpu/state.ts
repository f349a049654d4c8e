import { ExitControl } from "./exit.ts";
import * as L from "./layout.ts";
import { Mode } from "./modes.ts";

export const Flag = {
  CF: 1 << 0,
  PF: 1 << 2,
  AF: 1 << 4,
  ZF: 1 << 6,
  SF: 1 << 7,
  TF: 1 << 8,
  IF: 1 << 9,
  DF: 1 << 10,
  OF: 1 << 11,
  IOPL: 3 << 12,
  NT: 1 << 14,
  RF: 1 << 16,
  VM: 1 << 17,
  AC: 1 << 18,
  VIF: 1 << 19,
  VIP: 1 << 20,
  ID: 1 << 21,
} as const;

export const ARITHMETIC_FLAGS = Flag.CF | Flag.PF | Flag.AF | Flag.ZF | Flag.SF | Flag.OF;

export const Cr0 = {
  PE: 1 << 0,
  MP: 1 << 1,
  EM: 1 << 2,
  TS: 1 << 3,
  ET: 1 << 4,
  NE: 1 << 5,
  WP: 1 << 16,
  AM: 1 << 18,
  NW: 1 << 29,
  CD: 1 << 30,
  PG: 1 << 31,
} as const;

export const Cr4 = {
  VME: 1,
  PVI: 2,
  TSD: 4,
  DE: 8,
  PSE: 16,
  PAE: 32,
  MCE: 64,
  PGE: 128,
  PCE: 256,
  OSFXSR: 1 << 9,
  OSXMMEXCPT: 1 << 10,
  UMIP: 1 << 11,
  SMEP: 1 << 20,
  SMAP: 1 << 21,
} as const;

/** IA32_EFER (MSR C000_0080): SYSCALL, long mode enabled and active, execute-disable. */
export const Efer = { SCE: 1 << 0, LME: 1 << 8, LMA: 1 << 10, NXE: 1 << 11 } as const;

function parity(byte: number): number {
  let x = byte & 0xff;
  x ^= x >> 4;
  x ^= x >> 2;
  x ^= x >> 1;
  return ~x & 1;
}

/** The register file, as typed accessors over the machine's memory. Numbers are unsigned 32-bit unless said otherwise. */
export class CpuState {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;

  constructor(memory: WebAssembly.Memory) {
    this.u8 = new Uint8Array(memory.buffer);
    this.u16 = new Uint16Array(memory.buffer);
    this.u32 = new Uint32Array(memory.buffer);
    this.i32 = new Int32Array(memory.buffer);
  }

  /** General register `index` (0 AX .. 7 DI), 32 bits. */
  reg(index: number): number {
    return this.u32[index << 1] as number;
  }
  setReg(index: number, value: number): void {
    this.u32[index << 1] = value;
  }
  reg16(index: number): number {
    return this.u16[index << 2] as number;
  }
  setReg16(index: number, value: number): void {
    this.u16[index << 2] = value;
  }
  /** 8-bit numbering: 0..3 AL CL DL BL, 4..7 AH CH DH BH. */
  reg8(index: number): number {
    return this.u8[((index & 3) << 3) + (index >> 2)] as number;
  }
  setReg8(index: number, value: number): void {
    this.u8[((index & 3) << 3) + (index >> 2)] = value;
  }

  get(offset: number): number {
    return this.u32[offset >> 2] as number;
  }
  set(offset: number, value: number): void {
    this.u32[offset >> 2] = value;
  }

  get eip(): number {
    return this.get(L.EIP);
  }
  set eip(value: number) {
    this.set(L.EIP, value);
  }
  get cpl(): number {
    return this.get(L.CPL);
  }
  get cr0(): number {
    return this.get(L.CR0);
  }
  get cr4(): number {
    return this.get(L.CR4);
  }
  /** The low word; the high one is 0. */
  get efer(): number {
    return this.get(L.EFER);
  }

  /** All of EFLAGS, arithmetic flags materialised. */
  get eflags(): number {
    const sp = this.get(L.FLAG_SP);
    const aux = this.get(L.FLAG_AUX);
    let flags = this.get(L.EFLAGS_REST);
    if (this.get(L.FLAG_ZR) === 0) flags |= Flag.ZF;
    flags |= (sp >>> 31) << 7;
    flags |= parity(sp) << 2;
    flags |= aux >>> 31;
    flags |= ((aux ^ (aux << 1)) >>> 31) << 11;
    flags |= ((aux >>> 3) & 1) << 4;
    return flags >>> 0;
  }
  set eflags(value: number) {
    this.set(L.FLAG_ZR, value & Flag.ZF ? 0 : 1);
    this.set(L.FLAG_SP, (value & Flag.SF ? 0x80000000 : 0) | (value & Flag.PF ? 0 : 1));
    const carry = value & 1;
    const carryIn = carry ^ ((value >>> 11) & 1);
    this.set(L.FLAG_AUX, (carry << 31) | (carryIn << 30) | (((value >>> 4) & 1) << 3));
    this.set(L.EFLAGS_REST, (value & ~ARITHMETIC_FLAGS) | 2);
  }

  /** Fields of segment record `index` (0 ES 1 CS 2 SS 3 DS 4 FS 5 GS 6 LDTR 7 TR). */
  selector(index: number): number {
    return this.get(L.SEG + index * L.SEG_SIZE + L.SEG_SELECTOR);
  }
  segBase(index: number): number {
    return this.get(L.SEG + index * L.SEG_SIZE + L.SEG_BASE);
  }
  segLimit(index: number): number {
    return this.get(L.SEG + index * L.SEG_SIZE + L.SEG_LIMIT);
  }
  segAttr(index: number): number {
    return this.get(L.SEG + index * L.SEG_SIZE + L.SEG_ATTR);
  }

  /**
   * Sets a segment record from its parts and derives the range that accesses are checked against. `attributes` as layout
   * SEG_ATTR; 0 makes the segment unusable. Does not recompute the mode: call `updateMode` after the last one.
   */
  setSegment(index: number, selector: number, base: number, limit: number, attributes: number): void {
    const at = L.SEG + index * L.SEG_SIZE;
    this.set(at + L.SEG_SELECTOR, selector);
    this.set(at + L.SEG_BASE, base);
    this.set(at + L.SEG_LIMIT, limit);
    this.set(at + L.SEG_ATTR, attributes);
    const code = (attributes & 0x18) === 0x18;
    const expandDown = (attributes & 0x1c) === 0x14;
    let perm = 0;
    if (attributes & 0x80) {
      if (code) perm = 4 | (attributes & 2 ? 1 : 0);
      else perm = 1 | (attributes & 2);
    }
    const top = attributes & 0x4000 ? 0xffffffff : 0xffff;
    this.set(at + L.SEG_LO, expandDown ? (limit + 1) >>> 0 : 0);
    this.set(at + L.SEG_HI, expandDown ? top : limit);
    if (expandDown && limit >>> 0 >= top) perm = 0; // no valid offset
    this.set(at + L.SEG_PERM, perm);
    // A page and the rest of an instruction that crosses into the next one: 4095 + 14 bytes.
    if (index === 1) this.set(L.FETCH_END, limit === 0xffffffff ? limit : Math.max(0, limit - 4108));
  }

  /** Recomputes MODE, CPL-derived TLB tags; call after segment, CPL, CR0.PE or EFLAGS.VM changed. */
  updateMode(): void {
    const flags = this.get(L.EFLAGS_REST);
    let mode = 0;
    if (this.segAttr(1) & 0x4000) mode |= Mode.code32;
    if (this.segAttr(2) & 0x4000) mode |= Mode.stack32;
    if (this.get(L.CR0) & Cr0.PE) mode |= Mode.protected;
    if (flags & Flag.VM) mode |= Mode.vm86;
    if (this.isFlat(0, 3) && this.isFlat(1, 5) && this.isFlat(2, 3) && this.isFlat(3, 3)) mode |= Mode.flat;
    if (this.get(L.CONTROLS) & ExitControl.pause) mode |= Mode.pauseExits;
    this.set(L.MODE, mode);
    this.updatePrivilege();
  }

  /** Chooses the tags of the TLB; call after CPL, CR0.AM, EFLAGS.AC or the address space changed. */
  updatePrivilege(): void {
    const user = this.get(L.CPL) === 3;
    const aligned = user && (this.get(L.CR0) & Cr0.AM) !== 0 && (this.get(L.EFLAGS_REST) & Flag.AC) !== 0;
    this.set(L.TLB_PRIV, aligned ? L.TLB_ALIGNED : this.get(L.TLB_SPACE) + (user ? L.TLB_USER : 0));
  }

  /** Accesses are checked as the user's (CPL 3), but for those that the processor makes by itself. */
  get usesUserTags(): boolean {
    return this.u32[L.TLB_PRIV >> 2] !== this.u32[L.TLB_SPACE >> 2];
  }

  private isFlat(index: number, perm: number): boolean {
    const at = L.SEG + index * L.SEG_SIZE;
    return (
      this.get(at + L.SEG_BASE) === 0 &&
      this.get(at + L.SEG_LO) === 0 &&
      this.get(at + L.SEG_HI) === 0xffffffff &&
      (this.get(at + L.SEG_PERM) & perm) === perm
    );
  }
}
