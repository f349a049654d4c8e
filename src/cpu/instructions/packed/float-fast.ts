import { and, type Expr, eq, eqz, i32, or, select } from "../../ir/expr.ts";
import { bitmask, lane32, v128, vector, withLane32, ZERO_VECTOR } from "../../ir/simd.ts";
import { MXCSR } from "../../layout.ts";
import type { Semantics, SemanticsContext } from "../context.ts";

/**
 * The ordinary case of floating-point instructions, done by WebAssembly's own: operands that are no denormals, results that are normal numbers, so
 * that no exception can come of it but an inexact result; and that one has been there before, everything is masked, and rounding is to
 * nearest. All else is done by the helpers (src/cpu/sse).
 */

const MODES = 0xffe0;
/** Rounding to nearest, exceptions masked, no FTZ and DAZ, PE set. */
const ORDINARY = 0x1fa0;
const PE = 0x20;
const DAZ = 0x40;
const PM = 0x1000;

/** PS, PD, SS, SD. */
export interface Kind {
  readonly format: "f32x4" | "f64x2";
  readonly scalar: boolean;
}

const bytes = (words: readonly number[]): Expr =>
  v128(words.flatMap((word) => [word & 0xff, (word >>> 8) & 0xff, (word >>> 16) & 0xff, word >>> 24]));
const LEAST = {
  f32x4: bytes([0x800000, 0x800000, 0x800000, 0x800000]),
  f64x2: bytes([0, 0x100000, 0, 0x100000]),
} as const;
const INFINITE = {
  f32x4: bytes([0x7f800000, 0x7f800000, 0x7f800000, 0x7f800000]),
  f64x2: bytes([0, 0x7ff00000, 0, 0x7ff00000]),
} as const;

const ordinary = (c: SemanticsContext): Expr => eq(and(c.state(MXCSR), i32(MODES)), i32(ORDINARY));

/** A mask of the elements that are denormal. */
function denormal({ format }: Kind, x: Expr): Expr {
  const small = vector(`${format}.lt`, vector(`${format}.abs`, x), LEAST[format]);
  return vector("v128.and", small, vector(`${format}.ne`, x, ZERO_VECTOR));
}

const notNumber = ({ format }: Kind, x: Expr): Expr => vector(`${format}.ne`, x, x);

/** A mask of the elements that are normal and not the least of these (what is rounded to that may have been tiny). */
function normal({ format }: Kind, x: Expr): Expr {
  const size = vector(`${format}.abs`, x);
  return vector(
    "v128.and",
    vector(`${format}.lt`, LEAST[format], size),
    vector(`${format}.lt`, size, INFINITE[format]),
  );
}

/** No element that counts is in the mask. */
const none = ({ scalar }: Kind, mask: Expr): Expr =>
  eqz(scalar ? lane32(mask, 0) : bitmask("v128.any_true", mask));

const either = (a: Expr, b: Expr): Expr => vector("v128.or", a, b);
const not = (a: Expr): Expr => vector("v128.not", a);

/** Of the elements whose result is zero, a mask of those that are exactly that. */
function exactZeros(op: "add" | "sub" | "mul" | "div", { format }: Kind, a: Expr, b: Expr): Expr {
  const isZero = (x: Expr) => vector(`${format}.eq`, x, ZERO_VECTOR);
  if (op === "mul") return either(isZero(a), isZero(b));
  return op === "div" ? isZero(a) : not(ZERO_VECTOR);
}

/** ADD, SUB, MUL, DIV. */
export const fastArithmetic =
  (op: "add" | "sub" | "mul" | "div", kind: Kind): Semantics =>
  (c) => {
    const { format } = kind;
    c.when(ordinary(c), () => {
      const a = c.readVector(0);
      const b = c.readVector(1);
      const result = c.let(vector(`${format}.${op}`, a, b));
      const zero = vector(
        "v128.and",
        vector(`${format}.eq`, result, ZERO_VECTOR),
        exactZeros(op, kind, a, b),
      );
      const good = either(normal(kind, result), zero);
      const bad = either(not(good), either(denormal(kind, a), denormal(kind, b)));
      c.when(none(kind, bad), () => {
        c.writeVector(0, result);
        c.finish();
      });
    });
  };

/** SQRT. */
export const fastRoot =
  (kind: Kind): Semantics =>
  (c) => {
    c.when(ordinary(c), () => {
      const b = c.readVector(1);
      const root = c.let(vector(`${kind.format}.sqrt`, b));
      c.when(none(kind, either(not(normal(kind, root)), denormal(kind, b))), () => {
        c.writeVector(0, root);
        c.finish();
      });
    });
  };

/** Neither a NaN nor a denormal among the elements of both: comparisons then raise nothing, whatever MXCSR says. */
function comparable(kind: Kind, a: Expr, b: Expr): Expr {
  const bad = either(notNumber(kind, a), notNumber(kind, b));
  return none(kind, either(bad, either(denormal(kind, a), denormal(kind, b))));
}

