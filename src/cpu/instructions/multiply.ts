import {
  and,
  binary,
  type Expr,
  eq,
  eqz,
  extendS,
  extendU,
  geU,
  i32,
  i64,
  ne,
  or,
  shl,
  shrU,
  sub,
  mul as times,
  wrap,
} from "../ir/expr.ts";
import type { Semantics, SemanticsContext } from "./context.ts";
import { line } from "./define.ts";
import { CF_OF, setCarryAndOverflow, signExtend, zeroExtend } from "./flags.ts";
import { FLAGS_ALL, type OpcodeLine } from "./line.ts";

const EAX = 0;
const EDX = 2;

/** MUL: AX = AL * src, DX:AX = AX * src, EDX:EAX = EAX * src. CF = OF = the upper half is not zero; other flags stay. */
export const mul: Semantics = (c) => {
  const source = c.read(0);
  const { width } = c;
  if (width === 32) {
    const product = c.let(times(extendU(source), extendU(c.reg(EAX, 32))));
    const high = c.let(wrap(shrU(product, i64(32n))));
    c.setReg(EAX, 32, wrap(product));
    c.setReg(EDX, 32, high);
    setCarryAndOverflow(c, ne(high, i32(0)));
    return;
  }
  const product = c.let(times(source, c.reg(EAX, width)));
  setNarrowProduct(c, product);
  setCarryAndOverflow(c, ne(shrU(product, i32(width)), i32(0)));
};

/** IMUL of the accumulator: as MUL, signed. CF = OF = the product does not fit the lower half. */
export const imul: Semantics = (c) => {
  const source = c.read(0);
  const { width } = c;
  if (width === 32) {
    const product = c.let(times(extendS(source), extendS(c.reg(EAX, 32))));
    const low = c.let(wrap(product));
    c.setReg(EAX, 32, low);
    c.setReg(EDX, 32, wrap(shrU(product, i64(32n))));
    setCarryAndOverflow(c, ne(extendS(low), product));
    return;
  }
  const product = c.let(times(signExtend(source, width), signExtend(c.reg(EAX, width), width)));
  setNarrowProduct(c, product);
  setCarryAndOverflow(c, ne(signExtend(product, width), product));
};

function setNarrowProduct(c: SemanticsContext, product: Expr): void {
  if (c.width === 8) {
    c.setReg(EAX, 16, zeroExtend(product, 16));
    return;
  }
  c.setReg(EAX, 16, zeroExtend(product, 16));
  c.setReg(EDX, 16, shrU(product, i32(16)));
}

/** IMUL with two or three operands: the lower half only. */
const imulInto =
  (first: number, second: number): Semantics =>
  (c) => {
    const { width } = c;
    const a = c.read(first);
    const b = c.read(second);
    if (width === 32) {
      const product = c.let(times(extendS(a), extendS(b)));
      const low = c.let(wrap(product));
      c.write(0, low);
      setCarryAndOverflow(c, ne(extendS(low), product));
      return;
    }
    const product = c.let(times(signExtend(a, width), signExtend(b, width)));
    c.write(0, zeroExtend(product, width));
    setCarryAndOverflow(c, ne(signExtend(product, width), product));
  };

const DIVIDE_ERROR = 0;

/** DIV: #DE when the quotient does not fit, which is when the upper half is not below the divisor (zero included). */
export const div: Semantics = (c) => {
  const divisor = c.read(0);
  const { width } = c;
  if (width === 32) {
    const high = c.let(c.reg(EDX, 32));
    c.raiseIf(geU(high, divisor), DIVIDE_ERROR);
    const dividend = c.let(or(shl(extendU(high), i64(32n)), extendU(c.reg(EAX, 32))));
    const wide = c.let(extendU(divisor));
    const quotient = c.let(binary("div_u", dividend, wide));
    setQuotient(c, wrap(quotient), wrap(sub(dividend, times(quotient, wide))));
    return;
  }
  const dividend = c.let(narrowDividend(c));
  c.raiseIf(geU(shrU(dividend, i32(width)), divisor), DIVIDE_ERROR);
  const quotient = c.let(binary("div_u", dividend, divisor));
  setQuotient(c, quotient, sub(dividend, times(quotient, divisor)));
};

