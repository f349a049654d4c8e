import type { VectorBytes, Width } from "../instructions/context.ts";
import type { OperandCode } from "../instructions/line.ts";
import type { LoadKind, StoreKind } from "../ir/expr.ts";
import * as L from "../layout.ts";

/** Operands in MMX and XMM registers, and vectors in memory. */

const VECTOR_REGISTER = /^[PQNVWU]/;
const MMX_REGISTER = /^[PQN]/;

/** The operand is in an MMX or XMM register, unless it is in memory. */
export const isVectorRegister = (code: OperandCode): boolean => VECTOR_REGISTER.test(code);
export const isMmxRegister = (code: OperandCode, memory: boolean): boolean =>
  MMX_REGISTER.test(code) && !(memory && code[0] === "Q");

/** Bytes of a vector operand, by the letters behind its kind. */
export function vectorBytes(code: OperandCode): VectorBytes {
  switch (code.slice(1)) {
    case "d":
    case "ss":
      return 4;
    case "q":
    case "sd":
      return 8;
    default:
      return 16;
  }
}

export const VECTOR_LOAD: Readonly<Record<VectorBytes, LoadKind>> = { 4: "v32", 8: "v64", 16: "v128" };
export const VECTOR_STORE: Readonly<Record<VectorBytes, StoreKind>> = { 4: "v32", 8: "v64", 16: "v128" };

/** Byte offset of general register `index` in the register file (8-bit numbering for width 8). */
export function registerOffset(index: number, width: Width): number {
  return width === 8 ? ((index & 3) << 3) + (index >> 2) : index << 3;
}

/** The same of the MMX (an x87 register's significand) or XMM register of an operand. */
export const vectorOffset = (code: OperandCode, index: number): number =>
  (MMX_REGISTER.test(code) ? L.FPU_REGS : L.XMM) + 16 * index;
