import { describe, expect, test } from "vitest";
import { type Comparison, differences, exactly, exactlyAsP6, withinUnits } from "./compare-processor.ts";
import * as forms from "./forms.ts";
import { oracleMissing } from "./native/oracle.ts";
import { Dice, type Extended, finiteOperand } from "./operands.ts";
import type { CaseOptions, Form } from "./records.ts";

const missing = oracleMissing();
if (missing) console.warn(`x87 against the processor: skipped, ${missing}`);

const SETTINGS: readonly (readonly [string, CaseOptions])[] = [
  ["masked exceptions", {}],
  ["unmasked exceptions", { masks: "random" }],
  ["empty registers", { masks: "random", stack: "random" }],
];

/** Shows a few differences rather than thousands. */
function expectSame(
  list: readonly Form[],
  count: number,
  options: CaseOptions,
  same: Comparison = exactly,
): void {
  const found = differences({ forms: list, count, options }, new Dice(0x8087), same);
  expect(found.slice(0, 3)).toEqual([]);
}

/** Single-precision patterns, specials often; without denormals when asked. */
const singles =
  (denormals: boolean) =>
  (dice: Dice, memory: DataView): void => {
    const exponent = dice.pick([1, 2, 0x7e, 0x7f, 0x80, 0xfe, 0xff, dice.below(255) + 1, denormals ? 0 : 1]);
    const fraction = dice.pick([0, 1, 0x400000, 0x3fffff, 0x7fffff, dice.word() & 0x7fffff]);
    memory.setUint32(0, ((dice.below(2) << 31) | (exponent << 23) | fraction) >>> 0, true);
  };

const doubles =
  (denormals: boolean) =>
  (dice: Dice, memory: DataView): void => {
    const exponent = dice.pick([1, 0x3fe, 0x3ff, 0x7fe, 0x7ff, dice.below(2047) + 1, denormals ? 0 : 1]);
    const high = dice.pick([0, 1, 0x80000, 0xfffff, dice.word() & 0xfffff]);
    memory.setUint32(0, dice.pick([0, 1, 0x80000000, dice.word()]), true);
    memory.setUint32(4, ((dice.below(2) << 31) | (exponent << 20) | high) >>> 0, true);
  };

function integers(dice: Dice, memory: DataView): void {
  const value = dice.pick([0, 1, 0xffffffff, 0x8000, 0x7fff, 0x80000000, dice.word(), dice.below(1000)]);
  memory.setUint32(0, value, true);
  memory.setUint32(4, dice.pick([0, 0xffffffff, 0x80000000, dice.word()]), true);
}

function decimals(dice: Dice, memory: DataView): void {
  for (let at = 0; at < 9; at++) memory.setUint8(at, (dice.below(10) << 4) | dice.below(10));
  memory.setUint8(9, dice.below(2) << 7);
}

/** Unbiased exponent from `least` up to `most`. */
const between =
  (least: number, most: number) =>
  (dice: Dice): Extended => {
    const x = finiteOperand(dice);
    x.se = (x.se & 0x8000) | (0x3fff + least + dice.below(most - least + 1));
    return x;
  };

/** Operands near the ends of the integer formats and the decimal one. */
const nearIntegerLimits = between(-2, 66);

describe.skipIf(missing !== undefined)("x87 bit for bit as the processor", () => {
  for (const [name, options] of SETTINGS) {
    test(`register arithmetic: ${name}`, () => expectSame(forms.registerArithmetic, 400, options));
    test(`comparisons: ${name}`, () => expectSame(forms.comparisons, 300, options));
    test(`comparisons to EFLAGS: ${name}`, () =>
      expectSame(forms.flagComparisons, 300, options, exactlyAsP6));
    test(`register moves, signs and constants: ${name}`, () => expectSame(forms.moves, 100, options));
    test(`square root, rounding, scaling, remainders: ${name}`, () =>
      expectSame(forms.exactUnary, 700, options));
    test(`arithmetic with single precision: ${name}`, () =>
      expectSame(forms.singleArithmetic, 300, { ...options, memory: singles(true) }));
    test(`arithmetic with double precision: ${name}`, () =>
      expectSame(forms.doubleArithmetic, 300, { ...options, memory: doubles(true) }));
    test(`arithmetic with integers: ${name}`, () =>
      expectSame(forms.integerArithmetic, 150, { ...options, memory: integers }));
    // An unmasked denormal operand of FLD is a documented difference: see src/cpu/fpu/README.md.
    const masked = options.masks === undefined;
    test(`loads of single precision: ${name}`, () =>
      expectSame(forms.singleLoads, 500, { ...options, memory: singles(masked) }));
    test(`loads of double precision: ${name}`, () =>
      expectSame(forms.doubleLoads, 500, { ...options, memory: doubles(masked) }));
    test(`loads of other formats: ${name}`, () =>
      expectSame(forms.otherLoads, 200, { ...options, memory: integers }));
    test(`loads of packed decimals: ${name}`, () =>
      expectSame(forms.decimalLoads, 200, { ...options, memory: decimals }));
    test(`stores of floating formats: ${name}`, () => expectSame(forms.floatStores, 800, options));
    test(`stores of integers and decimals: ${name}`, () => {
      expectSame(forms.integerStores, 200, options);
      expectSame(forms.integerStores, 400, { ...options, operand: nearIntegerLimits });
    });
    test(`environment and control: ${name}`, () => expectSame(forms.control, 150, options));
  }

  test("the reserved precision-control setting", () =>
    expectSame(forms.registerArithmetic, 50, { precisions: [1] }));
});

describe.skipIf(missing !== undefined)("x87 transcendentals within one unit of the processor", () => {
  const near = withinUnits(1);
  for (const [name, options] of SETTINGS) {
    test(`sines and tangents: ${name}`, () => {
      expectSame(forms.sineFamily, 200, options, near);
      expectSame(forms.sineFamily, 200, { ...options, operand: between(-70, 1) }, near);
      expectSame(forms.sineFamily, 200, { ...options, operand: between(2, 66) }, near);
    });
    test(`exponential: ${name}`, () => {
      expectSame([forms.exponentialForm], 400, { ...options, operand: between(-80, -1) }, near);
    });
    test(`logarithm: ${name}`, () => {
      expectSame([forms.logarithmForm], 400, options, near);
      const aroundOne = (dice: Dice): Extended => {
        const x = between(-1, 0)(dice);
        return { ...x, se: x.se & 0x7fff };
      };
      expectSame([forms.logarithmForm], 400, { ...options, operand: aroundOne }, near);
    });
    test(`logarithm of 1 + x: ${name}`, () =>
      expectSame([forms.logarithmPlusOneForm], 400, { ...options, operand: between(-80, -3) }, near));
    test(`arctangent: ${name}`, () => {
      expectSame([forms.arctangentForm], 400, options, near);
      expectSame([forms.arctangentForm], 400, { ...options, operand: between(-6, 6) }, near);
    });
  }
});