/** IDIV: truncates towards zero; the remainder has the dividend's sign. #DE for a zero divisor or a quotient that does not fit. */
export const idiv: Semantics = (c) => {
  const { width } = c;
  const divisor = c.let(signExtend(c.read(0), width));
  c.raiseIf(eqz(divisor), DIVIDE_ERROR);
  if (width === 32) {
    const dividend = c.let(or(shl(extendU(c.reg(EDX, 32)), i64(32n)), extendU(c.reg(EAX, 32))));
    const least = eq(dividend, i64(-(1n << 63n)));
    // The one division that WebAssembly refuses; its quotient would not fit either.
    c.raiseIf(and(least, eq(divisor, i32(-1))), DIVIDE_ERROR);
    const wide = c.let(extendS(divisor));
    const quotient = c.let(binary("div_s", dividend, wide));
    c.raiseIf(ne(extendS(wrap(quotient)), quotient), DIVIDE_ERROR);
    setQuotient(c, wrap(quotient), wrap(sub(dividend, times(quotient, wide))));
    return;
  }
  const dividend = c.let(width === 8 ? signExtend(narrowDividend(c), 16) : narrowDividend(c));
  if (width === 16) {
    c.raiseIf(and(eq(dividend, i32(0x80000000 | 0)), eq(divisor, i32(-1))), DIVIDE_ERROR);
  }
  const quotient = c.let(binary("div_s", dividend, divisor));
  c.raiseIf(ne(signExtend(quotient, width), quotient), DIVIDE_ERROR);
  setQuotient(c, quotient, sub(dividend, times(quotient, divisor)));
};

/** AX, or DX:AX as one word. */
function narrowDividend(c: SemanticsContext): Expr {
  return c.width === 8 ? c.reg(EAX, 16) : or(shl(c.reg(EDX, 16), i32(16)), c.reg(EAX, 16));
}

/** Stores quotient and remainder (AL and AH, (E)AX and (E)DX), then the flags: undefined by the manual, AF alone set on processors. */
function setQuotient(c: SemanticsContext, quotient: Expr, remainder: Expr): void {
  const { width } = c;
  const q = c.let(zeroExtend(quotient, width));
  const r = c.let(zeroExtend(remainder, width));
  if (width === 8) c.setReg(EAX, 16, or(shl(r, i32(8)), q));
  else {
    c.setReg(EAX, width, q);
    c.setReg(EDX, width, r);
  }
  // Not zero, not negative, odd parity; CF and OF stay.
  c.setFlags(i32(1), i32(1), or(c.flagAux(), i32(8)));
}

const MULTIPLY = { writesFlags: CF_OF } as const;
const DIVIDE = { writesFlags: FLAGS_ALL & ~CF_OF } as const;

export const multiplyLines: readonly OpcodeLine[] = [
  line("mul", "F6 /4", "Eb", { semantics: mul, ...MULTIPLY, before486: "multiply_before_486" }),
  line("mul", "F7 /4", "Ev", { semantics: mul, ...MULTIPLY, before486: "multiply_before_486" }),
  line("imul", "F6 /5", "Eb", { semantics: imul, ...MULTIPLY, before486: "multiply_before_486" }),
  line("imul", "F7 /5", "Ev", { semantics: imul, ...MULTIPLY, before486: "multiply_before_486" }),
  line("imul", "0F AF", "Gv:rw Ev", {
    semantics: imulInto(0, 1),
    ...MULTIPLY,
    before486: "multiply_into_before_486",
  }),
  line("imul", "69", "Gv:w Ev Iz", {
    semantics: imulInto(1, 2),
    ...MULTIPLY,
    before486: "multiply_into_before_486",
  }),
  line("imul", "6B", "Gv:w Ev Ibs", {
    semantics: imulInto(1, 2),
    ...MULTIPLY,
    before486: "multiply_into_before_486",
  }),
  line("div", "F6 /6", "Eb", { semantics: div, ...DIVIDE, before486: "divide_before_486" }),
  line("div", "F7 /6", "Ev", { semantics: div, ...DIVIDE, before486: "divide_before_486" }),
  line("idiv", "F6 /7", "Eb", { semantics: idiv, ...DIVIDE, before486: "idiv_before_486" }),
  line("idiv", "F7 /7", "Ev", { semantics: idiv, ...DIVIDE, before486: "idiv_before_486" }),
];
