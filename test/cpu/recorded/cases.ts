import type { OpcodeLine } from "../../../src/cpu/instructions/line.ts";
import { OPCODE_LINES } from "../../../src/cpu/instructions/table.ts";
import { Random } from "../instructions/support/random.ts";
import { BRANCH, type Case, DATA, DATA_WORDS } from "./native.ts";

/**
 * Cases of the instructions that a user's program may try and that mean the same in 64-bit as in 32-bit mode, made from the opcode table: nothing but
 * the table's lines and the seeds decide them, so that only outcomes need to be recorded.
 */

export const CASES_PER_FORM = 400;
const PAGE = 4096;
const [EAX, ECX, EDX, EBX, ESI, EDI] = [0, 1, 2, 3, 6, 7] as const;
const DATA_BYTES = 4 * DATA_WORDS;

/** One-byte opcodes that 64-bit mode has not, or gives another operand size or meaning. */
const NOT_IN_64_BIT_MODE = new Set([
  0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x60, 0x61, 0x62, 0x63, 0x68, 0x6a, 0x82,
  0x8f, 0x9a, 0xa0, 0xa1, 0xa2, 0xa3, 0xc4, 0xc5, 0xc8, 0xc9, 0xce, 0xd4, 0xd5, 0xd6, 0xea,
]);
const isShortRegisterForm = (opcode: number): boolean => opcode >= 0x40 && opcode <= 0x5f;

/** Helpers' instructions that work on registers and memory alone. */
const STRINGS = new Set(["movs", "cmps", "stos", "lods", "scas"]);
/** Those that ring 3 may not execute, or that do not exist. */
const REFUSED_HELPERS = new Set([
  "hlt",
  "cli",
  "sti",
  "in",
  "out",
  "clts",
  "invd",
  "mov_from_cr",
  "mov_to_cr",
  "mov_from_dr",
  "mov_to_dr",
  "rdmsr",
  "wrmsr",
  "lgdt",
  "lidt",
  "lldt",
  "ltr",
  "lmsw",
  "invlpg",
  "ud",
]);

export interface Form {
  readonly line: OpcodeLine;
  readonly name: string;
}

/** A line as a name: opcode, mnemonic, operands. Unique. */
export function nameOf(line: OpcodeLine): string {
  const operands = line.operands.map(({ code }) => code).join(",");
  const opcode = `${line.map === "0f" ? "0F " : ""}${line.opcode.toString(16).toUpperCase().padStart(2, "0")}`;
  const group = line.extension === undefined ? "" : ` /${line.extension}`;
  return [`${opcode}${group}`, line.mnemonic, operands, line.only, line.count && `count ${line.count}`]
    .filter((part) => part !== undefined && part !== "")
    .join(" ");
}

const isBranch = (line: OpcodeLine): boolean =>
  /^J/.test(line.operands[0]?.code ?? "") && line.mnemonic !== "call";

function isComparable(line: OpcodeLine): boolean {
  const { map, opcode, extension, helper } = line;
  if (map === "one" && (NOT_IN_64_BIT_MODE.has(opcode) || isShortRegisterForm(opcode))) return false;
  // PUSH with an operand of 64 bits.
  if (map === "one" && opcode === 0xff && extension === 6) return false;
  // Newer processors of AMD refuse the register form of this hint.
  if (map === "0f" && opcode === 0x0d) return false;
  if (helper === undefined) return line.endsBlock !== true || isBranch(line);
  return STRINGS.has(helper) || REFUSED_HELPERS.has(helper);
}

export const RECORDED_FORMS: readonly Form[] = OPCODE_LINES.filter(isComparable).map((line) => ({
  line,
  name: nameOf(line),
}));

/** The cases of a form, always the same. */
export function casesOf({ line, name }: Form): Case[] {
  const random = new Random(seedOf(name));
  return Array.from({ length: CASES_PER_FORM }, () => randomCase(line, random));
}

/** FNV-1a. */
function seedOf(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash;
}

const usesRm = (line: OpcodeLine): boolean =>
  line.extension !== undefined || line.operands.some(({ code }) => /^[EMR]/.test(code));
const usesReg = (line: OpcodeLine): boolean =>
  line.operands.some(({ code }) => /^([GS]|C(?!L)|D(?!X))/.test(code));
/** The r/m operand is a register whatever ModRM.mod says. */
const isRegisterOnly = (line: OpcodeLine): boolean => line.operands.some(({ code }) => code[0] === "R");

function randomCase(line: OpcodeLine, random: Random): Case {
  // One in eight at the page's end, where operands may reach into the page that is not there.
  const atEdge = random.below(8) === 0;
  const offset = atEdge ? PAGE - DATA_BYTES : 4 * random.below((PAGE - DATA_BYTES) / 4);
  const start = DATA + offset;
  const regs = Array.from({ length: 8 }, () => random.operand());
  const data = Array.from({ length: DATA_WORDS }, () => random.operand());
  const code: number[] = [];
  // Of a branch, processors in 64-bit mode take the operand size as they like.
  if (random.below(2) === 0 && !isBranch(line)) code.push(0x66);
  if (line.string === true) prepareString(line, code, regs, start, atEdge, random);
  if (line.map === "0f") code.push(0x0f);
  code.push(line.opcode);
  const memory = pushModrm(line, code, regs, start, atEdge, random);
  pushImmediates(line, code, random);
  aim(line, memory, regs, data, start, random);
  const direction = line.string === true && random.below(2) === 0 ? 0x400 : 0;
  return { code, regs, eflags: (random.word() & 0x8d5) | 0x202 | direction, offset, data };
}