/** MIN and MAX: the second operand unless the first is strictly on the wanted side. */
export const fastExtreme =
  (op: "pmin" | "pmax", kind: Kind): Semantics =>
  (c) => {
    const a = c.readVector(0);
    const b = c.readVector(1);
    c.when(comparable(kind, a, b), () => {
      c.writeVector(0, vector(`${kind.format}.${op}`, b, a));
      c.finish();
    });
  };

/** CMP: equal, less, less or equal, unordered; the opposites with bit 2. */
export const fastCompare =
  (kind: Kind): Semantics =>
  (c) => {
    const { format } = kind;
    const a = c.readVector(0);
    const b = c.readVector(1);
    c.when(comparable(kind, a, b), () => {
      const predicate = c.let(c.read(2));
      const which = c.let(and(predicate, i32(3)));
      const less = c.let(vector(`${format}.lt`, a, b));
      const equal = c.let(vector(`${format}.eq`, a, b));
      const withLess = select(and(predicate, i32(1)), less, either(less, equal));
      const mask = c.let(select(eqz(which), equal, select(eq(which, i32(3)), ZERO_VECTOR, withLess)));
      c.writeVector(0, select(and(predicate, i32(4)), not(mask), mask));
      c.finish();
    });
  };

/** Bits 31 and 30 of the word of carries: CF without OF. */
const CARRY = 0xc0000000 | 0;
/** A word of SF and PF with neither. */
const NEITHER = 1;

/** COMIS and UCOMIS of ordered operands: ZF or CF or neither. */
export const fastOrder =
  (kind: Kind): Semantics =>
  (c) => {
    const { format } = kind;
    const a = c.readVector(0);
    const b = c.readVector(1);
    c.when(comparable(kind, a, b), () => {
      const equal = lane32(vector(`${format}.eq`, a, b), 0);
      const less = lane32(vector(`${format}.lt`, a, b), 0);
      c.setFlags(c.let(eqz(equal)), i32(NEITHER), c.let(and(less, i32(CARRY))));
      c.finish();
    });
  };

/** CVTSI2SS and CVTDQ2PS: at worst inexact. */
export const fastFromInteger: Semantics = (c) => {
  c.when(ordinary(c), () => {
    const scalar = c.vectorBytes(0) === 4;
    const from = scalar ? withLane32(ZERO_VECTOR, 0, c.read(1)) : c.readVector(1);
    c.writeVector(0, vector("f32x4.convert_i32x4_s", from));
    c.finish();
  });
};

/** CVTSI2SD, CVTDQ2PD, CVTPI2PD: exact, so the whole of it. */
export const exactFromInteger: Semantics = (c) => {
  const general = c.vectorBytes(0) === 8;
  const from = general ? withLane32(ZERO_VECTOR, 0, c.read(1)) : c.readVector(1);
  c.writeVector(0, vector("f64x2.convert_low_i32x4_s", from));
};

/** CVTTSS2SI, CVTTSD2SI: what fits; inexact only if that has been there before. */
export const fastTruncate =
  (kind: Kind): Semantics =>
  (c) => {
    const double = kind.format === "f64x2";
    const b = c.readVector(1);
    const integers = c.let(vector(double ? "i32x4.trunc_sat_f64x2_s_zero" : "i32x4.trunc_sat_f32x4_s", b));
    const back = vector(double ? "f64x2.convert_low_i32x4_s" : "f32x4.convert_i32x4_s", integers);
    const value = c.let(lane32(integers, 0));
    // What does not fit has become the largest or the least integer, a NaN zero.
    const fits = and(eqz(eq(value, i32(0x7fffffff))), eqz(eq(value, i32(0x80000000 | 0))));
    const exact = eqz(eqz(lane32(vector(`${kind.format}.eq`, back, b), 0)));
    const inexact = eq(and(c.state(MXCSR), i32(PE | DAZ | PM)), i32(PE | PM));
    const number = eqz(lane32(notNumber(kind, b), 0));
    c.when(c.let(and(and(fits, number), or(exact, inexact))), () => {
      c.write(0, value);
      c.finish();
    });
  };

/** CVTSS2SD, CVTPS2PD: exact but for NaNs and denormals. */
export const fastWiden =
  (kind: Kind): Semantics =>
  (c) => {
    const b = c.readVector(1);
    c.when(none(kind, either(notNumber(kind, b), denormal(kind, b))), () => {
      c.writeVector(0, vector("f64x2.promote_low_f32x4", b));
      c.finish();
    });
  };

const SINGLES: Kind = { format: "f32x4", scalar: false };

/** CVTSD2SS, CVTPD2PS (`kind` of the source). */
export const fastNarrow =
  (kind: Kind): Semantics =>
  (c) => {
    c.when(ordinary(c), () => {
      const b = c.readVector(1);
      const short = c.let(vector("f32x4.demote_f64x2_zero", b));
      const ones: Kind = { ...SINGLES, scalar: kind.scalar };
      // The upper elements are zeros, which are none of the result's affair.
      const good = normal(ones, short);
      const counted = kind.scalar ? good : either(good, UPPER_HALF);
      c.when(none(ones, not(counted)), () => {
        c.writeVector(0, short);
        c.finish();
      });
    });
  };

const UPPER_HALF = bytes([0, 0, -1, -1]);
