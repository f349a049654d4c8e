import { Vector } from "../core.ts";
import { compareOrdered, Order } from "./compare.ts";
import { C0, C1, C2, C3, CONDITION, Rounding, SF } from "./flags.ts";
import {
  BIAS,
  copy,
  type Float80,
  float80,
  isNan,
  Kind,
  kindOf,
  SIGN,
  set,
  setIndefinite,
} from "./float80.ts";
import { roundToIntegral } from "./integral.ts";
import { exponential, logarithm, logarithmPlusOne } from "./logarithm.ts";
import { load } from "./memory-forms.ts";
import { NO_QUOTIENT, partialRemainder } from "./remainder.ts";
import type { Environment } from "./rounding.ts";
import { extract, scale } from "./scale.ts";
import { squareRoot } from "./square-root.ts";
import { fcos, fpatan, fsin, fsincos, ftan, outOfRange } from "./trigonometry.ts";
import type { Unit } from "./unit.ts";

/** Constants of FLD1 … FLDZ: sign/exponent, significand truncated, and whether rounding to nearest adds one unit. */
const CONSTANTS: readonly (readonly [number, number, number, boolean | null])[] = [
  [0x3fff, 0x80000000, 0, null],
  [0x4000, 0xd49a784b, 0xcd1b8afe, false],
  [0x3fff, 0xb8aa3b29, 0x5c17f0bb, true],
  [0x4000, 0xc90fdaa2, 0x2168c234, true],
  [0x3ffd, 0x9a209a84, 0xfbcff798, true],
  [0x3ffe, 0xb17217f7, 0xd1cf79ab, true],
  [0, 0, 0, null],
];
const ZERO = float80();

/** D9 E0..FF; `code` is the low six bits of ModRM, 0x20..0x3f. */
export function executeD9Unary(unit: Unit, code: number): void {
  switch (code) {
    case 0x20:
      changeSign(unit, SIGN, SIGN);
      return;
    case 0x21:
      changeSign(unit, 0x7fff, 0);
      return;
    case 0x24:
      test(unit);
      return;
    case 0x25:
      examine(unit);
      return;
    case 0x30:
      unary(unit, exponential);
      return;
    case 0x31:
      binaryPopping(unit, logarithm);
      return;
    case 0x32:
      trigonometricPushing(unit, tangentAndOne);
      return;
    case 0x33:
      binaryPopping(unit, fpatan);
      return;
    case 0x34:
      extractParts(unit);
      return;
    case 0x35:
      remainder(unit, true);
      return;
    case 0x36:
      unit.status &= ~C1;
      unit.top = unit.top - 1;
      return;
    case 0x37:
      unit.status &= ~C1;
      unit.top = unit.top + 1;
      return;
    case 0x38:
      remainder(unit, false);
      return;
    case 0x39:
      binaryPopping(unit, logarithmPlusOne);
      return;
    case 0x3a:
      unary(unit, squareRoot);
      return;
    case 0x3b:
      trigonometricPushing(unit, fsincos);
      return;
    case 0x3c:
      unary(unit, roundToIntegral);
      return;
    case 0x3d:
      scaleTop(unit);
      return;
    case 0x3e:
      trigonometric(unit, fsin);
      return;
    case 0x3f:
      trigonometric(unit, fcos);
      return;
    default:
      if (code >= 0x28 && code <= 0x2e) {
        loadConstant(unit, code - 0x28);
        return;
      }
      unit.core.raise(Vector.UD);
  }
}

function changeSign(unit: Unit, keep: number, flip: number): void {
  if (unit.isEmpty(0)) {
    unit.underflow();
    setIndefinite(unit.a);
  } else {
    unit.read(0, unit.a);
    unit.a.se = flip ? unit.a.se ^ flip : unit.a.se & keep;
  }
  if (unit.settle()) unit.write(0, unit.a);
}

function test(unit: Unit): void {
  let order: number = Order.unordered;
  if (unit.isEmpty(0)) unit.underflow();
  else {
    unit.read(0, unit.a);
    order = compareOrdered(unit.env, unit.a, ZERO);
  }
  unit.settle();
  unit.setCondition(order);
}

function examine(unit: Unit): void {
  unit.read(0, unit.a);
  const bits = unit.isEmpty(0) ? C3 | C0 : EXAMINED[kindOf(unit.a)];
  unit.status = (unit.status & ~(CONDITION | C1)) | bits | (unit.a.se & SIGN ? C1 : 0);
}

const EXAMINED: Record<Kind, number> = {
  [Kind.unsupported]: 0,
  [Kind.quietNan]: C0,
  [Kind.signallingNan]: C0,
  [Kind.normal]: C2,
  [Kind.infinity]: C2 | C0,
  [Kind.zero]: C3,
  [Kind.denormal]: C3 | C2,
};

