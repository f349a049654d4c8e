import type { Width } from "../instructions/context.ts";
import type { OperandCode } from "../instructions/line.ts";
import type { LoadKind, StoreKind } from "../ir/expr.ts";

/** What operand codes mean to a handler. */

const ALWAYS_REGISTER = /^[GZRPNVU]/;
const REGISTER_OR_MEMORY = /^[EQW]/;

export const LOAD_KIND: Readonly<Record<Width, LoadKind>> = { 8: "u8", 16: "u16", 32: "i32" };
export const STORE_KIND: Readonly<Record<Width, StoreKind>> = { 8: "i8", 16: "i16", 32: "i32" };

/** Width in bits of an operand code under a form's width. */
export function operandWidth(code: OperandCode, width: Width): Width {
  if (code === "AL" || code === "CL" || code === "1") return 8;
  if (code === "AX") return width;
  if (code === "DX") return 16;
  switch (code[1]) {
    case "b":
      return code === "Ibs" ? width : 8;
    case "w":
      return 16;
    case "d":
      return 32;
    default:
      return width;
  }
}

export const isImmediate = (code: OperandCode): boolean => code[0] === "I" || code === "1";
/** Operand is a register chosen by the encoding (its offset sits in a field of the micro-op). */
export const isEncodedRegister = (code: OperandCode, memory: boolean): boolean =>
  ALWAYS_REGISTER.test(code) || (!memory && REGISTER_OR_MEMORY.test(code));
export const isMemoryOperand = (code: OperandCode, memory: boolean): boolean =>
  code[0] === "O" || code[0] === "M" || code === "BB" || (memory && REGISTER_OR_MEMORY.test(code));
