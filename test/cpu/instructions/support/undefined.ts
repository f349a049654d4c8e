import type { Instruction } from "../../../../src/cpu/decode/instruction.ts";
import { Flag } from "../../../../src/cpu/state.ts";

const { CF, PF, AF, ZF, SF, OF } = Flag;

/** Arithmetic flags that the manual leaves undefined after an instruction; `count` is the masked count of a shift. */
export function undefinedFlags({ line, width }: Instruction, count: number): number {
  switch (line.mnemonic) {
    case "and":
    case "or":
    case "xor":
    case "test":
      return AF;
    case "shl":
    case "shr":
      return count === 0 ? 0 : AF | (count === 1 ? 0 : OF) | (count >= width ? CF : 0);
    case "sar":
      return count === 0 ? 0 : AF | (count === 1 ? 0 : OF);
    case "shld":
    case "shrd":
      if (count > width) return CF | PF | AF | ZF | SF | OF;
      return count === 0 ? 0 : AF | (count === 1 ? 0 : OF);
    case "rol":
    case "ror":
    case "rcl":
    case "rcr":
      return count === 1 || count === 0 ? 0 : OF;
    case "mul":
    case "imul":
      return SF | ZF | AF | PF;
    case "div":
    case "idiv":
      return CF | PF | AF | ZF | SF | OF;
    case "bsf":
    case "bsr":
      return CF | PF | AF | SF | OF;
    case "bt":
    case "bts":
    case "btr":
    case "btc":
      return PF | AF | SF | OF;
    case "daa":
    case "das":
      return OF;
    case "aaa":
    case "aas":
      return OF | SF | ZF | PF;
    case "aam":
    case "aad":
      return OF | AF | CF;
    default:
      return 0;
  }
}

/** Results that the manual leaves undefined too. */
export function undefinedResult({ line, width }: Instruction, count: number): boolean {
  if (line.mnemonic === "bswap") return width === 16;
  return (line.mnemonic === "shld" || line.mnemonic === "shrd") && count > width;
}
