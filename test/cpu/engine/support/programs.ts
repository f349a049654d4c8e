import type { OpcodeLine, Operand } from "../../../../src/cpu/instructions/line.ts";
import { OPCODE_LINES } from "../../../../src/cpu/instructions/table.ts";
import { decodeWhole } from "../../instructions/support/execute.ts";
import type { Random } from "../../instructions/support/random.ts";
import { undefinedFlags, undefinedResult } from "../../instructions/support/undefined.ts";
import { CODE_AREA, DATA, STACK, type Stretch, WORDS } from "./stretch.ts";

/** Random code for a processor and the engine alike, from the opcode table. Code is in reach of DATA and STACK only. */

const ESP = 4;
const EBP = 5;
const ESI = 6;
const EDI = 7;
const ECX = 1;
const EAX = 0;
const MIDDLE = 2 * WORDS;

/** Helpers whose instructions a program of ring 3 may execute, with an effect that depends on nothing but its own state. */
const PLAIN_HELPERS = new Set([
  "enter",
  "pusha",
  "popa",
  "pushf",
  "popf",
  "pop_memory",
  "push_seg",
  "mov_from_seg",
  "into",
  "movs",
  "cmps",
  "stos",
  "lods",
  "scas",
]);

/**
 * What executors do not agree in: newer AMD processors refuse the hint NOP 0F 0D with a register, QEMU 0F 18 and the second encoding of TEST; in
 * QEMU flags that are not yet computed get lost by CMPXCHG8B.
 */
const isDisputed = ({ map, opcode, extension, mnemonic }: OpcodeLine): boolean =>
  mnemonic === "cmpxchg8b" ||
  (map === "0f"
    ? opcode === 0x0d || opcode === 0x18
    : (opcode === 0xf6 || opcode === 0xf7) && extension === 1);

/** Lines that straight code is made of. */
export const PLAIN_LINES: readonly OpcodeLine[] = OPCODE_LINES.filter((line) => {
  if (isDisputed(line)) return false;
  if (line.prefix !== undefined) return false;
  if (line.helper !== undefined) return PLAIN_HELPERS.has(line.helper) && !namesFsOrGs(line);
  return line.endsBlock !== true;
});

function namesFsOrGs(line: OpcodeLine): boolean {
  if (line.helper === "push_seg") return line.map === "0f";
  return line.helper === "mov_from_seg" && (line.extension as number) > 3;
}

const isString = (line: OpcodeLine): boolean => line.string === true;
const usesRm = (line: OpcodeLine): boolean => line.operands.some(({ code }) => /^[EMR]/.test(code));
const usesModrm = (line: OpcodeLine): boolean =>
  usesRm(line) || line.extension !== undefined || line.operands.some(({ code }) => /^[GS]/.test(code));

/** The register in the opcode is ESP and is written. */
const writesEsp = (line: OpcodeLine): boolean =>
  (line.opcode & 7) === ESP && line.operands.some(({ code, access }) => code === "Zv" && access !== "r");

/** Operand bits that the width of a register operand follows. */
const isByteCode = (code: Operand["code"]): boolean => code === "Eb" || code === "Gb" || code === "Zb";

/** Writes code for `origin`, byte by byte. */
export class ProgramWriter {
  readonly bytes: number[] = [];
  readonly random: Random;
  readonly origin: number;
  /** Stack instructions since ESP was last set; -1: ESP is anything. */
  #stackUses = -1;
  /** Registers that no instruction may change just now. */
  #kept = 0;

  constructor(random: Random, origin: number) {
    this.random = random;
    this.origin = origin;
  }

  get here(): number {
    return this.origin + this.bytes.length;
  }

  /** One instruction of the line, with what must go before it. */
  instruction(line: OpcodeLine): void {
    for (;;) {
      const mark = this.bytes.length;
      const uses = this.#stackUses;
      const start = this.#try(line);
      const decoded = decodeWhole(this.bytes.slice(start));
      const count =
        line.count === "zero" ? 0 : line.operands.some((o) => o.code === "Ib") ? decoded.immediate & 31 : 17;
      if (!undefinedResult(decoded, count)) {
        if (writesEsp(line)) this.#stackUses = -1;
        // Flags that the manual leaves undefined must not be seen by what follows.
        if (undefinedFlags(decoded, count) !== 0) this.bytes.push(0x3c, this.random.below(256));
        return;
      }
      this.bytes.length = mark;
      this.#stackUses = uses;
    }
  }

