import { add, and, type Expr, eqz, i32, ne, not, or, shl, shrU, sub, unary, xor } from "../ir/expr.ts";
import { Flag } from "../state.ts";
import type { SemanticsContext, Width } from "./context.ts";
import { FLAGS_ALL } from "./line.ts";

/**
 * The lazy flags as trees (layout.ts, FLAG_ZR and following). The third word, aux, is a vector of carries: bit i is the carry
 * (or borrow) out of bit i of the operation, moved up so that the carry out of the operand's top bit lands in bit 31 and the
 * carry into it in bit 30; bit 3 alone stays where it is. Hence CF = bit 31, OF = bit 31 XOR bit 30, AF = bit 3.
 */

/** What INC and DEC write. */
export const ALL_BUT_CF = FLAGS_ALL & ~Flag.CF;
/** What rotates and multiplications write. */
export const CF_OF = Flag.CF | Flag.OF;

const AF_BIT = i32(8);
const CF_BIT = i32(0x80000000 | 0);

/** Sign-extends the low `width` bits to 32. */
export function signExtend(value: Expr, width: Width): Expr {
  if (width === 8) return unary("extend8_s", value);
  return width === 16 ? unary("extend16_s", value) : value;
}

/** Keeps the low `width` bits. */
export function zeroExtend(value: Expr, width: Width): Expr {
  return width === 32 ? value : and(value, i32(width === 8 ? 0xff : 0xffff));
}

/** Moves a vector of carries of a `width`-bit operation to where aux wants them. */
function alignCarries(carries: Expr, width: Width): Expr {
  if (width === 32) return carries;
  return or(shl(carries, i32(32 - width)), and(carries, AF_BIT));
}

function setResult(c: SemanticsContext, result: Expr, aux: Expr): void {
  const extended = c.let(signExtend(result, c.width));
  c.setFlags(extended, extended, aux);
}

/** ADD, ADC, XADD: result = a + b (+ carry). */
export function flagsAdd(c: SemanticsContext, a: Expr, b: Expr, result: Expr): void {
  const carries = c.let(or(and(a, b), and(or(a, b), not(result))));
  setResult(c, result, alignCarries(carries, c.width));
}

/** SUB, SBB, CMP, CMPXCHG: result = a - b (- borrow). */
export function flagsSub(c: SemanticsContext, a: Expr, b: Expr, result: Expr): void {
  const borrows = c.let(or(and(not(a), b), and(not(xor(a, b)), result)));
  setResult(c, result, alignCarries(borrows, c.width));
}

/** NEG: result = 0 - a. */
export function flagsNeg(c: SemanticsContext, a: Expr, result: Expr): void {
  setResult(c, result, alignCarries(c.let(or(a, result)), c.width));
}

/** AND, OR, XOR, TEST: CF, OF and AF become 0 (AF is undefined by the manual, 0 on processors). */
export function flagsLogic(c: SemanticsContext, result: Expr): void {
  setResult(c, result, i32(0));
}

/** INC: OF and AF of a + 1, CF kept. */
export function flagsInc(c: SemanticsContext, a: Expr, result: Expr): void {
  const carries = c.let(and(a, not(result)));
  setResult(c, result, keepCarry(c, c.let(alignCarries(carries, c.width))));
}

/** DEC: OF and AF of a - 1, CF kept. */
export function flagsDec(c: SemanticsContext, a: Expr, result: Expr): void {
  const borrows = c.let(and(not(a), result));
  setResult(c, result, keepCarry(c, c.let(alignCarries(borrows, c.width))));
}

const keepCarry = (c: SemanticsContext, aux: Expr): Expr => replaceCarry(c, aux, c.flagAux());

/** `aux` with CF taken from bit 31 of `source`; OF and AF stay what they are in `aux`. Both trees are used more than once. */
export function replaceCarry(c: SemanticsContext, aux: Expr, source: Expr): Expr {
  const flip = c.let(and(xor(aux, source), CF_BIT));
  return xor(aux, or(flip, shrU(flip, i32(1))));
}

/** Sets CF from bit 31 of `source`, keeping the other five flags. */
export function setCarry(c: SemanticsContext, source: Expr): void {
  c.setAux(replaceCarry(c, c.let(c.flagAux()), source));
}

/** aux for CF = OF = `both` (0 or 1), AF kept: the multiplications. */
export function setCarryAndOverflow(c: SemanticsContext, both: Expr): void {
  c.setAux(or(shl(both, i32(31)), and(c.flagAux(), AF_BIT)));
}

/**
 * Shifts by a count that is not zero. Bits 31 and 30 of `top` give CF and OF. AF is undefined by the manual; the processors that
 * the tests compare with set it.
 */
export function flagsShift(c: SemanticsContext, result: Expr, top: Expr): void {
  setResult(c, result, or(and(top, i32(0xc0000000 | 0)), AF_BIT));
}