function loadConstant(unit: Unit, index: number): void {
  const [se, hi, lo, nearestUp] = CONSTANTS[index] as readonly [number, number, number, boolean | null];
  const { rounding } = unit.env;
  const up = nearestUp !== null && (rounding === Rounding.up || (rounding === Rounding.nearest && nearestUp));
  set(unit.b, se, hi, up ? lo + 1 : lo);
  load(unit);
}

function unary(unit: Unit, operation: (env: Environment, a: Float80, out: Float80) => void): void {
  if (unit.isEmpty(0)) {
    unit.underflow();
    setIndefinite(unit.result);
  } else {
    unit.read(0, unit.a);
    operation(unit.env, unit.a, unit.result);
  }
  if (unit.settle()) unit.write(0, unit.result);
}

/** ST(1) = f(ST(0), ST(1)), then pop. */
function binaryPopping(
  unit: Unit,
  operation: (env: Environment, a: Float80, b: Float80, out: Float80) => void,
): void {
  if (unit.isEmpty(0) || unit.isEmpty(1)) {
    unit.underflow();
    setIndefinite(unit.result);
  } else {
    unit.read(0, unit.a);
    unit.read(1, unit.b);
    operation(unit.env, unit.a, unit.b, unit.result);
  }
  if (unit.settle()) {
    unit.write(1, unit.result);
    unit.pop();
  }
}

function scaleTop(unit: Unit): void {
  if (unit.isEmpty(0) || unit.isEmpty(1)) {
    unit.underflow();
    setIndefinite(unit.result);
  } else {
    unit.read(0, unit.a);
    unit.read(1, unit.b);
    scale(unit.env, unit.a, unit.b, unit.result);
  }
  if (unit.settle()) unit.write(0, unit.result);
}

function remainder(unit: Unit, nearest: boolean): void {
  let codes = NO_QUOTIENT;
  if (unit.isEmpty(0) || unit.isEmpty(1)) {
    unit.underflow();
    setIndefinite(unit.result);
  } else {
    unit.read(0, unit.a);
    unit.read(1, unit.b);
    codes = partialRemainder(unit.env, unit.a, unit.b, nearest, unit.result);
  }
  const go = unit.settle();
  if (!go || codes === NO_QUOTIENT) unit.status &= ~C2;
  else {
    unit.setCondition(codes);
    if (codes & C1) unit.status |= C1;
  }
  if (go) unit.write(0, unit.result);
}

/** FSIN and FCOS: out of range leaves the operand and sets C2. */
function trigonometric(unit: Unit, operation: (env: Environment, a: Float80, out: Float80) => void): void {
  unit.status &= ~C2;
  unit.read(0, unit.a);
  if (!unit.isEmpty(0) && refuse(unit)) return;
  unary(unit, operation);
}

function refuse(unit: Unit): boolean {
  if (!outOfRange(unit.a)) return false;
  unit.status = (unit.status & ~C1) | C2;
  return true;
}

/** Operations that replace ST(0) by `first` and push `second`. */
function trigonometricPushing(
  unit: Unit,
  operation: (env: Environment, a: Float80, first: Float80, second: Float80) => void,
): void {
  unit.status &= ~C2;
  if (pushFault(unit)) return;
  unit.read(0, unit.a);
  if (refuse(unit)) return;
  operation(unit.env, unit.a, unit.result, unit.second);
  finishPush(unit);
}

/** FXTRACT: exponent in ST(1), significand in ST(0). */
function extractParts(unit: Unit): void {
  if (pushFault(unit)) return;
  unit.read(0, unit.a);
  extract(unit.env, unit.a, unit.result, unit.second);
  finishPush(unit);
}

function finishPush(unit: Unit): void {
  if (!unit.settle()) return;
  unit.write(0, unit.result);
  unit.push(unit.second);
}

/** Stack faults of an instruction with one operand and two results; the masked response is two indefinites. */
function pushFault(unit: Unit): boolean {
  if (unit.isEmpty(0)) unit.underflow();
  else if (!unit.isEmpty(-1)) unit.overflow();
  else return false;
  setIndefinite(unit.result);
  setIndefinite(unit.second);
  finishPush(unit);
  return (unit.env.flags & SF) !== 0;
}

function tangentAndOne(env: Environment, a: Float80, tangent: Float80, one: Float80): void {
  ftan(env, a, tangent);
  if (isNan(tangent)) copy(one, tangent);
  else set(one, BIAS, 0x80000000, 0);
}
