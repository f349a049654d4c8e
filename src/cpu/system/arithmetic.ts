import type { Core, HelperOp } from "../core.ts";
import { ARITHMETIC_FLAGS, Flag } from "../state.ts";
import { operandBytes, readRegister, writeRegister } from "./operand.ts";
import { readMemory, writeMemory } from "./segmentation.ts";

/** Operands and flags of arithmetic instructions that helpers carry out. */

/** Bytes of the operand of an opcode whose lowest bit tells bytes from words and doublewords. */
export const sizeOf = (op: HelperOp): 1 | 2 | 4 => (op.opcode & 1 ? operandBytes(op) : 1);

/** The r/m operand, zero-extended. */
export const readRm = (core: Core, op: HelperOp, size: number): number =>
  op.memory ? readMemory(core, op.segment, op.offset, size) : readRegister(core.state, op.rm, size);

export function writeRm(core: Core, op: HelperOp, size: number, value: number): void {
  if (op.memory) writeMemory(core, op.segment, op.offset, size, value);
  else writeRegister(core.state, op.rm, size, value);
}

/** Of the lowest byte. */
const parityIsEven = (value: number): boolean => ((0x9669 >>> ((value ^ (value >>> 4)) & 15)) & 1) !== 0;

/** The highest of so many bits, up to 32. */
export const signOf = (value: number, bits: number): number => (value >>> (bits - 1)) & 1;

/** PF, ZF and SF of a result of so many bits. */
export const resultFlags = (result: number, bits: number): number =>
  (parityIsEven(result) ? Flag.PF : 0) | (result === 0 ? Flag.ZF : 0) | (signOf(result, bits) ? Flag.SF : 0);

/** Replaces all arithmetic flags. */
export function setArithmeticFlags({ state }: Core, flags: number): void {
  state.eflags = (state.eflags & ~ARITHMETIC_FLAGS) | flags;
}
