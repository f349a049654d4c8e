import type { OpcodeLine } from "../../../../src/cpu/instructions/line.ts";
import { OPCODE_LINES } from "../../../../src/cpu/instructions/table.ts";

export { lineName as nameOf } from "../../recorded/forms.ts";

import { DATA_ADDRESS, DATA_WORDS, type InstructionCase } from "./cases.ts";
import type { Random } from "./random.ts";

/** Random cases of the integer instructions, made from the opcode table: every line with semantics that does not transfer control. */
export const straightLines: readonly OpcodeLine[] = OPCODE_LINES.filter(
  (line) => line.semantics !== undefined && line.endsBlock !== true && !isVectorInstruction(line),
);

/** Vectors are not interpreted: test/cpu/recorded and test/cpu/instructions/packed.test.ts have them. */
export function isVectorInstruction(line: OpcodeLine): boolean {
  return line.prefix !== undefined;
}

/** Middle of the data: what pointers aim at. */
const MIDDLE = DATA_ADDRESS + 2 * DATA_WORDS;
const EDI = 7;

const usesRm = (line: OpcodeLine): boolean => line.operands.some(({ code }) => /^[EM]/.test(code));
const usesReg = (line: OpcodeLine): boolean => line.operands.some(({ code }) => /^G/.test(code));

/** One case of a line: random registers, flags and data; memory operands lie within the data. */
export function randomCase(line: OpcodeLine, random: Random): InstructionCase {
  const memory = usesRm(line) && (line.only === "mem" || (line.only !== "reg" && random.below(2) === 0));
  const regs = Array.from({ length: 8 }, () => random.operand());
  const data = Array.from({ length: DATA_WORDS }, () => random.operand());
  const code: number[] = [];
  if (random.below(2) === 0) code.push(0x66);
  if (line.map === "0f") code.push(0x0f);
  code.push(line.opcode);
  if (usesRm(line) || usesReg(line) || line.extension !== undefined) {
    const reg = line.extension ?? registerFor(line, memory, random);
    if (memory) code.push(0x40 | (reg << 3) | EDI, (4 * random.below(8) - 16) & 0xff);
    else code.push(0xc0 | (reg << 3) | random.below(8));
    if (memory) regs[EDI] = MIDDLE;
  }
  pushImmediates(line, code, random);
  aim(line, memory, regs, data, random);
  return { code, regs, eflags: randomFlags(random), data };
}

/** Of a bit test in memory, the register with the bit number must not be the pointer: a bit string that long is not there. */
const registerFor = (line: OpcodeLine, memory: boolean, random: Random): number =>
  random.below(memory && line.mnemonic.startsWith("bt") ? EDI : 8);

/** Arithmetic flags at random, IF set and bit 1 set as in any user program. */
const randomFlags = (random: Random): number => (random.word() & 0x8d5) | 0x202;

function pushImmediates(line: OpcodeLine, code: number[], random: Random): void {
  const wide = code[0] !== 0x66;
  for (const operand of line.operands) {
    const value = random.operand();
    if (operand.code === "Ib" || operand.code === "Ibs") {
      if (line.count === "zero") code.push(random.pick([0, 0x20, 0x40, 0xe0]));
      else code.push(line.count === "nonzero" && value % 32 === 0 ? 1 : value & 0xff);
    } else if (operand.code === "Iz") {
      code.push(value & 0xff, (value >>> 8) & 0xff);
      if (wide) code.push((value >>> 16) & 0xff, value >>> 24);
    } else if (operand.code[0] === "O") {
      const address = DATA_ADDRESS + random.below(60);
      code.push(address & 0xff, (address >>> 8) & 0xff, (address >>> 16) & 0xff, address >>> 24);
    }
  }
}

/** Points registers that an instruction uses as addresses into the data, and makes rare outcomes common. */
function aim(line: OpcodeLine, memory: boolean, regs: number[], data: number[], random: Random): void {
  switch (line.mnemonic) {
    case "push":
    case "pop":
      regs[4] = MIDDLE;
      break;
    case "leave":
      regs[5] = MIDDLE;
      break;
    case "xlat":
      regs[0] = (((regs[0] as number) & ~0xff) | random.below(64)) >>> 0;
      regs[3] = DATA_ADDRESS;
      break;
    case "bt":
    case "bts":
    case "btr":
    case "btc":
      // Bit numbers that stay within the data, with anything above bit 15 where only 16 bits count.
      if (memory) for (let r = 0; r < 8; r++) if (r !== EDI) regs[r] = (random.below(256) - 128) >>> 0;
      if (memory) regs[EDI] = MIDDLE;
      break;
    case "cmpxchg":
    case "cmpxchg8b":
      if (random.below(2) === 0) data.fill(regs[0] as number);
      if (random.below(2) === 0) regs[2] = regs[0] as number;
      break;
    case "div":
    case "idiv":
      // Quotients that fit are rare unless the upper half is small.
      if (random.below(2) === 0) regs[2] = random.pick([0, 1, 0xffffffff]);
      break;
    default:
      break;
  }
}
