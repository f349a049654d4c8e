import { type Form, isRm } from "./forms.ts";

/** Bytes of a memory operand. */
export function operandBytes(form: Form): number {
  const { line, operandSize, x87 } = form;
  if (x87) return x87Bytes(line.opcode, x87.reg);
  const code =
    line.operands.map((one) => one.code as string).find((one) => isRm(one) || one.startsWith("M")) ?? "";
  switch (code.slice(1)) {
    case "b":
      return 1;
    case "w":
      return 2;
    case "d":
    case "ss":
      return 4;
    case "q":
    case "sd":
    case "pi":
      return 8;
    case "v":
    case "z":
      return operandSize / 8;
    case "p":
      return 2 + operandSize / 8;
    case "a":
      return operandSize / 4;
    case "s":
      return 6;
    case "":
      return 4;
    default:
      return 16;
  }
}

function x87Bytes(opcode: number, reg: number): number {
  switch (opcode) {
    case 0xd9:
      return ([4, 4, 4, 4, 28, 2, 28, 2] as const)[reg as 0];
    case 0xdb:
      return reg === 5 || reg === 7 ? 10 : 4;
    case 0xdc:
      return 8;
    case 0xdd:
      return ([8, 8, 8, 8, 108, 4, 108, 2] as const)[reg as 0];
    case 0xde:
      return 2;
    case 0xdf:
      return ([2, 2, 2, 2, 10, 8, 10, 8] as const)[reg as 0];
    default:
      return 4;
  }
}
