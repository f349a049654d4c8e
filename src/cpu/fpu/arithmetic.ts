import { ARITHMETIC_FLAGS, Flag } from "../state.ts";
import { add, subtract } from "./add.ts";
import { compareOrdered, compareUnordered, Order } from "./compare.ts";
import { divide } from "./divide.ts";
import { C0, C2, C3, DE, IE, ZE } from "./flags.ts";
import { isNan, setIndefinite } from "./float80.ts";
import { multiply } from "./multiply.ts";
import type { Unit } from "./unit.ts";

const OF_SF_AF = Flag.OF | Flag.SF | Flag.AF;

/** Computes `result` from `a` (ST(0)) and `b` (the other operand) for a ModRM.reg of the arithmetic opcodes; 2 and 3 are comparisons. */
function operate(unit: Unit, operation: number): void {
  const { env, a, b, result } = unit;
  switch (operation) {
    case 0:
      add(env, a, b, result);
      return;
    case 1:
      multiply(env, a, b, result);
      return;
    case 4:
      subtract(env, a, b, result);
      return;
    case 5:
      subtract(env, b, a, result);
      return;
    case 6:
      divide(env, a, b, result);
      return;
    default:
      divide(env, b, a, result);
      return;
  }
}

/** D8, DC and DE with registers: `destination` is 0 or the other operand `i`. */
export function arithmeticRegisters(
  unit: Unit,
  operation: number,
  i: number,
  destination: number,
  pops: boolean,
): void {
  if (unit.isEmpty(0) || unit.isEmpty(i)) {
    unit.underflow();
    setIndefinite(unit.result);
  } else {
    unit.read(0, unit.a);
    unit.read(i, unit.b);
    operate(unit, operation);
  }
  if (unit.settle()) {
    unit.write(destination, unit.result);
    if (pops) unit.pop();
  }
}

/** Arithmetic or comparison of ST(0) with a memory operand already in `unit.b`. `denormal`: it was one in its memory format. */
export function arithmeticMemory(unit: Unit, operation: number, denormal: boolean): void {
  if (operation === 2 || operation === 3) {
    compareWith(unit, denormal, operation - 2);
    return;
  }
  if (unit.isEmpty(0)) {
    unit.underflow();
    setIndefinite(unit.result);
  } else {
    unit.read(0, unit.a);
    operate(unit, operation);
    noteMemoryDenormal(unit, denormal);
  }
  if (unit.settle()) unit.write(0, unit.result);
}

/** The denormal exception that the expanded operand no longer shows; NaNs and invalid operations come first. */
function noteMemoryDenormal(unit: Unit, denormal: boolean): void {
  if (denormal && (unit.env.flags & (IE | ZE)) === 0 && !isNan(unit.a)) unit.env.flags |= DE;
}

function compareWith(unit: Unit, denormal: boolean, pops: number): void {
  let order: number = Order.unordered;
  if (unit.isEmpty(0)) unit.underflow();
  else {
    unit.read(0, unit.a);
    order = compareOrdered(unit.env, unit.a, unit.b);
    noteMemoryDenormal(unit, denormal);
  }
  finishCompare(unit, order, pops);
}

/** FCOM, FUCOM and their popping forms with ST(i); codes go to C0, C2, C3. */
export function compareRegisters(unit: Unit, i: number, ordered: boolean, pops: number): void {
  finishCompare(unit, orderOf(unit, i, ordered), pops);
}

function finishCompare(unit: Unit, order: number, pops: number): void {
  const go = unit.settle();
  unit.setCondition(order);
  if (go) for (let n = 0; n < pops; n++) unit.pop();
}

/**
 * FCOMI, FUCOMI: the order goes to ZF (C3), PF (C2) and CF (C0), unless an unmasked invalid operation was met; OF, SF and AF are
 * cleared always.
 */
export function compareToFlags(unit: Unit, i: number, ordered: boolean, pops: number): void {
  const order = orderOf(unit, i, ordered);
  const go = unit.settle();
  if (!go && unit.env.flags & IE) {
    unit.eflags &= ~OF_SF_AF;
    return;
  }
  const flags = (order & C3 ? Flag.ZF : 0) | (order & C2 ? Flag.PF : 0) | (order & C0 ? Flag.CF : 0);
  unit.eflags = (unit.eflags & ~ARITHMETIC_FLAGS) | flags;
  if (go && pops) unit.pop();
}

function orderOf(unit: Unit, i: number, ordered: boolean): number {
  if (unit.isEmpty(0) || unit.isEmpty(i)) {
    unit.underflow();
    return Order.unordered;
  }
  unit.read(0, unit.a);
  unit.read(i, unit.b);
  return ordered ? compareOrdered(unit.env, unit.a, unit.b) : compareUnordered(unit.env, unit.a, unit.b);
}
