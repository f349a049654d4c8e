import type { Core, HelperOp } from "../core.ts";
import { Outcome, Vector } from "../core.ts";
import { Generation } from "../instructions/line.ts";
import * as L from "../layout.ts";
import type { CpuState } from "../state.ts";
import { Cr0, Cr4, Flag } from "../state.ts";
import { readMemory16, writeMemory16 } from "./segmentation.ts";

export const isProtected = (state: CpuState): boolean => (state.cr0 & Cr0.PE) !== 0;
/** EFLAGS.VM, which only protected mode can set. CPL is 3 then. */
export const isVirtual8086 = (state: CpuState): boolean => (state.get(L.EFLAGS_REST) & Flag.VM) !== 0;
/** Selectors name descriptors, rather than paragraphs as in real and virtual-8086 mode. */
export const usesDescriptors = (state: CpuState): boolean => isProtected(state) && !isVirtual8086(state);

/** An 80386, which does some things otherwise than all after it. */
export const isBefore486 = (core: Core): boolean => (core.cpuid.opcodes & (1 << Generation.i486)) === 0;

/** An 80386 or a 486. */
export const isBeforePentium = (core: Core): boolean =>
  (core.cpuid.opcodes & (1 << Generation.beforePentium)) !== 0;

/** Bytes of the operand-size attribute. */
export const operandBytes = (op: HelperOp): 2 | 4 => (op.operandSize === 32 ? 4 : 2);

/** Mask of an offset at the instruction's address size. */
export const addressMask = (op: HelperOp): number => (op.addressSize === 32 ? 0xffffffff : 0xffff);

/** `op.offset` plus `displacement`, wrapped at the address size. */
export const offsetBy = (op: HelperOp, displacement: number): number =>
  ((op.offset + displacement) & addressMask(op)) >>> 0;

/** General register at operand size, zero-extended. */
export const readRegister = (state: CpuState, index: number, size: number): number =>
  size === 4 ? state.reg(index) : size === 2 ? state.reg16(index) : state.reg8(index);

export function writeRegister(state: CpuState, index: number, size: number, value: number): void {
  if (size === 4) state.setReg(index, value);
  else if (size === 2) state.setReg16(index, value);
  else state.setReg8(index, value);
}

/** The 16-bit r/m operand. */
export const readOperand16 = (core: Core, op: HelperOp): number =>
  op.memory ? readMemory16(core, op.segment, op.offset) : core.state.reg16(op.rm);

/**
 * Stores a 16-bit system value in r/m: memory takes 16 bits at any operand size, a register takes the operand size,
 * zero-extended (SLDT, STR, MOV from a segment register).
 */
export function storeSelector(core: Core, op: HelperOp, value: number): void {
  if (op.memory) writeMemory16(core, op.segment, op.offset, value);
  else writeRegister(core.state, op.rm, operandBytes(op), value);
}

/** Retired; the block cache must be asked for what follows (mode, translation or interruptibility may have changed). */
export function jumpToNext(core: Core, op: HelperOp): Outcome {
  core.state.eip = op.nextEip;
  return Outcome.jump;
}

/** #GP(0) unless at ring 0. */
export function requireRing0(core: Core): void {
  if (core.state.cpl !== 0) core.raise(Vector.GP, 0);
}

/** #GP(0) outside ring 0 where CR4.UMIP keeps SGDT, SIDT, SLDT, STR and SMSW to it. */
export function checkUserMode(core: Core): void {
  const { state } = core;
  if (state.cpl !== 0 && state.cr4 & Cr4.UMIP) core.raise(Vector.GP, 0);
}

/** #UD in real and virtual-8086 mode: the instruction works on protected-mode selectors. */
export function requireProtectedMode(core: Core): void {
  if (!usesDescriptors(core.state)) core.raise(Vector.UD);
}
