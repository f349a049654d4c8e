import { type Core, type Helper, type HelperOp, Outcome } from "../core.ts";
import * as L from "../layout.ts";
import { binary, extreme, OPERATIONS, root } from "./arithmetic.ts";
import { compare, comparison, holds, isQuiet, Relation } from "./comparison.ts";
import { reciprocal, reciprocalRoot } from "./estimate.ts";
import { type Bits, DOUBLE, type Format, SINGLE } from "./format.ts";
import { readSource, result, settle, source, writeResult, xmmAt } from "./operands.ts";

/** Instructions on the elements of XMM registers, one by one. */

const A: Bits = { lo: 0, hi: 0 };
const B: Bits = { lo: 0, hi: 0 };
const OUT: Bits = { lo: 0, hi: 0 };

/** Operation on one element: writes `out` and gives exceptions as bits of MXCSR. */
type Element = (mxcsr: number, a: Bits, b: Bits, out: Bits, op: HelperOp) => number;

const wordsOf = (format: Format): 1 | 2 => (format.double ? 2 : 1);

function load(format: Format, words: Int32Array, at: number, into: Bits): void {
  into.lo = words[at] as number;
  into.hi = format.double ? (words[at + 1] as number) : 0;
}

/** destination = element by element of destination and source; `scalar`: of the lowest only. */
const elementwise =
  (format: Format, scalar: boolean, element: Element): Helper =>
  (core, op) => {
    const step = wordsOf(format);
    const words = scalar ? step : 4;
    readSource(core, op, words * 4);
    const mxcsr = core.state.get(L.MXCSR);
    const destination = xmmAt(op.reg);
    let flags = 0;
    for (let k = 0; k < words; k += step) {
      load(format, core.state.i32, destination + k, A);
      load(format, source, k, B);
      flags |= element(mxcsr, A, B, OUT, op);
      result[k] = OUT.lo;
      if (format.double) result[k + 1] = OUT.hi;
    }
    settle(core, flags);
    writeResult(core, destination, words * 4);
    return Outcome.next;
  };

/** CMPPS and its kin: all ones where the predicate of the immediate holds, else zeros. */
const comparing =
  (format: Format): Element =>
  (mxcsr, a, b, out, op) => {
    const predicate = op.immediate & 7;
    const relation = compare(format, mxcsr, a, b, isQuiet(predicate));
    const mask = holds(predicate, relation) ? -1 : 0;
    out.lo = mask;
    out.hi = mask;
    return comparison.flags;
  };

const CF = 0x1;
const PF = 0x4;
const ZF = 0x40;
const ARITHMETIC = 0x8d5;

function flagsOf(relation: Relation): number {
  switch (relation) {
    case Relation.less:
      return CF;
    case Relation.equal:
      return ZF;
    case Relation.greater:
      return 0;
    default:
      return ZF | PF | CF;
  }
}

/** COMISS and, `quiet`, UCOMISS. */
const ordering =
  (format: Format, quiet: boolean): Helper =>
  (core: Core, op: HelperOp) => {
    const { state } = core;
    readSource(core, op, wordsOf(format) * 4);
    load(format, state.i32, xmmAt(op.reg), A);
    load(format, source, 0, B);
    const relation = compare(format, state.get(L.MXCSR), A, B, quiet);
    settle(core, comparison.flags);
    state.eflags = (state.eflags & ~ARITHMETIC) | flagsOf(relation);
    return Outcome.next;
  };

const ELEMENTS: Readonly<Record<string, (format: Format) => Element>> = {
  add: (format) => (mxcsr, a, b, out) => binary(OPERATIONS.add, format, mxcsr, a, b, out),
  sub: (format) => (mxcsr, a, b, out) => binary(OPERATIONS.subtract, format, mxcsr, a, b, out),
  mul: (format) => (mxcsr, a, b, out) => binary(OPERATIONS.multiply, format, mxcsr, a, b, out),
  div: (format) => (mxcsr, a, b, out) => binary(OPERATIONS.divide, format, mxcsr, a, b, out),
  sqrt: (format) => (mxcsr, _, b, out) => root(format, mxcsr, b, out),
  min: (format) => (mxcsr, a, b, out) => extreme(format, mxcsr, a, b, true, out),
  max: (format) => (mxcsr, a, b, out) => extreme(format, mxcsr, a, b, false, out),
  cmp: comparing,
};

const estimating =
  (estimate: (a: Bits, out: Bits) => void): Element =>
  (_mxcsr, _a, b, out) => {
    estimate(b, out);
    return 0;
  };

/** Suffix of mnemonics: format, and whether of the lowest element only. */
const KINDS = {
  ps: [SINGLE, false],
  pd: [DOUBLE, false],
  ss: [SINGLE, true],
  sd: [DOUBLE, true],
} as const;

/** By mnemonic. */
export const FLOAT_OPERATIONS: Readonly<Record<string, Helper>> = {
  ...Object.fromEntries(
    Object.entries(ELEMENTS).flatMap(([name, element]) =>
      Object.entries(KINDS).map(([suffix, [format, scalar]]) => [
        name + suffix,
        elementwise(format, scalar, element(format)),
      ]),
    ),
  ),
  rcpps: elementwise(SINGLE, false, estimating(reciprocal)),
  rcpss: elementwise(SINGLE, true, estimating(reciprocal)),
  rsqrtps: elementwise(SINGLE, false, estimating(reciprocalRoot)),
  rsqrtss: elementwise(SINGLE, true, estimating(reciprocalRoot)),
  comiss: ordering(SINGLE, false),
  comisd: ordering(DOUBLE, false),
  ucomiss: ordering(SINGLE, true),
  ucomisd: ordering(DOUBLE, true),
};
