import { DE, IE } from "../fpu/flags.ts";
import { order, take } from "./arithmetic.ts";
import { type Bits, type Format, isDenormal, isNan, isSignalling } from "./format.ts";

/** How two elements compare; unordered: one of them is a NaN. */
export const Relation = { less: -1, equal: 0, greater: 1, unordered: 2 } as const;
export type Relation = (typeof Relation)[keyof typeof Relation];

const X: Bits = { lo: 0, hi: 0 };
const Y: Bits = { lo: 0, hi: 0 };

/** Of the last comparison: the exceptions met, as bits of MXCSR. */
export const comparison = { flags: 0 };

/** Compares two elements. `quiet`: quiet NaNs are no invalid operation (UCOMISS; CMPSS for equality and order alone). */
export function compare(format: Format, mxcsr: number, a: Bits, b: Bits, quiet: boolean): Relation {
  take(format, mxcsr, a, X);
  take(format, mxcsr, b, Y);
  if (isNan(format, X) || isNan(format, Y)) {
    comparison.flags = !quiet || isSignalling(format, X) || isSignalling(format, Y) ? IE : 0;
    return Relation.unordered;
  }
  comparison.flags = isDenormal(format, X) || isDenormal(format, Y) ? DE : 0;
  return order(format, X, Y) as Relation;
}

/** Predicates of CMPSS and its kin (SDM vol. 2, table 3-1): equal, less, less or equal, unordered, then the opposites. */
export function holds(predicate: number, relation: Relation): boolean {
  let yes: boolean;
  switch (predicate & 3) {
    case 0:
      yes = relation === Relation.equal;
      break;
    case 1:
      yes = relation === Relation.less;
      break;
    case 2:
      yes = relation === Relation.less || relation === Relation.equal;
      break;
    default:
      yes = relation === Relation.unordered;
      break;
  }
  return yes !== ((predicate & 4) !== 0);
}

/** The predicates that ask for an order find every NaN invalid. */
export const isQuiet = (predicate: number): boolean => (predicate & 3) === 0 || (predicate & 3) === 3;
