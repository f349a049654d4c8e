import {
  and,
  binary,
  type Expr,
  extendU,
  i32,
  i64,
  shl as left,
  ne,
  or,
  rotl,
  rotr,
  shrS,
  shrU,
  sub,
  wrap,
  xor,
} from "../ir/expr.ts";
import type { Semantics, SemanticsContext } from "./context.ts";
import { line } from "./define.ts";
import { CF_OF, carry, flagsRotate, flagsShift, signExtend, zeroExtend } from "./flags.ts";
import { FLAGS_ALL, type OpcodeLine } from "./line.ts";

/**
 * A shift or rotate of the first operand by `count` (1..31): gives the result, and a word whose bits 31 and 30 are to become CF and
 * CF XOR OF. OF is defined for a count of 1 only; for others the rules here are what processors do.
 */
type Move = (c: SemanticsContext, value: Expr, count: Expr) => { result: Expr; top: Expr };

/** The operand moved up so that its top bit is bit 31. */
const atTop = (c: SemanticsContext, value: Expr): Expr => left(value, i32(32 - c.width));

/** CF in bit 31 and the top bit of the result in bit 30: OF = CF XOR sign, the rule of SHL, ROL and RCL. */
const carryAndSign = (c: SemanticsContext, cf: Expr, result: Expr): Expr =>
  or(left(cf, i32(31)), and(shrU(atTop(c, result), i32(1)), i32(0x40000000)));

/** CF in bit 31; OF = the two top bits of the result differ, the rule of SHR, ROR, RCR and SHRD. */
const carryAndTopBits = (c: SemanticsContext, cf: Expr, result: Expr): Expr => {
  const top = c.let(atTop(c, result));
  const differ = and(shrU(xor(top, left(top, i32(1))), i32(1)), i32(0x40000000));
  const cfTop = c.let(left(cf, i32(31)));
  return or(cfTop, xor(shrU(cfTop, i32(1)), differ));
};

/** One place short of the whole way up, the top bit is CF and the next one the sign of the result. */
const shiftedOut = (c: SemanticsContext, value: Expr, count: Expr): Expr =>
  left(atTop(c, value), sub(count, i32(1)));

const shl: Move = (c, value, count) => ({
  result: c.let(zeroExtend(left(value, count), c.width)),
  top: shiftedOut(c, value, count),
});

const shr: Move = (c, value, count) => {
  const result = c.let(shrU(value, count));
  return { result, top: carryAndTopBits(c, shrU(value, sub(count, i32(1))), result) };
};

const sar: Move = (c, value, count) => {
  const signed = c.let(signExtend(value, c.width));
  const cf = c.let(left(shrS(signed, sub(count, i32(1))), i32(31)));
  return { result: c.let(zeroExtend(shrS(signed, count), c.width)), top: or(cf, shrU(cf, i32(1))) };
};

/** The operand repeated until it fills 32 bits, so that a 32-bit rotate rotates it. */
const repeated = (c: SemanticsContext, value: Expr): Expr => {
  if (c.width === 32) return value;
  const twice = c.width === 16 ? value : c.let(or(value, left(value, i32(8))));
  return or(twice, left(twice, i32(16)));
};

const rol: Move = (c, value, count) => {
  const result = c.let(zeroExtend(rotl(repeated(c, value), count), c.width));
  return { result, top: carryAndSign(c, result, result) };
};

const ror: Move = (c, value, count) => {
  const result = c.let(zeroExtend(rotr(repeated(c, value), count), c.width));
  return { result, top: atTop(c, result) };
};

/** RCL and RCR by 0..width places of the width + 1 bits CF:operand. */
const throughCarry = (c: SemanticsContext, value: Expr, places: Expr): { result: Expr; cf: Expr } => {
  const { width } = c;
  if (width === 32) {
    const all = c.let(or(extendU(value), left(extendU(carry(c)), i64(32n))));
    const up = c.let(extendU(places));
    const moved = c.let(or(left(all, up), shrU(all, sub(i64(33n), up))));
    return { result: c.let(wrap(moved)), cf: wrap(shrU(moved, i64(32n))) };
  }
  const all = c.let(or(value, left(carry(c), i32(width))));
  const moved = c.let(or(left(all, places), shrU(all, sub(i32(width + 1), places))));
  return { result: c.let(zeroExtend(moved, width)), cf: shrU(moved, i32(width)) };
};

const rcl: Move = (c, value, count) => {
  const places = c.width === 32 ? count : c.let(binary("rem_u", count, i32(c.width + 1)));
  const { result, cf } = throughCarry(c, value, places);
  return { result, top: carryAndSign(c, cf, result) };
};

const rcr: Move = (c, value, count) => {
  const right = c.width === 32 ? count : binary("rem_u", count, i32(c.width + 1));
  const { result, cf } = throughCarry(c, value, c.let(sub(i32(c.width + 1), right)));
  return { result, top: carryAndTopBits(c, cf, result) };
};

/**
 * SHLD, SHRD: the bits shifted in come from the second operand. 16-bit counts above 16 are undefined by the manual; processors go on
 * with the second operand once more, and take CF from the first operand alone.
 */
const shld: Move = (c, value, count) => {
  const filler = c.read(1);
  const top = shiftedOut(c, value, count);
  if (c.width === 32) {
    // Two steps, so that no shift is by 32.
    const low = shrU(shrU(filler, i32(1)), sub(i32(31), count));
    return { result: c.let(or(left(value, count), low)), top };
  }
  const twice = extendU(or(left(filler, i32(16)), filler));
  const ring = or(left(extendU(value), i64(32n)), twice);
  const result = c.let(zeroExtend(wrap(shrU(ring, extendU(sub(i32(32), count)))), 16));
  return { result, top };
};

