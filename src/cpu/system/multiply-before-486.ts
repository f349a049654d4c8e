import type { Core, Helper } from "../core.ts";
import { Outcome, Vector } from "../core.ts";
import { Flag } from "../state.ts";
import { readRm, resultFlags, setArithmeticFlags, sizeOf } from "./arithmetic.ts";
import { operandBytes, readRegister, writeRegister } from "./operand.ts";

/**
 * MUL, IMUL and DIV as an 80386 leaves their flags, most of which the manual leaves undefined: they are those of the last addition or subtraction
 * that it makes on the way. Found in SingleStepTests, recorded on an 80386EX.
 */

const EAX = 0;
const EDX = 2;
const WORD = 0x1_0000;

/** Numbers of so many bits, up to 32. */
const limitOf = (bits: number): number => 2 ** bits;
const low = (value: number, bits: number): number =>
  value - Math.floor(value / limitOf(bits)) * limitOf(bits);
const isNegative = (value: number, bits: number): boolean => value >= limitOf(bits) / 2;
const negated = (value: number, bits: number): number => low(-value, bits);

/** PF, AF, ZF and SF of `result` = `a` + `b` or `a` - `b`. */
function flagsOf(a: number, b: number, result: number, bits: number): number {
  return ((a ^ b ^ result) & Flag.AF) | resultFlags(result, bits);
}

/** A product of two numbers of up to 32 bits, in halves of `bits`. */
interface Product {
  readonly high: number;
  readonly low: number;
}

function product(a: number, b: number, bits: number): Product {
  const lower = (a % WORD) * b;
  const upper = Math.floor(a / WORD) * b + Math.floor(lower / WORD);
  const low32 = (upper % WORD) * WORD + (lower % WORD);
  const high32 = Math.floor(upper / WORD);
  return bits === 32
    ? { high: high32, low: low32 }
    : { high: Math.floor(low32 / limitOf(bits)), low: low(low32, bits) };
}

function negatedProduct({ high, low: lower }: Product, bits: number): Product {
  return { high: low(lower === 0 ? -high : -high - 1, bits), low: negated(lower, bits) };
}

const signedProduct = (a: number, b: number, bits: number): Product => {
  const magnitudes = product(magnitude(a, bits), magnitude(b, bits), bits);
  return isNegative(a, bits) !== isNegative(b, bits) ? negatedProduct(magnitudes, bits) : magnitudes;
};

const magnitude = (value: number, bits: number): number =>
  isNegative(value, bits) ? negated(value, bits) : value;

/**
 * A bit of the multiplier's magnitude a step, from the lowest, the multiplicand is added to the upper part of the product, or subtracted from it if the
 * multiplier is negative. The flags are those of the step of the highest bit that is set. Of a multiplier of 0 nothing is known: the flags stay.
 */
function flagsOfProduct(
  before: number,
  multiplicand: number,
  multiplier: number,
  bits: number,
  signed: boolean,
): number {
  const negative = signed && isNegative(multiplier, bits);
  const steps = negative ? negated(multiplier, bits) : multiplier;
  if (steps === 0) return before & (Flag.PF | Flag.AF | Flag.ZF | Flag.SF);
  const highest = 31 - Math.clz32(steps);
  const below = steps - 2 ** highest;
  const down = signed && isNegative(multiplicand, bits) !== negative;
  const { high, low: lower } = product(signed ? magnitude(multiplicand, bits) : multiplicand, below, bits);
  const scale = 2 ** highest;
  const whole = low(high * (limitOf(bits) / scale), bits) + Math.floor(lower / scale);
  const upper = low(down ? -whole - (lower % scale === 0 ? 0 : 1) : whole, bits);
  const result = low(negative ? upper - multiplicand : upper + multiplicand, bits);
  return flagsOf(upper, multiplicand, result, bits);
}

function setFlags(core: Core, flags: number, overflow: boolean): void {
  setArithmeticFlags(core, flags | (overflow ? Flag.CF | Flag.OF : 0));
}

const fits = ({ high, low: lower }: Product, bits: number): boolean =>
  high === (isNegative(lower, bits) ? limitOf(bits) - 1 : 0);

