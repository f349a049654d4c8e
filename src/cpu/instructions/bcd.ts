import { add, and, binary, type Expr, eqz, gtU, i32, ltU, mul, or, shl, shrU, sub, xor } from "../ir/expr.ts";
import { Flag } from "../state.ts";
import type { Semantics, SemanticsContext } from "./context.ts";
import { line } from "./define.ts";
import { auxOf, carry, flagsAdd, halfCarry, signExtend, sum, zeroExtend } from "./flags.ts";
import { FLAGS_ALL, type OpcodeLine } from "./line.ts";

/**
 * Decimal adjustment. Flags that the manual leaves undefined follow processors: they are those of the addition or subtraction
 * that the adjustment amounts to, of 8 bits for DAA, DAS and AAD, of 16 for AAA and AAS (before AL loses its upper half).
 */

const EAX = 0;

/** 0 or 1: the low decimal digit overflowed. */
const digitOverflow = (c: SemanticsContext, al: Expr): Expr =>
  c.let(or(gtU(and(al, i32(0x0f)), i32(9)), halfCarry(c)));
/** 0 or 1: the two digits overflowed. */
const byteOverflow = (c: SemanticsContext, al: Expr): Expr => c.let(or(gtU(al, i32(0x99)), carry(c)));
/** 06 and 60 for either overflow. */
const correction = (c: SemanticsContext, low: Expr, high: Expr): Expr =>
  c.let(or(mul(low, i32(0x06)), mul(high, i32(0x60))));

export const daa: Semantics = (c) => {
  const al = c.read(0);
  const low = digitOverflow(c, al);
  const high = byteOverflow(c, al);
  const correct = correction(c, low, high);
  const result = c.let(and(add(al, correct), i32(0xff)));
  c.write(0, result);
  const overflow = shrU(and(xor(al, result), xor(correct, result)), i32(7));
  setFlags(c, result, auxOf(c, high, overflow, low));
};

export const das: Semantics = (c) => {
  const al = c.read(0);
  const low = digitOverflow(c, al);
  const high = byteOverflow(c, al);
  const correct = correction(c, low, high);
  const result = c.let(and(sub(al, correct), i32(0xff)));
  c.write(0, result);
  const borrow = or(high, and(low, ltU(al, i32(6))));
  const overflow = shrU(and(xor(al, correct), xor(al, result)), i32(7));
  setFlags(c, result, auxOf(c, c.let(borrow), overflow, low));
};

function setFlags(c: SemanticsContext, result: Expr, aux: Expr): void {
  const extended = c.let(signExtend(result, 8));
  c.setFlags(extended, extended, aux);
}

/** AAA, AAS: AX + 0106 or AX - 0106 if the digit overflowed, then the upper half of AL is cleared. */
const asciiAdjust =
  (
    combine: (ax: Expr, amount: Expr) => Expr,
    overflows: (ax: Expr, amount: Expr, result: Expr) => Expr,
  ): Semantics =>
  (c) => {
    const ax = c.let(c.reg(EAX, 16));
    const adjust = digitOverflow(c, ax);
    const amount = c.let(mul(adjust, i32(0x0106)));
    const result = c.let(zeroExtend(combine(ax, amount), 16));
    c.setReg(EAX, 16, and(result, i32(0xff0f)));
    const overflow = and(shrU(overflows(ax, amount, result), i32(15)), i32(1));
    const extended = c.let(signExtend(result, 16));
    c.setFlags(extended, extended, auxOf(c, adjust, overflow, adjust));
  };

export const aaa = asciiAdjust(add, (ax, amount, result) => and(xor(ax, result), xor(amount, result)));
export const aas = asciiAdjust(sub, (ax, amount, result) => and(xor(ax, amount), xor(ax, result)));

const DIVIDE_ERROR = 0;

/** AAM: AH = AL / base, AL = AL mod base. */
export const aam: Semantics = (c) => {
  const al = c.read(0);
  const base = c.read(1);
  c.raiseIf(eqz(base), DIVIDE_ERROR);
  const quotient = c.let(binary("div_u", al, base));
  const remainder = c.let(sub(al, mul(quotient, base)));
  c.setReg(EAX, 16, or(shl(quotient, i32(8)), remainder));
  setFlags(c, remainder, i32(0));
};

/** AAD: AL = AL + AH * base, AH = 0; flags of that addition. */
export const aad: Semantics = (c) => {
  const al = c.read(0);
  const tens = c.let(and(mul(c.reg(4, 8), c.read(1)), i32(0xff)));
  const result = sum(c, al, tens);
  c.setReg(EAX, 16, result);
  flagsAdd(c, al, tens, result);
};

const DECIMAL = { writesFlags: FLAGS_ALL, readsFlags: Flag.AF | Flag.CF } as const;
const ASCII = { writesFlags: FLAGS_ALL, readsFlags: Flag.AF } as const;

export const bcdLines: readonly OpcodeLine[] = [
  line("daa", "27", "AL:rw", { semantics: daa, ...DECIMAL }),
  line("das", "2F", "AL:rw", { semantics: das, ...DECIMAL }),
  line("aaa", "37", "", { semantics: aaa, ...ASCII, before486: "ascii_adjust_before_486" }),
  line("aas", "3F", "", { semantics: aas, ...ASCII, before486: "ascii_adjust_before_486" }),
  line("aam", "D4", "AL:rw Ib", { semantics: aam, writesFlags: FLAGS_ALL, before486: "aam_before_486" }),
  line("aad", "D5", "AL:rw Ib", { semantics: aad, writesFlags: FLAGS_ALL }),
];
