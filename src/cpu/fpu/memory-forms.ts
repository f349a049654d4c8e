import { Vector } from "../core.ts";
import { arithmeticMemory } from "./arithmetic.ts";
import {
  loadControl,
  loadEnvironment,
  restoreState,
  saveState,
  storeControl,
  storeEnvironment,
  storeStatus,
} from "./environment.ts";
import { DE, IE } from "./flags.ts";
import { isNan, QUIET_BIT, set, setIndefinite } from "./float80.ts";
import { fromInt32, fromInt64, integer, toInteger } from "./integral.ts";
import { fromDouble, fromSingle, stored, toDouble, toSingle } from "./narrow.ts";
import { fromPackedDecimal, toPackedDecimal } from "./packed-decimal.ts";
import type { Unit } from "./unit.ts";

/** Executes a D8..DF form with a memory operand. */
export function executeMemoryForm(unit: Unit, opcode: number, reg: number): void {
  switch (opcode) {
    case 0xd8:
      arithmeticMemory(unit, reg, readSingle(unit));
      return;
    case 0xdc:
      arithmeticMemory(unit, reg, readDouble(unit));
      return;
    case 0xda:
      readInteger(unit, 4);
      arithmeticMemory(unit, reg, false);
      return;
    case 0xde:
      readInteger(unit, 2);
      arithmeticMemory(unit, reg, false);
      return;
    case 0xd9:
      executeD9(unit, reg);
      return;
    case 0xdb:
      executeDb(unit, reg);
      return;
    case 0xdd:
      executeDd(unit, reg);
      return;
    default:
      executeDf(unit, reg);
      return;
  }
}

function undefinedForm(unit: Unit): never {
  return unit.core.raise(Vector.UD);
}

function executeD9(unit: Unit, reg: number): void {
  switch (reg) {
    case 0:
      loadFloat(unit, readSingle(unit));
      return;
    case 2:
    case 3:
      storeSingle(unit, reg === 3);
      return;
    case 4:
      loadEnvironment(unit);
      return;
    case 5:
      loadControl(unit);
      return;
    case 6:
      storeEnvironment(unit);
      return;
    case 7:
      storeControl(unit);
      return;
    default:
      undefinedForm(unit);
      return;
  }
}

function executeDb(unit: Unit, reg: number): void {
  switch (reg) {
    case 0:
      readInteger(unit, 4);
      load(unit);
      return;
    case 2:
    case 3:
      storeInteger(unit, 32, reg === 3);
      return;
    case 5:
      readExtended(unit);
      load(unit);
      return;
    case 7:
      storeExtended(unit);
      return;
    default:
      undefinedForm(unit);
      return;
  }
}

function executeDd(unit: Unit, reg: number): void {
  switch (reg) {
    case 0:
      loadFloat(unit, readDouble(unit));
      return;
    case 2:
    case 3:
      storeDouble(unit, reg === 3);
      return;
    case 4:
      restoreState(unit);
      return;
    case 6:
      saveState(unit);
      return;
    case 7:
      storeStatus(unit);
      return;
    default:
      undefinedForm(unit);
      return;
  }
}

function executeDf(unit: Unit, reg: number): void {
  switch (reg) {
    case 0:
      readInteger(unit, 2);
      load(unit);
      return;
    case 2:
    case 3:
      storeInteger(unit, 16, reg === 3);
      return;
    case 4:
      unit.memory.read(unit.core, unit.op, 10);
      fromPackedDecimal(unit.memory.bytes, unit.b);
      load(unit);
      return;
    case 5:
      readInteger64(unit);
      load(unit);
      return;
    case 6:
      storePackedDecimal(unit);
      return;
    case 7:
      storeInteger(unit, 64, true);
      return;
    default:
      undefinedForm(unit);
      return;
  }
}

// Operands into unit.b. The floating forms return whether the operand is denormal in its own format.

function readSingle(unit: Unit): boolean {
  unit.memory.read(unit.core, unit.op, 4);
  return fromSingle(unit.memory.words32[0] as number, unit.b);
}

