import { and, type Expr, i32, not, or, rotl, select, shl, shrS, shrU, sub, unary, xor } from "../ir/expr.ts";
import { Flag } from "../state.ts";
import type { Semantics, SemanticsContext } from "./context.ts";
import { line } from "./define.ts";
import { setCarry, signExtend } from "./flags.ts";
import { FLAGS_ALL, Generation, type OpcodeLine } from "./line.ts";

/** New value of a word of which one bit (given as a mask) was tested; undefined when it is only tested. */
type Change = ((word: Expr, mask: Expr) => Expr) | undefined;

const set: Change = (word, mask) => or(word, mask);
const reset: Change = (word, mask) => and(word, not(mask));
const complement: Change = (word, mask) => xor(word, mask);

/** CF = the bit of `word`; the other flags stay (undefined by the manual). */
const carryFromBit = (c: SemanticsContext, word: Expr, bit: Expr): void =>
  setCarry(c, c.let(shl(shrU(word, bit), i32(31))));

/** Bit test of a register, or of memory by an immediate: the bit number counts modulo the operand size. */
const within =
  (change: Change): Semantics =>
  (c) => {
    const word = c.read(0);
    const bit = c.let(and(c.read(1), i32(c.width - 1)));
    if (change) c.write(0, change(word, shl(i32(1), bit)));
    carryFromBit(c, word, bit);
  };

/** Bit test with the bit number in a register: a memory operand is a bit string that reaches 2 GiB of bits to either side. */
const inString =
  (change: Change): Semantics =>
  (c) => {
    if (c.operandKind(0) === "reg") {
      within(change)(c);
      return;
    }
    const width = c.width === 16 ? 16 : 32;
    const number = c.let(signExtend(c.read(1), width));
    const bit = c.let(and(number, i32(width - 1)));
    const displacement = width === 32 ? shl(shrS(number, i32(5)), i32(2)) : shl(shrS(number, i32(4)), i32(1));
    const place = c.let(displacement);
    const word = c.let(c.loadAt(place, width, change !== undefined));
    if (change) c.storeAt(place, width, c.let(change(word, shl(i32(1), bit))));
    carryFromBit(c, word, bit);
  };

/**
 * BSF, BSR: a source of zero leaves the destination as it was. Of the flags the manual defines ZF alone; processors clear CF, OF,
 * SF and AF and give the parity of the bit's number.
 */
const scan =
  (number: (source: Expr) => Expr): Semantics =>
  (c) => {
    const source = c.read(1);
    const found = c.let(number(source));
    c.write(0, select(source, found, c.read(0)));
    c.setFlags(source, select(source, found, i32(0)), i32(0));
  };

export const bsf = scan((source) => unary("ctz", source));
export const bsr = scan((source) => sub(i32(31), unary("clz", source)));

/** BSWAP. Of a 16-bit register (undefined by the manual) processors make zero. */
export const bswap: Semantics = (c) => {
  if (c.width === 16) {
    c.write(0, i32(0));
    return;
  }
  const value = c.read(0);
  const even = and(rotl(value, i32(8)), i32(0x00ff00ff));
  const odd = and(rotl(value, i32(24)), i32(0xff00ff00 | 0));
  c.write(0, c.let(or(even, odd)));
};

const REGISTERS = [0, 1, 2, 3, 4, 5, 6, 7] as const;

function testLines(mnemonic: string, opcode: string, reg: number, change: Change): OpcodeLine[] {
  const operand = change ? "Ev:rw" : "Ev";
  const rest = {
    writesFlags: Flag.CF,
    before486: "bit_test_before_486",
    ...(change ? { lockable: true } : {}),
  };
  return [
    line(mnemonic, `0F ${opcode}`, `${operand} Gv`, { semantics: inString(change), ...rest }),
    line(mnemonic, `0F BA /${reg}`, `${operand} Ib`, { semantics: within(change), ...rest }),
  ];
}

export const bitLines: readonly OpcodeLine[] = [
  ...testLines("bt", "A3", 4, undefined),
  ...testLines("bts", "AB", 5, set),
  ...testLines("btr", "B3", 6, reset),
  ...testLines("btc", "BB", 7, complement),
  line("bsf", "0F BC", "Gv:rw Ev", { semantics: bsf, writesFlags: FLAGS_ALL }),
  line("bsr", "0F BD", "Gv:rw Ev", { semantics: bsr, writesFlags: FLAGS_ALL }),
  ...REGISTERS.map((r) =>
    line("bswap", `0F ${(0xc8 + r).toString(16)}`, "Zv:rw", { semantics: bswap, feature: Generation.i486 }),
  ),
];