/** MUL and IMUL of the accumulator: the operand is the multiplier. */
export const multiplyBefore486: Helper = (core, op) => {
  const { state } = core;
  const size = sizeOf(op);
  const bits = 8 * size;
  const signed = op.reg === 5;
  const multiplier = readRm(core, op, size) >>> 0;
  const multiplicand = readRegister(state, EAX, size) >>> 0;
  const flags = flagsOfProduct(state.eflags, multiplicand, multiplier, bits, signed);
  const result = (signed ? signedProduct : product)(multiplicand, multiplier, bits);
  if (size === 1) state.setReg16(EAX, result.high * 256 + result.low);
  else {
    writeRegister(state, EAX, size, result.low);
    writeRegister(state, EDX, size, result.high);
  }
  setFlags(core, flags, signed ? !fits(result, bits) : result.high !== 0);
  return Outcome.next;
};

/** IMUL with two operands, the source being the multiplier, or three, of which it is the immediate one. */
export const multiplyIntoBefore486: Helper = (core, op) => {
  const { state } = core;
  const size = operandBytes(op);
  const bits = 8 * size;
  const source = readRm(core, op, size) >>> 0;
  const two = op.opcode === 0xaf;
  const multiplicand = two ? readRegister(state, op.reg, size) >>> 0 : source;
  const multiplier = two ? source : low(op.immediate, bits);
  const flags = flagsOfProduct(state.eflags, multiplicand, multiplier, bits, true);
  const result = signedProduct(multiplicand, multiplier, bits);
  writeRegister(state, op.reg, size, result.low);
  setFlags(core, flags, !fits(result, bits));
  return Outcome.next;
};

/** Flags of `a` - `b`, where `a` may be a bit longer. */
function flagsOfTrial(a: number, b: number, bits: number): number {
  const result = low(a - b, bits);
  const signsDiffer = isNegative(low(a, bits), bits) !== isNegative(b, bits);
  const overflow = signsDiffer && isNegative(result, bits) === isNegative(b, bits);
  return flagsOf(low(a, bits), b, result, bits) | (a < b ? Flag.CF : 0) | (overflow ? Flag.OF : 0);
}

/**
 * Where the quotient does not fit: the divisor is subtracted from the upper half, then a bit of the lower half is taken in before each further
 * subtraction, until one bit is left. What cannot be subtracted stays, but leaves its flags.
 */
function flagsOfOverflow(high: number, lower: number, divisor: number, bits: number): number {
  let rest = high - divisor;
  let flags = flagsOfTrial(high, divisor, bits);
  for (let bit = bits - 1; bit > 0; bit--) {
    const next = rest * 2 + ((lower >>> bit) & 1);
    flags = flagsOfTrial(next, divisor, bits);
    rest = low(next >= divisor ? next - divisor : next, bits);
  }
  return flags;
}

/** DIV: the flags of the last of the subtractions that the bits of the quotient come from. */
export const divideBefore486: Helper = (core, op) => {
  const { state } = core;
  const size = sizeOf(op);
  const bits = 8 * size;
  const divisor = readRm(core, op, size) >>> 0;
  const ax = state.reg16(EAX);
  const high = size === 1 ? ax >> 8 : readRegister(state, EDX, size) >>> 0;
  const lower = size === 1 ? ax & 0xff : readRegister(state, EAX, size) >>> 0;
  if (high >= divisor) {
    setArithmeticFlags(core, flagsOfOverflow(high, lower, divisor, bits));
    core.raise(Vector.DE);
  }
  const dividend = (BigInt(high) << BigInt(bits)) | BigInt(lower);
  const quotient = Number(dividend / BigInt(divisor));
  const remainder = Number(dividend % BigInt(divisor));
  if (size === 1) state.setReg16(EAX, remainder * 256 + quotient);
  else {
    writeRegister(state, EAX, size, quotient);
    writeRegister(state, EDX, size, remainder);
  }
  setArithmeticFlags(core, flagsOfTrial(quotient % 2 === 1 ? remainder + divisor : remainder, divisor, bits));
  return Outcome.next;
};