/** Rotates by a count that is not zero: CF and OF from bits 31 and 30 of `top`, the other flags kept. */
export function flagsRotate(c: SemanticsContext, top: Expr): void {
  c.setAux(or(and(top, i32(0xc0000000 | 0)), and(c.flagAux(), AF_BIT)));
}

/** aux from three flags, each 0 or 1; `cf` is used twice. */
export const auxOf = (c: SemanticsContext, cf: Expr, of: Expr, af: Expr): Expr =>
  or(or(shl(cf, i32(31)), shl(c.let(xor(cf, of)), i32(30))), shl(af, i32(3)));

/** AF as 0 or 1. */
export const halfCarry = (c: SemanticsContext): Expr => and(shrU(c.flagAux(), i32(3)), i32(1));
/** CF as 0 or 1. */
export const carry = (c: SemanticsContext): Expr => shrU(c.flagAux(), i32(31));
/** ZF as 0 or 1. */
export const zero = (c: SemanticsContext): Expr => eqz(c.flagZr());
/** OF in bit 31 of an otherwise meaningless word. */
const overflowTop = (c: SemanticsContext): Expr => {
  const aux = c.let(c.flagAux());
  return xor(aux, shl(aux, i32(1)));
};
/** PF as 0 or 1. */
const parityEven = (c: SemanticsContext): Expr =>
  and(xor(unary("popcnt", and(c.flagSp(), i32(0xff))), i32(1)), i32(1));

/** The condition of Jcc, SETcc and CMOVcc number 0..15 (O NO B NB Z NZ BE A S NS P NP L GE LE G) as 0 or 1. */
export function condition(c: SemanticsContext, code: number): Expr {
  const negated = (code & 1) !== 0;
  switch (code >> 1) {
    case 0:
      return flipIf(negated, shrU(overflowTop(c), i32(31)));
    case 1:
      return flipIf(negated, carry(c));
    case 2:
      return negated ? ne(c.flagZr(), i32(0)) : zero(c);
    case 3:
      return flipIf(negated, or(carry(c), zero(c)));
    case 4:
      return flipIf(negated, shrU(c.flagSp(), i32(31)));
    case 5:
      return flipIf(negated, parityEven(c));
    case 6:
      return flipIf(negated, less(c));
    default:
      return flipIf(negated, or(less(c), zero(c)));
  }
}

const less = (c: SemanticsContext): Expr => shrU(xor(overflowTop(c), c.flagSp()), i32(31));
const flipIf = (flip: boolean, value: Expr): Expr => (flip ? eqz(value) : value);

const CONDITION_FLAGS = [
  Flag.OF,
  Flag.CF,
  Flag.ZF,
  Flag.CF | Flag.ZF,
  Flag.SF,
  Flag.PF,
  Flag.SF | Flag.OF,
  Flag.SF | Flag.OF | Flag.ZF,
] as const;
/** EFLAGS bits that condition `code` looks at. */
export const conditionReads = (code: number): number => CONDITION_FLAGS[code >> 1] as number;
export const CONDITION_NAMES = [
  "o",
  "no",
  "b",
  "ae",
  "e",
  "ne",
  "be",
  "a",
  "s",
  "ns",
  "p",
  "np",
  "l",
  "ge",
  "le",
  "g",
] as const;

/** SF, ZF, AF, PF and CF as the low byte of EFLAGS (bit 1 set): LAHF. */
export function lowByte(c: SemanticsContext): Expr {
  const aux = c.let(c.flagAux());
  const sf = shl(shrU(c.flagSp(), i32(31)), i32(7));
  const zf = shl(zero(c), i32(6));
  const af = shl(and(aux, AF_BIT), i32(1));
  const pf = shl(parityEven(c), i32(2));
  return or(or(or(sf, zf), or(af, pf)), or(shrU(aux, i32(31)), i32(2)));
}

/** Sets SF, ZF, AF, PF and CF from the low byte of `value`, keeping OF: SAHF. */
export function setLowByte(c: SemanticsContext, value: Expr): void {
  const cf = shl(value, i32(31));
  const of = and(overflowTop(c), CF_BIT);
  const aux = or(or(cf, shrU(xor(cf, of), i32(1))), and(shrU(value, i32(1)), AF_BIT));
  const zr = eqz(and(value, i32(Flag.ZF)));
  // The low byte of sp is 0 (even parity) for PF, 1 for no PF.
  const sp = or(and(shl(value, i32(24)), CF_BIT), eqz(and(value, i32(Flag.PF))));
  c.setFlags(zr, sp, aux);
}

/** a + b and a - b at the operand's width (the bits above are dropped). */
export const sum = (c: SemanticsContext, a: Expr, b: Expr): Expr => c.let(zeroExtend(add(a, b), c.width));
export const difference = (c: SemanticsContext, a: Expr, b: Expr): Expr =>
  c.let(zeroExtend(sub(a, b), c.width));
