import type { MandatoryPrefix, OpcodeLine, Operand, OperandCode } from "./line.ts";

type Rest = Omit<OpcodeLine, "mnemonic" | "map" | "opcode" | "extension" | "only" | "prefix" | "operands">;

/**
 * One line of the opcode table in the notation of the manuals.
 *
 *   line("add", "01", "Ev:rw Gv", { semantics: add })
 *   line("bts", "0F BA /5", "Ev:rw Ib", { semantics: bts })
 *   line("pop", "8F /0 mem", "Ev:w", { helper: "pop_memory" })
 *   line("movdqa", "66 0F 6F", "Vdq:w Wdq", { semantics: movVector, units: "sse", feature: 26 })
 *
 * `where` is [NP|66|F3|F2] [0F] opcode [/reg] [mem|reg], NP for none of the mandatory prefixes; `operands` are codes separated by spaces, each with its access after a colon:
 * r (may be left out), w, rw, or a (the address only, nothing is loaded by the context).
 */
export function line(mnemonic: string, where: string, operands: string, rest: Rest): OpcodeLine {
  const words = where.split(" ");
  const prefix = PREFIXES[words[0] as string];
  if (prefix !== undefined) words.shift();
  const map = words[0] === "0F" && words.length > 1 ? "0f" : "one";
  if (map === "0f") words.shift();
  const opcode = Number.parseInt(words.shift() as string, 16);
  let placed: { prefix?: MandatoryPrefix; extension?: number; only?: "mem" | "reg" } = prefix
    ? { prefix }
    : {};
  if (/(^| )[NU]/.test(operands)) placed = { ...placed, only: "reg" };
  for (const word of words) {
    if (word === "mem" || word === "reg") placed = { ...placed, only: word };
    else if (/^\/[0-7]$/.test(word)) placed = { ...placed, extension: Number(word[1]) };
    else throw new TypeError(`opcode line "${mnemonic}": cannot read "${word}" in "${where}"`);
  }
  return { mnemonic, map, opcode, ...placed, operands: parseOperands(operands), ...rest };
}

const PREFIXES: Readonly<Record<string, MandatoryPrefix>> = { NP: "none", "66": 0x66, F2: 0xf2, F3: 0xf3 };

const ACCESS: Readonly<Record<string, Operand["access"]>> = { r: "r", w: "w", rw: "rw", a: "address" };

function parseOperands(text: string): Operand[] {
  if (text === "") return [];
  return text.split(" ").map((part) => {
    const [code, access = "r"] = part.split(":");
    const parsed = ACCESS[access];
    if (parsed === undefined) throw new TypeError(`operand "${part}": unknown access "${access}"`);
    return { code: code as OperandCode, access: parsed };
  });
}

/** Two hexadecimal digits, as `where` wants them. */
export const hex = (opcode: number): string => opcode.toString(16).toUpperCase().padStart(2, "0");
