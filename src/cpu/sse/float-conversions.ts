import { type Helper, Outcome } from "../core.ts";
import { enterMmx } from "../fpu/mmx.ts";
import * as L from "../layout.ts";
import type { CpuState } from "../state.ts";
import { convert, fromInteger, toInt32 } from "./conversion.ts";
import { type Bits, DOUBLE, type Format, SINGLE } from "./format.ts";
import { mmxAt, readSource, result, settle, source, writeResult, xmmAt } from "./operands.ts";

/** Conversions between integers and the two formats. */

const A: Bits = { lo: 0, hi: 0 };
const OUT: Bits = { lo: 0, hi: 0 };
const GENERAL_WORDS = 2;

/** An element as it is in the registers: words, and how to get one from A. */
interface Kind {
  readonly words: 1 | 2;
}
const INTEGER: Kind = { words: 1 };
const kindOf = (format: Format): Kind => ({ words: format.double ? 2 : 1 });

type Element = (mxcsr: number, a: Bits, out: Bits) => number;

/** Where source and destination are. */
type Register = "xmm" | "mmx" | "general";
const registerAt = (kind: Register, n: number): number =>
  kind === "xmm" ? xmmAt(n) : kind === "mmx" ? mmxAt(n) : n * GENERAL_WORDS;

interface Conversion {
  readonly from: Kind;
  readonly to: Kind;
  readonly element: Element;
  /** Elements converted, and words of zeros behind them. */
  readonly count: 1 | 2 | 4;
  readonly zeros?: number;
  readonly source?: Register;
  readonly destination?: Register;
}

const converting = (c: Conversion): Helper => {
  const { from, to, element, count, zeros = 0, source: sourceKind = "xmm", destination = "xmm" } = c;
  const bytes = count * from.words * 4;
  return (core, op) => {
    const { state } = core;
    readSource(core, op, bytes, registerAt(sourceKind, op.rm));
    const mxcsr = state.get(L.MXCSR);
    let flags = 0;
    for (let k = 0; k < count; k++) {
      A.lo = source[k * from.words] as number;
      A.hi = from.words === 2 ? (source[k * 2 + 1] as number) : 0;
      flags |= element(mxcsr, A, OUT);
      result[k * to.words] = OUT.lo;
      if (to.words === 2) result[k * 2 + 1] = OUT.hi;
    }
    const written = count * to.words;
    result.fill(0, written, written + zeros);
    // As the processor of the recorded cases does: even where an exception then keeps the result back.
    if (destination === "mmx" || (sourceKind === "mmx" && !op.memory)) enterMmx(state);
    settle(core, flags);
    const at = registerAt(destination, op.reg);
    writeResult(core, at, (written + zeros) * 4);
    if (destination === "mmx") fillExponent(state, at);
    return Outcome.next;
  };
};

/** What is written to an MMX register reads as a NaN or infinity from the x87. */
function fillExponent({ u16 }: CpuState, register: number): void {
  u16[(register << 1) + 4] = 0xffff;
}

const toFloat =
  (format: Format): Element =>
  (mxcsr, a, out) =>
    fromInteger(format, mxcsr, a.lo, out);
const toWord =
  (format: Format, truncate: boolean): Element =>
  (mxcsr, a, out) =>
    toInt32(format, mxcsr, a, truncate, out);
const between =
  (from: Format, to: Format): Element =>
  (mxcsr, a, out) =>
    convert(from, to, mxcsr, a, out);

const S = kindOf(SINGLE);
const D = kindOf(DOUBLE);

/** By mnemonic. */
export const FLOAT_CONVERSIONS: Readonly<Record<string, Helper>> = {
  cvtsi2ss: converting({ from: INTEGER, to: S, element: toFloat(SINGLE), count: 1, source: "general" }),
  cvtdq2ps: converting({ from: INTEGER, to: S, element: toFloat(SINGLE), count: 4 }),
  cvtpi2ps: converting({ from: INTEGER, to: S, element: toFloat(SINGLE), count: 2, source: "mmx" }),
  cvtpi2pd: converting({ from: INTEGER, to: D, element: toFloat(DOUBLE), count: 2, source: "mmx" }),
  cvtss2sd: converting({ from: S, to: D, element: between(SINGLE, DOUBLE), count: 1 }),
  cvtsd2ss: converting({ from: D, to: S, element: between(DOUBLE, SINGLE), count: 1 }),
  cvtps2pd: converting({ from: S, to: D, element: between(SINGLE, DOUBLE), count: 2 }),
  cvtpd2ps: converting({ from: D, to: S, element: between(DOUBLE, SINGLE), count: 2, zeros: 2 }),
  ...Object.fromEntries(
    (["", "t"] as const).flatMap((t) => {
      const single = { from: S, to: INTEGER, element: toWord(SINGLE, t === "t") } as const;
      const double = { from: D, to: INTEGER, element: toWord(DOUBLE, t === "t") } as const;
      return [
        [`cvt${t}ss2si`, converting({ ...single, count: 1, destination: "general" })],
        [`cvt${t}sd2si`, converting({ ...double, count: 1, destination: "general" })],
        [`cvt${t}ps2dq`, converting({ ...single, count: 4 })],
        [`cvt${t}pd2dq`, converting({ ...double, count: 2, zeros: 2 })],
        [`cvt${t}ps2pi`, converting({ ...single, count: 2, destination: "mmx" })],
        [`cvt${t}pd2pi`, converting({ ...double, count: 2, destination: "mmx" })],
      ] as const;
    }),
  ),
};