function readDouble(unit: Unit): boolean {
  unit.memory.read(unit.core, unit.op, 8);
  return fromDouble(unit.memory.words32[1] as number, unit.memory.words32[0] as number, unit.b);
}

function readExtended(unit: Unit): void {
  const { memory } = unit;
  memory.read(unit.core, unit.op, 10);
  set(unit.b, memory.words16[4] as number, memory.words32[1] as number, memory.words32[0] as number);
}

function readInteger(unit: Unit, size: 2 | 4): void {
  const { memory } = unit;
  memory.read(unit.core, unit.op, size);
  const value = size === 4 ? (memory.words32[0] as number) | 0 : ((memory.words16[0] as number) << 16) >> 16;
  fromInt32(value, unit.b);
}

function readInteger64(unit: Unit): void {
  const { memory } = unit;
  memory.read(unit.core, unit.op, 8);
  fromInt64((memory.words32[1] as number) | 0, (memory.words32[0] as number) | 0, unit.b);
}

/** FLD m32fp and m64fp: a signalling NaN is quieted and a denormal reported, unlike FLD m80fp. */
function loadFloat(unit: Unit, denormal: boolean): void {
  const { b, env } = unit;
  if (denormal) env.flags |= DE;
  else if (isNan(b) && (b.hi & QUIET_BIT) === 0) {
    env.flags |= IE;
    b.hi |= QUIET_BIT;
  }
  load(unit);
}

/** Pushes unit.b. */
export function load(unit: Unit): void {
  if (!unit.isEmpty(-1)) {
    unit.overflow();
    setIndefinite(unit.b);
  }
  if (unit.settle()) unit.push(unit.b);
}

/** Writes the buffered bytes if the operation may, then commits and pops. */
function finishStore(unit: Unit, linear: number, size: number, pops: boolean): void {
  const go = unit.judge("memory");
  if (go) unit.memory.write(unit.core, linear, size);
  unit.commit();
  if (go && pops) unit.pop();
}

/** Reads ST(0) into unit.a; empty: stack underflow and the indefinite. */
function operand(unit: Unit): boolean {
  if (unit.isEmpty(0)) {
    unit.underflow();
    setIndefinite(unit.a);
    return false;
  }
  unit.read(0, unit.a);
  return true;
}

function storeSingle(unit: Unit, pops: boolean): void {
  const linear = unit.memory.prepareWrite(unit.core, unit.op, 4);
  operand(unit);
  toSingle(unit.env, unit.a);
  unit.memory.words32[0] = stored.lo;
  finishStore(unit, linear, 4, pops);
}

function storeDouble(unit: Unit, pops: boolean): void {
  const linear = unit.memory.prepareWrite(unit.core, unit.op, 8);
  operand(unit);
  toDouble(unit.env, unit.a);
  unit.memory.words32[0] = stored.lo;
  unit.memory.words32[1] = stored.hi;
  finishStore(unit, linear, 8, pops);
}

/** FSTP m80fp: bits as they are, nothing raised but a stack underflow. */
function storeExtended(unit: Unit): void {
  const linear = unit.memory.prepareWrite(unit.core, unit.op, 10);
  operand(unit);
  const { a, memory } = unit;
  memory.words32[0] = a.lo;
  memory.words32[1] = a.hi;
  memory.words16[4] = a.se;
  finishStore(unit, linear, 10, true);
}

function storeInteger(unit: Unit, bits: 16 | 32 | 64, pops: boolean): void {
  const linear = unit.memory.prepareWrite(unit.core, unit.op, bits >> 3);
  operand(unit);
  toInteger(unit.env, unit.a, bits);
  unit.memory.words32[0] = integer.lo;
  unit.memory.words32[1] = integer.hi;
  finishStore(unit, linear, bits >> 3, pops);
}

function storePackedDecimal(unit: Unit): void {
  const linear = unit.memory.prepareWrite(unit.core, unit.op, 10);
  operand(unit);
  toPackedDecimal(unit.env, unit.a, unit.memory.bytes);
  finishStore(unit, linear, 10, true);
}