/** Appends ModRM and what belongs to it, if the line has one; true when the operand is in memory, with its registers set to lead there. */
function pushModrm(
  line: OpcodeLine,
  code: number[],
  regs: number[],
  start: number,
  atEdge: boolean,
  random: Random,
): boolean {
  if (!usesRm(line) && !usesReg(line)) return false;
  const mayBeMemory = line.only !== "reg" && !isRegisterOnly(line);
  const memory = mayBeMemory && (line.only === "mem" || random.below(2) === 0);
  const bits = line.mnemonic.startsWith("bt");
  // In memory, the register with the number of a bit must not be one of the address's: so long a bit string is not there.
  const reg = line.extension ?? registerNumber(line, memory && bits ? 6 : 8, random);
  if (!memory) {
    code.push(0xc0 | (reg << 3) | random.below(8));
    return false;
  }
  const target =
    start + (atEdge ? DATA_BYTES - 8 + random.below(8) : 4 * random.below(8) + 16 + random.below(4));
  const displacement = 4 * random.below(8) - 16;
  if (random.below(2) === 0 || bits) {
    code.push(0x40 | (reg << 3) | EDI, displacement & 0xff);
    regs[EDI] = target - displacement;
  } else {
    // [ESI + EDI * scale + disp32].
    const scale = random.below(4);
    const index = random.below(64);
    code.push(0x80 | (reg << 3) | 4, (scale << 6) | (EDI << 3) | ESI);
    for (let n = 0; n < 4; n++) code.push((displacement >> (8 * n)) & 0xff);
    regs[EDI] = index;
    regs[ESI] = target - displacement - (index << scale);
  }
  return true;
}

/** Control and debug registers come by their line's extension; segment registers are not written. */
function registerNumber(line: OpcodeLine, limit: number, random: Random): number {
  return line.operands.some(({ code }) => code === "Sw") ? random.below(6) : random.below(limit);
}

function prepareString(
  line: OpcodeLine,
  code: number[],
  regs: number[],
  start: number,
  atEdge: boolean,
  random: Random,
): void {
  if (random.below(3) !== 0) {
    code.push(random.pick([0xf2, 0xf3]));
    regs[ECX] = random.below(6);
  }
  const place = (): number => start + (atEdge ? DATA_BYTES - random.below(24) : 24 + random.below(16));
  regs[ESI] = place();
  regs[EDI] = place();
  if (line.mnemonic === "scas" && random.below(2) === 0) regs[EAX] = 0;
}

function pushImmediates(line: OpcodeLine, code: number[], random: Random): void {
  const wide = !code.includes(0x66) || code.indexOf(0x66) > 1;
  for (const operand of line.operands) {
    const value = random.operand();
    if (operand.code === "Ib" || operand.code === "Ibs") {
      if (line.count === "zero") code.push(random.pick([0, 0x20, 0x40, 0xe0]));
      else code.push(line.count === "nonzero" && value % 32 === 0 ? 1 : value & 0xff);
    } else if (operand.code === "Jb" || operand.code === "Jz") {
      code.push(BRANCH, ...(operand.code === "Jz" ? [0, 0, 0] : []));
    } else if (operand.code === "Iz") {
      code.push(value & 0xff, (value >>> 8) & 0xff);
      if (wide) code.push((value >>> 16) & 0xff, value >>> 24);
    }
  }
}

/** Points registers that an instruction uses as addresses into the data, and makes rare outcomes common. */
function aim(
  line: OpcodeLine,
  memory: boolean,
  regs: number[],
  data: number[],
  start: number,
  random: Random,
): void {
  switch (line.mnemonic) {
    case "xlat":
      regs[EAX] = (((regs[EAX] as number) & ~0xff) | random.below(64)) >>> 0;
      regs[EBX] = start;
      break;
    case "bt":
    case "bts":
    case "btr":
    case "btc":
      // Bit numbers that stay within the data, with anything above bit 15 where only 16 bits count.
      if (memory) for (let r = 0; r < 6; r++) regs[r] = (random.below(128) - 64) >>> 0;
      break;
    case "cmpxchg":
    case "cmpxchg8b":
      if (random.below(2) === 0) data.fill(regs[EAX] as number);
      if (random.below(2) === 0) regs[EDX] = regs[EAX] as number;
      break;
    case "loop":
    case "loope":
    case "loopne":
    case "jcxz":
      if (random.below(2) === 0) regs[ECX] = random.below(3);
      break;
    case "div":
    case "idiv":
      // Quotients that fit are rare unless the upper half is small.
      if (random.below(2) === 0) regs[EDX] = random.pick([0, 1, 0xffffffff]);
      break;
    default:
      break;
  }
}
