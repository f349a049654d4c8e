import { Vector } from "../core.ts";
import { arithmeticRegisters, compareRegisters, compareToFlags } from "./arithmetic.ts";
import { clearExceptions, initialise } from "./environment.ts";
import { C1 } from "./flags.ts";
import { setIndefinite } from "./float80.ts";
import { load } from "./memory-forms.ts";
import { executeD9Unary } from "./stack-top.ts";
import type { Unit } from "./unit.ts";

/** Executes a D8..DF form with register operands. `reg` and `i` are the two low fields of ModRM. */
export function executeRegisterForm(unit: Unit, opcode: number, reg: number, i: number): void {
  switch (opcode) {
    case 0xd8:
      if (reg === 2 || reg === 3) {
        compareRegisters(unit, i, true, reg - 2);
        return;
      }
      arithmeticRegisters(unit, reg, i, 0, false);
      return;
    case 0xd9:
      executeD9(unit, reg, i);
      return;
    case 0xda:
      executeDa(unit, reg, i);
      return;
    case 0xdb:
      executeDb(unit, reg, i);
      return;
    case 0xdc:
      // DC /2 and /3 are undocumented aliases of FCOM and FCOMP.
      if (reg === 2 || reg === 3) {
        compareRegisters(unit, i, true, reg - 2);
        return;
      }
      arithmeticRegisters(unit, reg, i, i, false);
      return;
    case 0xdd:
      executeDd(unit, reg, i);
      return;
    case 0xde:
      executeDe(unit, reg, i);
      return;
    default:
      executeDf(unit, reg, i);
      return;
  }
}

function undefinedForm(unit: Unit): never {
  return unit.core.raise(Vector.UD);
}

function executeD9(unit: Unit, reg: number, i: number): void {
  switch (reg) {
    case 0:
      loadRegister(unit, i);
      return;
    case 1:
      exchange(unit, i);
      return;
    case 2: // FNOP
      if (i !== 0) undefinedForm(unit);
      return;
    case 3:
      storeUnchecked(unit, i);
      return;
    default:
      executeD9Unary(unit, (reg << 3) | i);
      return;
  }
}

function executeDa(unit: Unit, reg: number, i: number): void {
  if (reg < 4) {
    conditionalMove(unit, reg, i, true);
    return;
  }
  if (reg === 5 && i === 1) {
    compareRegisters(unit, 1, false, 2);
    return;
  } // FUCOMPP
  undefinedForm(unit);
}

function executeDb(unit: Unit, reg: number, i: number): void {
  if (reg < 4) {
    conditionalMove(unit, reg, i, false);
    return;
  }
  if (reg === 5) {
    compareToFlags(unit, i, false, 0);
    return;
  }
  if (reg === 6) {
    compareToFlags(unit, i, true, 0);
    return;
  }
  if (reg !== 4 || i > 4) undefinedForm(unit);
  if (i === 2) clearExceptions(unit);
  else if (i === 3) initialise(unit);
  // 0, 1, 4: FENI, FDISI, FSETPM of older processors do nothing.
}

function executeDd(unit: Unit, reg: number, i: number): void {
  switch (reg) {
    case 0:
      free(unit, i);
      return;
    case 1: // undocumented alias of FXCH
      exchange(unit, i);
      return;
    case 2:
    case 3:
      storeRegister(unit, i, reg === 3);
      return;
    case 4:
    case 5:
      compareRegisters(unit, i, false, reg - 4);
      return;
    default:
      undefinedForm(unit);
      return;
  }
}

function executeDe(unit: Unit, reg: number, i: number): void {
  if (reg === 2) {
    compareRegisters(unit, i, true, 1); // undocumented alias of FCOMP
    return;
  }
  if (reg === 3) {
    if (i !== 1) undefinedForm(unit);
    compareRegisters(unit, 1, true, 2); // FCOMPP
    return;
  }
  arithmeticRegisters(unit, reg, i, i, true);
}

function executeDf(unit: Unit, reg: number, i: number): void {
  switch (reg) {
    case 0: // FFREEP, undocumented
      free(unit, i);
      unit.pop();
      return;
    case 1: // undocumented alias of FXCH
      exchange(unit, i);
      return;
    case 2:
    case 3: // undocumented aliases of FSTP ST(i)
      storeRegister(unit, i, true);
      return;
    case 4:
      if (i !== 0) undefinedForm(unit);
      unit.core.state.setReg16(0, unit.status); // FNSTSW AX
      return;
    case 5:
      compareToFlags(unit, i, false, 1);
      return;
    case 6:
      compareToFlags(unit, i, true, 1);
      return;
    default:
      undefinedForm(unit);
      return;
  }
}

function loadRegister(unit: Unit, i: number): void {
  if (unit.isEmpty(i)) {
    unit.underflow();
    setIndefinite(unit.b);
    if (unit.settle()) unit.push(unit.b);
    return;
  }
  unit.read(i, unit.b);
  load(unit);
}

function storeRegister(unit: Unit, i: number, pops: boolean): void {
  if (unit.isEmpty(0)) {
    unit.underflow();
    setIndefinite(unit.a);
  } else unit.read(0, unit.a);
  if (unit.settle()) {
    unit.write(i, unit.a);
    if (pops) unit.pop();
  }
}

/** FFREE. C1 is documented as undefined; the processors clear it. */
function free(unit: Unit, i: number): void {
  unit.status &= ~C1;
  unit.free(i);
}

/** FSTPNCE, the undocumented D9 /3: FSTP ST(i) that finds nothing wrong with an empty ST(0) and then only pops. */
function storeUnchecked(unit: Unit, i: number): void {
  if (!unit.isEmpty(0)) {
    storeRegister(unit, i, true);
    return;
  }
  unit.status &= ~C1;
  unit.pop();
}

function exchange(unit: Unit, i: number): void {
  unit.read(0, unit.a);
  unit.read(i, unit.b);
  if (unit.isEmpty(0)) {
    unit.underflow();
    setIndefinite(unit.a);
  }
  if (unit.isEmpty(i)) {
    unit.underflow();
    setIndefinite(unit.b);
  }
  if (unit.settle()) {
    unit.write(0, unit.b);
    unit.write(i, unit.a);
  }
}

/** FCMOVB, E, BE, U (`wanted` true) and their negations. C1 changes only with a stack underflow. */
function conditionalMove(unit: Unit, condition: number, i: number, wanted: boolean): void {
  if (unit.isEmpty(0) || unit.isEmpty(i)) {
    unit.underflow();
    setIndefinite(unit.a);
    if (unit.settle()) unit.write(0, unit.a);
    return;
  }
  const mask = [0x01, 0x40, 0x41, 0x04][condition] as number;
  if (((unit.eflags & mask) !== 0) !== wanted) return;
  unit.read(i, unit.a);
  unit.write(0, unit.a);
}