const shrd: Move = (c, value, count) => {
  const filler = c.read(1);
  const cf = shrU(value, sub(count, i32(1)));
  if (c.width === 32) {
    const high = left(left(filler, i32(1)), sub(i32(31), count));
    const result = c.let(or(shrU(value, count), high));
    return { result, top: carryAndTopBits(c, cf, result) };
  }
  const twice = or(left(filler, i32(16)), filler);
  const ring = or(left(extendU(twice), i64(16n)), extendU(value));
  const result = c.let(zeroExtend(wrap(shrU(ring, extendU(count))), 16));
  return { result, top: carryAndTopBits(c, cf, result) };
};

type SetFlags = (c: SemanticsContext, moved: { result: Expr; top: Expr }) => void;
const shiftFlags: SetFlags = (c, moved) => flagsShift(c, moved.result, moved.top);
const rotateFlags: SetFlags = (c, moved) => flagsRotate(c, moved.top);

/** By a count that is known not to be zero modulo 32. */
const byImmediate =
  (move: Move, setFlags: SetFlags, countOperand: number): Semantics =>
  (c) => {
    const value = c.read(0);
    const count = c.let(and(c.read(countOperand), i32(31)));
    const moved = move(c, value, count);
    c.write(0, moved.result);
    setFlags(c, moved);
  };

/** By CL, which may be zero: then nothing changes, flags included, but a memory operand is written all the same. */
const byCl =
  (move: Move, setFlags: SetFlags, countOperand: number): Semantics =>
  (c) => {
    const value = c.read(0);
    const count = c.let(and(c.read(countOperand), i32(31)));
    const nonzero = c.let(ne(count, i32(0)));
    c.when(
      nonzero,
      () => {
        const moved = move(c, value, count);
        c.write(0, moved.result);
        setFlags(c, moved);
      },
      () => c.write(0, value),
    );
  };

/** By 1. */
const byOne =
  (move: Move, setFlags: SetFlags): Semantics =>
  (c) => {
    const moved = move(c, c.read(0), i32(1));
    c.write(0, moved.result);
    setFlags(c, moved);
  };

/** By an immediate that is zero modulo 32: the operand is read and written, no flag changes. */
const byNothing: Semantics = (c) => c.write(0, c.read(0));

function lines(
  mnemonic: string,
  reg: number,
  move: Move,
  setFlags: SetFlags,
  usesCarry: number,
): OpcodeLine[] {
  const flags = setFlags === shiftFlags ? FLAGS_ALL : CF_OF;
  const always = { writesFlags: flags, readsFlags: usesCarry };
  const one = { semantics: byOne(move, setFlags), ...always };
  const immediate = { semantics: byImmediate(move, setFlags, 1), ...always, count: "nonzero" } as const;
  const cl = { semantics: byCl(move, setFlags, 1), writesFlags: flags, readsFlags: flags | usesCarry };
  const nothing = { semantics: byNothing, count: "zero" } as const;
  // Counts above the width leave another CF there.
  const earlier = reg >= 4 && reg <= 6 ? { before486: "shift_before_486" } : {};
  return [
    line(mnemonic, `D0 /${reg}`, "Eb:rw 1", one),
    line(mnemonic, `D1 /${reg}`, "Ev:rw 1", one),
    line(mnemonic, `D2 /${reg}`, "Eb:rw CL", { ...cl, ...earlier }),
    line(mnemonic, `D3 /${reg}`, "Ev:rw CL", { ...cl, ...earlier }),
    line(mnemonic, `C0 /${reg}`, "Eb:rw Ib", { ...immediate, ...earlier }),
    line(mnemonic, `C1 /${reg}`, "Ev:rw Ib", { ...immediate, ...earlier }),
    line(mnemonic, `C0 /${reg}`, "Eb:rw Ib", nothing),
    line(mnemonic, `C1 /${reg}`, "Ev:rw Ib", nothing),
  ];
}

function doubleLines(mnemonic: string, opcode: string, clOpcode: string, move: Move): OpcodeLine[] {
  const before486 = "double_shift_before_486";
  return [
    line(mnemonic, `0F ${opcode}`, "Ev:rw Gv Ib", {
      semantics: byImmediate(move, shiftFlags, 2),
      writesFlags: FLAGS_ALL,
      count: "nonzero",
      before486,
    }),
    line(mnemonic, `0F ${opcode}`, "Ev:rw Gv Ib", { semantics: byNothing, count: "zero" }),
    line(mnemonic, `0F ${clOpcode}`, "Ev:rw Gv CL", {
      semantics: byCl(move, shiftFlags, 2),
      writesFlags: FLAGS_ALL,
      readsFlags: FLAGS_ALL,
      before486,
    }),
  ];
}

const CF = 1;

export const shiftLines: readonly OpcodeLine[] = [
  ...lines("rol", 0, rol, rotateFlags, 0),
  ...lines("ror", 1, ror, rotateFlags, 0),
  ...lines("rcl", 2, rcl, rotateFlags, CF),
  ...lines("rcr", 3, rcr, rotateFlags, CF),
  ...lines("shl", 4, shl, shiftFlags, 0),
  ...lines("shr", 5, shr, shiftFlags, 0),
  // /6 is an undocumented twin of /4 on every processor.
  ...lines("shl", 6, shl, shiftFlags, 0),
  ...lines("sar", 7, sar, shiftFlags, 0),
  ...doubleLines("shld", "A4", "A5", shld),
  ...doubleLines("shrd", "AC", "AD", shrd),
];