  /** A forward branch over a few instructions, a call, an indirect jump or a loop. */
  transfer(plain: () => OpcodeLine): void {
    const { random } = this;
    switch (random.below(6)) {
      case 0:
      case 1:
        this.#skipping([0x70 | random.below(16)], plain);
        break;
      case 2:
        if (random.below(2)) this.#moveImmediate(ECX, random.below(3));
        this.#skipping([random.pick([0xe0, 0xe1, 0xe2, 0xe3])], plain);
        break;
      case 3:
        this.#call();
        break;
      case 4:
        this.#indirectJump(plain);
        break;
      default:
        this.#loop();
    }
  }

  #skipping(opcode: number[], plain: () => OpcodeLine): void {
    const long = opcode[0]! >> 4 === 7 && this.random.below(2) === 0;
    if (long) this.bytes.push(0x0f, 0x80 | (opcode[0]! & 15), 0, 0, 0, 0);
    else this.bytes.push(...opcode, 0);
    const from = this.bytes.length;
    const count = 1 + this.random.below(2);
    for (let n = 0; n < count; n++) this.instruction(plain());
    this.#stackUses = -1;
    this.bytes[from - (long ? 4 : 1)] = this.bytes.length - from;
  }

  /** CALL of a routine that lies behind, in all the ways that there are; RET, also with arguments dropped. */
  #call(): void {
    const { random } = this;
    this.#setStack();
    const kind = random.below(3);
    const routine = this.here + (kind === 0 ? 5 : kind === 1 ? 7 : 6) + (kind === 2 ? 10 : 0) + 2;
    if (kind === 0) this.bytes.push(0xe8, 2, 0, 0, 0);
    else if (kind === 1) this.bytes.push(0xb8, ...dword(routine), 0xff, 0xd0);
    else {
      // MOV DWORD [DATA], routine; CALL [DATA]
      this.bytes.push(0xc7, 0x05, ...dword(DATA), ...dword(routine), 0xff, 0x15, ...dword(DATA));
    }
    const drops = random.below(2) === 0;
    const body = [random.pick([0x40, 0x41, 0x42, 0x43, 0x4e, 0x4f]), 0x85, 0xc0];
    this.bytes.push(0xeb, body.length + (drops ? 3 : 1), ...body);
    if (drops) this.bytes.push(0xc2, 4 * random.below(3), 0);
    else this.bytes.push(0xc3);
    this.#stackUses++;
  }

  #indirectJump(plain: () => OpcodeLine): void {
    const register = this.random.pick([0, 1, 2, 3, 5, 6, 7]);
    const at = this.bytes.length;
    this.bytes.push(0xb8 | register, 0, 0, 0, 0, 0xff, 0xe0 | register);
    this.instruction(plain());
    this.#stackUses = -1;
    dword(this.here).forEach((byte, k) => {
      this.bytes[at + 1 + k] = byte;
    });
  }

  /** A few turns over instructions that leave ECX alone. */
  #loop(): void {
    const { random } = this;
    this.#moveImmediate(ECX, 1 + random.below(4));
    const top = this.bytes.length;
    for (let n = 0; n < 2; n++) {
      // ALU operations between registers other than ECX and ESP.
      const reg = () => random.pick([0, 2, 3, 5, 6, 7]);
      this.bytes.push((random.below(8) << 3) | 1, 0xc0 | (reg() << 3) | reg());
    }
    const down = random.below(2) === 0;
    if (down) this.bytes.push(0x49, 0x75);
    else this.bytes.push(random.pick([0xe2, 0xe2, 0xe1, 0xe0]));
    this.bytes.push(0);
    this.bytes[this.bytes.length - 1] = (top - this.bytes.length) & 0xff;
  }

  /** Gives the index of the instruction's first byte, behind its preparations. */
  #try(line: OpcodeLine): number {
    const { random } = this;
    const memory = usesRm(line) && (line.only === "mem" || (line.only !== "reg" && random.below(2) === 0));
    const isWide = random.below(3) !== 0;
    this.#kept = 0;
    this.#prepare(line, memory, isWide);
    const operand = memory ? this.#memoryOperand(line, isWide) : undefined;
    const start = this.bytes.length;
    this.#prefixes(line, isWide, memory);
    if (line.map === "0f") this.bytes.push(0x0f);
    this.bytes.push(line.opcode);
    if (usesModrm(line)) {
      const reg = (line.extension ?? this.#register(line, "G")) << 3;
      if (operand) this.bytes.push(operand[0]! | reg, ...operand.slice(1));
      else this.bytes.push(0xc0 | reg | this.#register(line, "E"));
    }
    this.#immediates(line, isWide);
    return start;
  }

  /** A number for ModRM.reg or ModRM.rm: no kept register is changed, nor ESP where the instruction writes it. */
  #register(line: OpcodeLine, kind: "G" | "E"): number {
    const operand = line.operands.find(({ code }) => code[0] === kind || (kind === "E" && code[0] === "R"));
    for (;;) {
      const number = this.random.below(8);
      // ESP holds no bit number that stays within the data.
      if (kind === "G" && number === ESP && /^bt/.test(line.mnemonic)) continue;
      if (operand === undefined || operand.access === "r" || operand.access === "address") return number;
      const written = isByteCode(operand.code) ? number & 3 : number;
      if (written !== ESP && !((this.#kept >> written) & 1)) return number;
      if (written === ESP && isByteCode(operand.code)) return number;
    }
  }

  /** Sets registers that the instruction uses by its nature. */
  #prepare(line: OpcodeLine, memory: boolean, isWide: boolean): void {
    const { random } = this;
    switch (line.helper ?? line.mnemonic) {
      case "push":
      case "pop":
      case "pushf":
      case "push_seg":
      case "pop_memory":
        this.#useStack();
        break;
      case "popf":
        // What is popped: nothing that stops the program (TF, AC, NT), IF set as it is.
        this.#setStack();
        this.bytes.push(0x68, ...dword((random.word() & 0x200cd5) | 0x202));
        if (!isWide) this.bytes.push(0x66, 0x58, 0x66, 0x68, ...word((random.word() & 0xcd5) | 0x202));
        break;
      case "pusha":
      case "popa":
        this.#setStack();
        break;
      case "enter":
        this.#setStack();
        this.#moveImmediate(EBP, STACK + MIDDLE + 4 * random.below(16));
        break;
      case "leave":
        this.#moveImmediate(EBP, STACK + MIDDLE + 4 * random.below(16) - 32 + random.below(2));
        this.#stackUses = 0;
        break;
      case "xlat":
        this.#moveImmediate(3, DATA);
        this.bytes.push(0x24, 0x7f);
        break;
      case "div":
      case "idiv":
        // Quotients that fit are rare unless the upper half is small.
        if (random.below(4) !== 0) this.#moveImmediate(2, random.pick([0, 0, 1, 0xffffffff]));
        if (random.below(2) === 0) this.bytes.push(0x98);
        break;
      case "cmpxchg":
      case "cmpxchg8b":
        if (random.below(3) === 0) this.bytes.push(0x31, 0xc0);
        break;
      case "into":
        // Taken it would be an exception that the processor's own kernel answers.
        this.bytes.push(0x34, 0x55);
        break;
      default:
        break;
    }
    if (isString(line)) this.#prepareString();
    if (memory && /^bt/.test(line.mnemonic) && line.operands[1]?.code === "Gv") {
      // The bit number is in a register: every one but the address gets a small one.
      for (const r of [0, 1, 2, 3, 5, 6, 7]) this.#moveImmediate(r, (random.below(256) - 128) >>> 0);
    }
  }

  #prepareString(): void {
    const { random } = this;
    this.#moveImmediate(ESI, DATA + MIDDLE - 24 + random.below(48));
    this.#moveImmediate(EDI, DATA + MIDDLE - 24 + random.below(48));
    this.#moveImmediate(ECX, random.below(9));
    if (random.below(8) === 0) this.bytes.push(random.pick([0xfc, 0xfd]));
  }

  /** ModRM (reg clear), SIB and displacement of an address in DATA; base and index are loaded first. */
  #memoryOperand(line: OpcodeLine, isWide: boolean): number[] {
    const { random } = this;
    const target = DATA + MIDDLE - 48 + random.below(88);
    const bitString = /^bt/.test(line.mnemonic);
    const usesEsp = /^(push|pop)/.test(line.mnemonic);
    const shape = random.below(bitString ? 1 : 5);
    if (shape === 0) return [0x05, ...dword(target)];
    // EAX, ECX and EDX may have been prepared.
    const base = random.pick([3, 5, 6, 7]);
    this.#kept |= 1 << base;
    if (shape <= 2) {
      const displacement = shape === 1 ? random.below(256) - 128 : random.word();
      this.#moveImmediate(base, (target - displacement) >>> 0);
      if (shape === 2) return [0x80 | base, ...dword(displacement)];
      if (displacement === 0 && base !== EBP) return [base];
      return [0x40 | base, displacement & 0xff];
    }
    const scale = random.below(4);
    const index = random.pick([3, 5, 6, 7].filter((r) => r !== base));
    this.#kept |= 1 << index;
    const factor = random.pick([random.below(1000), random.word()]);
    const displacement = shape === 3 ? random.below(256) - 128 : random.word();
    const stackBase = shape === 4 && !usesEsp && !isWide && random.below(2) === 0;
    this.#moveImmediate(index, factor);
    const sum = (target - displacement - (Math.imul(factor, 1 << scale) | 0)) >>> 0;
    if (stackBase) {
      this.#moveImmediate(ESP, sum);
      this.#stackUses = -1;
    } else this.#moveImmediate(base, sum);
    const sib = (scale << 6) | (index << 3) | (stackBase ? ESP : base);
    return shape === 3 ? [0x44, sib, displacement & 0xff] : [0x84, sib, ...dword(displacement)];
  }

  #prefixes(line: OpcodeLine, isWide: boolean, memory: boolean): void {
    const { random } = this;
    if (isString(line) && random.below(3) !== 0) this.bytes.push(random.pick([0xf2, 0xf3]));
    if (!isWide) this.bytes.push(0x66);
    if (memory && random.below(6) === 0) this.bytes.push(random.pick([0x26, 0x36, 0x3e]));
    if (memory && line.lockable === true && random.below(4) === 0) this.bytes.push(0xf0);
  }

  #immediates(line: OpcodeLine, isWide: boolean): void {
    const { random } = this;
    if (line.helper === "enter") {
      this.bytes.push(4 * random.below(4), 0, random.below(4));
      return;
    }
    for (const { code } of line.operands) {
      const value = random.operand();
      if (code === "Ib" || code === "Ibs") {
        if (line.count === "zero") this.bytes.push(random.pick([0, 0x20, 0x40, 0xe0]));
        else this.bytes.push(line.count === "nonzero" && value % 32 === 0 ? 1 : value & 0xff);
      } else if (code === "Iw") this.bytes.push(...word(value));
      else if (code === "Iz") this.bytes.push(...(isWide ? dword(value) : word(value)));
      else if (code[0] === "O") this.bytes.push(...dword(DATA + random.below(4 * WORDS - 4)));
    }
  }

  #useStack(): void {
    if (this.#stackUses < 0 || this.#stackUses >= 4 || this.random.below(2) === 0) this.#setStack();
    this.#stackUses++;
  }
  #setStack(): void {
    this.#moveImmediate(ESP, STACK + MIDDLE - 16 + this.random.below(32));
    this.#stackUses = 0;
  }

  #moveImmediate(register: number, value: number): void {
    this.bytes.push(0xb8 | register, ...dword(value));
  }
}

const word = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff];
const dword = (value: number): number[] => [...word(value), ...word(value >>> 16)];

/** A stretch of `count` random instructions, transfers among them if asked for. */
export function randomStretch(
  random: Random,
  options: {
    readonly lines: readonly OpcodeLine[];
    readonly count: number;
    readonly transfers: boolean;
  },
): Stretch {
  // One in three lies across the boundary between two pages.
  const origin = CODE_AREA + (random.below(3) === 0 ? 4096 - random.below(120) : random.below(1024));
  const writer = new ProgramWriter(random, origin);
  const line = () => random.pick(options.lines);
  for (let n = 0; n < options.count; n++) {
    if (options.transfers && random.below(6) === 0) writer.transfer(line);
    else writer.instruction(line());
  }
  const words = () => Uint32Array.from({ length: WORDS }, () => random.operand());
  const regs = Array.from({ length: 8 }, () => random.operand());
  regs[ESP] = STACK + MIDDLE + 4 * random.below(8);
  regs[EAX] = random.operand();
  return {
    origin,
    code: Uint8Array.from(writer.bytes),
    regs,
    eflags: (random.word() & 0x8d5) | 0x202 | (random.below(4) === 0 ? 0x400 : 0),
    data: words(),
    stack: words(),
  };
}
