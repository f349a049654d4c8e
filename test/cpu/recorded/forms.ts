import type { OpcodeLine } from "../../../src/cpu/instructions/line.ts";
import { OPCODE_LINES } from "../../../src/cpu/instructions/table.ts";

/** A line of the opcode table with everything chosen that makes another instruction of it in a manual. */
export interface Form {
  readonly line: OpcodeLine;
  readonly name: string;
  readonly operandSize: 16 | 32;
  /** The r/m operand is in memory, a register, or there is none. */
  readonly rm: "mem" | "reg" | "none";
  /** x87: ModRM.reg of memory forms; the low six bits of ModRM of register forms are a range from `low` to `high`. */
  readonly x87?: { readonly reg: number; readonly low: number; readonly high: number };
}

/** Letters of operand codes that are encoded in ModRM.rm, as the manual's appendix A has them. */
export const isRm = (code: string): boolean => /^(E|M|Q|W|N|U|R)/.test(code);
export const isReg = (code: string): boolean => /^(G|P|V|S|C(?!L)|D(?!X))/.test(code);
const MEMORY_ONLY = /^M/;
const REGISTER_ONLY = /^(N|U|R)/;

const hex = (n: number): string => n.toString(16).toUpperCase().padStart(2, "0");

/** Mandatory prefix of a line: 0 none. */
export const mandatoryOf = ({ prefix = "none" }: OpcodeLine): number => (prefix === "none" ? 0 : prefix);

function nameOf(line: OpcodeLine): string {
  const operands = line.operands.map(({ code }) => code).join(",");
  const prefix = mandatoryOf(line) ? `${hex(mandatoryOf(line))} ` : "";
  const opcode = `${prefix}${line.map === "0f" ? "0F " : ""}${hex(line.opcode)}`;
  const group = line.extension === undefined ? "" : ` /${line.extension}`;
  return `${opcode}${group} ${line.mnemonic} ${operands}${line.count ? ` ${line.count} count` : ""}`.trim();
}

/** A line of the table as a name: opcode, mnemonic, operands. Unique. */
export const lineName = (line: OpcodeLine): string => `${nameOf(line)}${line.only ? ` ${line.only}` : ""}`;

/** Floating-point arithmetic of SSE: overflows, underflows and rounds, as MXCSR has it. */
export const isFloatArithmetic = ({ line }: Form): boolean =>
  /^(add|sub|mul|div|sqrt|min|max)[sp][sd]$/.test(line.mnemonic);

/** Whether operand size changes what the line does. */
function sized(line: OpcodeLine): boolean {
  if (line.string) return (line.opcode & 1) === 1;
  if (mandatoryOf(line) === 0x66) return false;
  if (/^(push|pop|call|ret|jmp|iret|enter|leave|int|bound|l[defgs]s|cbw|cwd)/.test(line.mnemonic))
    return true;
  return line.operands.some(
    ({ code }) => /[vz]$/.test(code) || code === "AX" || code === "Ibs" || code === "Mp",
  );
}

/** Every x87 instruction of a D8..DF line; those that are one and the same for all ST(i) as one. */
function x87Forms(line: OpcodeLine): Form[] {
  const forms: Form[] = [];
  for (let reg = 0; reg < 8; reg++)
    forms.push({
      line,
      operandSize: 32,
      rm: "mem",
      x87: { reg, low: 0, high: 0 },
      name: `${hex(line.opcode)} /${reg} memory`,
    });
  for (let reg = 0; reg < 8; reg++) {
    const single =
      (line.opcode === 0xd9 && (reg === 2 || reg >= 4)) ||
      (line.opcode === 0xda && reg >= 4) ||
      (line.opcode === 0xdb && reg === 4) ||
      (line.opcode === 0xde && reg === 3) ||
      (line.opcode === 0xdf && reg === 4);
    const step = single ? 1 : 8;
    for (let low = reg * 8; low < reg * 8 + 8; low += step)
      forms.push({
        line,
        operandSize: 32,
        rm: "reg",
        x87: { reg, low, high: low + step - 1 },
        name: `${hex(line.opcode)} ${hex(0xc0 + low)}${step > 1 ? `-${hex(0xc0 + low + 7)}` : ""}`,
      });
  }
  return forms;
}

export function formsOf(line: OpcodeLine): Form[] {
  if (line.helper === "fpu") return x87Forms(line);
  const codes = line.operands.map(({ code }) => code);
  const withRm = codes.some(isRm) || line.extension !== undefined;
  let kinds: Form["rm"][] = withRm ? ["reg", "mem"] : ["none"];
  if (line.only === "mem" || codes.some((code) => MEMORY_ONLY.test(code))) kinds = ["mem"];
  if (line.only === "reg" || codes.some((code) => REGISTER_ONLY.test(code))) kinds = ["reg"];
  const sizes: (16 | 32)[] = sized(line) ? [32, 16] : [32];
  return kinds.flatMap((rm) =>
    sizes.map((operandSize) => ({
      line,
      rm,
      operandSize,
      name: `${nameOf(line)}${rm === "none" ? "" : rm === "mem" ? ", memory" : ", register"}${sizes.length > 1 ? `, ${operandSize} bits` : ""}`,
    })),
  );
}

export const FORMS: readonly Form[] = OPCODE_LINES.flatMap(formsOf);

/** File of fixtures that a form's cases are kept in. */
export const groupOf = (form: Form): string =>
  `${form.line.map === "0f" ? "0f-" : ""}${hex(form.line.opcode).toLowerCase()}`;
