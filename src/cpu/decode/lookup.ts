import type { MandatoryPrefix, OpcodeLine, OperandCode } from "../instructions/line.ts";

/** How an immediate is encoded. */
export const Immediate = {
  none: 0,
  /** One byte, zero-extended. */
  byte: 1,
  /** One byte, sign-extended to the operand size (and zero-extended from there). */
  byteSigned: 2,
  /** Two bytes, zero-extended. */
  word: 3,
  /** By operand size, zero-extended. */
  full: 4,
  /** One byte, sign-extended to 32 bits: a branch displacement. */
  relativeByte: 5,
  /** By operand size, sign-extended to 32 bits: a branch displacement. */
  relative: 6,
  /** By address size: the offset of a memory operand. */
  offset: 7,
  /** Offset by operand size, then a 16-bit selector, which is the second immediate. */
  far: 8,
} as const;
export type Immediate = (typeof Immediate)[keyof typeof Immediate];

const IMMEDIATES: Partial<Record<OperandCode, Immediate>> = {
  Ib: Immediate.byte,
  Ibs: Immediate.byteSigned,
  Iw: Immediate.word,
  Iz: Immediate.full,
  Jb: Immediate.relativeByte,
  Jz: Immediate.relative,
  Ob: Immediate.offset,
  Ov: Immediate.offset,
  A: Immediate.far,
};

/** Width of a line's operands: 0 stands for the operand size. */
type WidthRule = 8 | 16 | 32 | 0;

/** What the decoder asks of a line, worked out once. */
export interface Shape {
  readonly line: OpcodeLine;
  readonly width: WidthRule;
  readonly immediate: Immediate;
  readonly immediate2: Immediate;
  /** ModRM.mod is ignored: the r/m operand is a register. */
  readonly registerOnly: boolean;
  /** XLAT: memory at (E)BX without ModRM. */
  readonly baseBx: boolean;
  /** Mask of the CPUID feature bit without which the line does not exist. */
  readonly feature: number;
  /** The line to use instead when the immediate is zero modulo 32. */
  zeroCount: Shape | undefined;
}

/** Slots a decode position has: 8 values of ModRM.reg, each with a memory and a register r/m. */
const SLOTS = 16;
const POSITIONS = 512;
const PLANES = 4;

/** What is known of a decode position before the bytes behind the opcode: bits. */
export const Position = {
  /** A ModRM byte follows. */
  modrm: 1,
  /** Mandatory prefixes choose among several lines: the position is in the plane of the prefix. */
  prefixed: 2,
} as const;

/** Added to a position for a mandatory prefix. */
export const Plane = {
  none: 0,
  operandSize: POSITIONS,
  repeat: 2 * POSITIONS,
  repeatNot: 3 * POSITIONS,
} as const;
const PLANE_OF: Readonly<Record<MandatoryPrefix, number>> = {
  none: Plane.none,
  102: Plane.operandSize,
  243: Plane.repeat,
  242: Plane.repeatNot,
};

