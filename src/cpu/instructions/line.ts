import type { Semantics } from "./context.ts";

/**
 * Operand codes, after the opcode maps of the Intel SDM vol. 2, appendix A:
 *   E* ModRM r/m (register or memory); M* ModRM memory only; R* ModRM r/m, a register whatever mod says; G* ModRM reg; Z* register in the opcode's
 *   low three bits; O* memory at an absolute offset; I* immediate; J* relative branch; A far pointer immediate; S segment register
 *   in ModRM reg; C control, D debug and T test register in ModRM reg; AL, AX (eAX by operand size), CL, DX: that register; 1: constant 1;
 *   BB memory at (E)BX (XLAT, which adds AL itself). E and M alone: the size is the instruction's own affair (x87, hint NOPs, INVLPG).
 *   P* MMX register in ModRM reg, Q* MMX register or memory, N* MMX register in ModRM rm; V*, W*, U* the same of XMM registers.
 * Second letter: b byte, w word, d doubleword, q 8 bytes, v word or doubleword by operand size, z like v for immediates,
 * bs byte sign-extended to the operand size, p far pointer (m16:16 or m16:32), a two words or doublewords, s 6-byte pseudo-descriptor.
 * Of vectors: dq, ps, pd 16 bytes, q and sd the low 8, d and ss the low 4 of a register; so many in memory.
 */
export type VectorSize = "dq" | "ps" | "pd" | "q" | "sd" | "d" | "ss";
export type VectorCode =
  | "Pq"
  | "Qq"
  | "Qd"
  | "Nq"
  | `${"V" | "W" | "U"}${VectorSize}`
  | "Mdq"
  | "Mps"
  | "Mpd";

export type OperandCode =
  | VectorCode
  | "E"
  | "Eb"
  | "Ew"
  | "Ed"
  | "Ev"
  | "M"
  | "Mb"
  | "Mw"
  | "Md"
  | "Mq"
  | "Mv"
  | "Mp"
  | "Ma"
  | "Ms"
  | "Rd"
  | "Rv"
  | "Gb"
  | "Gw"
  | "Gd"
  | "Gv"
  | "Zb"
  | "Zv"
  | "Zd"
  | "BB"
  | "Ob"
  | "Ov"
  | "Ib"
  | "Ibs"
  | "Iw"
  | "Iz"
  | "Jb"
  | "Jz"
  | "A"
  | "Sw"
  | "Cd"
  | "Dd"
  | "Td"
  | "AL"
  | "AX"
  | "CL"
  | "DX"
  | "1";

export type MandatoryPrefix = "none" | 0x66 | 0xf2 | 0xf3;

export interface Operand {
  readonly code: OperandCode;
  readonly access: "r" | "w" | "rw" | "address";
}

/** Sets of arithmetic flags, as EFLAGS bits (CF 0x1, PF 0x4, AF 0x10, ZF 0x40, SF 0x80, OF 0x800). */
export const FLAGS_ALL = 0x8d5;

/** One line per opcode (and per ModRM.reg for groups): the only place that says which opcodes exist. */
export interface OpcodeLine {
  readonly mnemonic: string;
  /** Opcode map: "one" for one-byte opcodes, "0f" for two-byte ones. */
  readonly map: "one" | "0f";
  readonly opcode: number;
  /** For groups: the value of ModRM.reg. */
  readonly extension?: number;
  /** For lines that exist only with a memory or only with a register r/m. */
  readonly only?: "mem" | "reg";
  readonly operands: readonly Operand[];
  /** Exactly one of these: trees for a generated handler, or the name of a TypeScript helper in src/cpu/system. */
  readonly semantics?: Semantics;
  readonly helper?: string;
  /** A helper in place of the others on processors before the 486, which do otherwise (src/cpu/system/before-486.ts). */
  readonly before486?: string;
  /**
   * What is tried before the helper: the ordinary case as trees, which ends by `finish`. Where it does not, or its operand is not in the TLB, the
   * helper does all of it; so nothing may have changed by then.
   */
  readonly fast?: Semantics;
  /** The block ends after it (control transfer, mode or translation change). */
  readonly endsBlock?: boolean;
  /**
   * Flags that it writes, and flags whose earlier value it needs. Omitted: none. A flag in `writesFlags` alone is always written; in both,
   * it may be kept (shifts by CL) or computed from its earlier value; in neither, it passes through. So before the instruction the
   * live flags are (live after & ~writes) | reads.
   */
  readonly writesFlags?: number;
  readonly readsFlags?: number;
  /** LOCK is allowed with a memory destination; otherwise LOCK is #UD. */
  readonly lockable?: boolean;
  /** Repeat prefix means repetition. */
  readonly string?: boolean;
  /**
   * For shifts and rotates by an immediate count: the line is for counts that are zero modulo 32 (which change nothing), or for the
   * others; so neither has to ask at run time. Omitted: any immediate.
   */
  readonly count?: "zero" | "nonzero";
  /**
   * Mandatory prefix: 66, F3 or F2 (of which the last counts, and 66 only without them), or none of the three. Omitted: whatever
   * prefixes there are, it is this instruction.
   */
  readonly prefix?: MandatoryPrefix;
  /**
   * Register files that it uses, whose exceptions come before all others: sse #UD (CR0.EM, CR4.OSFXSR) and #NM (CR0.TS); mmx #UD (CR0.EM), #NM
   * and #MF. They are checked once a block, ahead of the handler or helper.
   */
  readonly units?: "sse" | "mmx" | "sse mmx";
  /** Operands of 16 bytes in memory need not be aligned. */
  readonly unaligned?: boolean;
  /** CPUID feature (leaf 1 EDX bit number), or Generation, without which the opcode is #UD. */
  readonly feature?: number;
}

/**
 * Processors since which opcodes exist that no CPUID feature stands for, as numbers of bits of leaf 1 EDX that no model offers. The 486 brought
 * BSWAP, CMPXCHG, XADD, INVD, WBINVD and INVLPG; the Pentium CPUID and CR4; the P6 RDPMC and hints (Intel SDM vol. 3, 23.15). Only
 * those before the Pentium have test registers.
 */
export const Generation = { beforePentium: 18, i486: 10, pentium: 20, p6: 30 } as const;