/** The opcode table as arrays: position = opcode, + 256 in the 0F map, + the plane of the prefix where `kinds` says so. */
export class OpcodeLookup {
  /** Bits of Position, by position without plane. */
  readonly kinds = new Uint8Array(POSITIONS);
  readonly #shapes: (Shape | undefined)[] = new Array<Shape | undefined>(PLANES * POSITIONS * SLOTS).fill(
    undefined,
  );

  constructor(lines: readonly OpcodeLine[]) {
    for (const line of lines) if (line.prefix !== undefined) this.kinds[positionOf(line)] = Position.prefixed;
    for (const line of lines) if (line.count !== "zero") this.#place(shapeOf(line));
    for (const line of lines) if (line.count === "zero") this.#placeZeroCount(shapeOf(line));
  }

  /** The line at a position for a ModRM.reg and kind of r/m (both 0 for lines without ModRM); undefined: no such opcode. */
  find(position: number, reg: number, isRegister: boolean): Shape | undefined {
    return this.#shapes[position * SLOTS + (reg << 1) + (isRegister ? 1 : 0)];
  }

  #place(shape: Shape): void {
    const { line } = shape;
    const position = positionOf(line);
    if (usesModrm(line)) this.kinds[position] = (this.kinds[position] as number) | Position.modrm;
    for (const slot of slotsOf(line)) {
      const other = this.#shapes[slot];
      if (other) throw new TypeError(`opcode lines overlap: ${describe(other.line)} and ${describe(line)}`);
      this.#shapes[slot] = shape;
    }
  }

  #placeZeroCount(shape: Shape): void {
    for (const slot of slotsOf(shape.line)) {
      const nonzero = this.#shapes[slot];
      if (nonzero?.line.count !== "nonzero")
        throw new TypeError(`${describe(shape.line)} for a zero count has no partner`);
      nonzero.zeroCount = shape;
    }
  }
}

const EVERY_PLANE: readonly number[] = Object.values(Plane);

const positionOf = (line: OpcodeLine): number => line.opcode + (line.map === "0f" ? 256 : 0);

function slotsOf(line: OpcodeLine): number[] {
  const slots: number[] = [];
  for (let slot = 0; slot < SLOTS; slot++) {
    if (line.extension !== undefined && slot >> 1 !== line.extension) continue;
    if (line.only !== undefined && (slot & 1) !== (line.only === "reg" ? 1 : 0)) continue;
    for (const plane of line.prefix === undefined ? EVERY_PLANE : [PLANE_OF[line.prefix]])
      slots.push((plane + positionOf(line)) * SLOTS + slot);
  }
  return slots;
}

const describe = (line: OpcodeLine): string =>
  `${line.mnemonic} ${typeof line.prefix === "number" ? `${line.prefix.toString(16).toUpperCase()} ` : ""}${line.map === "0f" ? "0F " : ""}${line.opcode.toString(16)}` +
  `${line.extension === undefined ? "" : ` /${line.extension}`}${line.only ? ` ${line.only}` : ""}`;

/** Operand codes that are encoded in a ModRM byte. */
const MODRM_CODE = /^(E|M|R|G|S|P|Q|N|V|W|U|C(?!L)|D(?!X))/;
const VECTOR_CODE = /^[PQNVWU]/;

/** The line has an operand in an MMX or XMM register. */
export const isVectorLine = (line: OpcodeLine): boolean =>
  line.operands.some(({ code }) => VECTOR_CODE.test(code));

export const usesModrm = (line: OpcodeLine): boolean =>
  line.extension !== undefined || line.operands.some(({ code }) => MODRM_CODE.test(code));

function widthOf(line: OpcodeLine): WidthRule {
  if (isVectorLine(line)) return 32;
  if (line.string) return (line.opcode & 1) === 0 ? 8 : 0;
  for (const { code } of line.operands) {
    // Immediates and ports have widths of their own; segment, control and debug registers are not operated upon.
    if (/^[IJSCD1]/.test(code) && code !== "CL") continue;
    if (code === "AL" || /^[A-Z]b$/.test(code)) return 8;
    if (/w$/.test(code)) return 16;
    if (/[dq]$/.test(code)) return 32;
    return 0;
  }
  return 0;
}

function shapeOf(line: OpcodeLine): Shape {
  const immediates = line.operands.flatMap(({ code }) => IMMEDIATES[code] ?? []);
  return {
    line,
    width: widthOf(line),
    immediate: immediates[0] ?? Immediate.none,
    immediate2: immediates[1] ?? Immediate.none,
    registerOnly: line.operands.some(({ code }) => code === "Rd" || code === "Rv"),
    baseBx: line.operands.some(({ code }) => code === "BB"),
    feature: line.feature === undefined ? 0 : 1 << line.feature,
    zeroCount: undefined,
  };
}
