import type { Core, Helper, HelperOp } from "../core.ts";
import { Outcome, Vector } from "../core.ts";
import { Flag } from "../state.ts";
import { readRm, resultFlags, setArithmeticFlags, signOf, sizeOf, writeRm } from "./arithmetic.ts";
import { offsetBy, operandBytes, readRegister, writeRegister } from "./operand.ts";
import {
  linearAddress,
  probeWriteRange,
  readMemory,
  Segment,
  SegmentAccess,
  writeMemory,
} from "./segmentation.ts";
import { adjustStack, peek, setStackPointer, stackMask } from "./stack.ts";

/**
 * Instructions that an 80386 does otherwise than the processors after it, where the manuals leave it open or say otherwise. What it does is known from
 * SingleStepTests, recorded on an 80386EX, and from test386.asm, checked on an 80386SX.
 */

const EAX = 0;
const ECX = 1;
const EDX = 2;

function setShiftFlags(core: Core, bits: number, result: number, carry: number, overflow: number): void {
  const carries = (carry ? Flag.CF : 0) | (overflow ? Flag.OF : 0);
  setArithmeticFlags(core, resultFlags(result, bits) | Flag.AF | carries);
}

/** C0, C1, D2, D3: how far. */
const countOf = (core: Core, op: HelperOp): number =>
  (op.opcode >= 0xd2 ? core.state.reg8(ECX) : op.immediate) & 31;

/** SHL and SHR. Beyond the width CF is the last bit that went out if the count is a multiple of the width, else 0. */
export const shiftBefore486: Helper = (core, op) => {
  const size = sizeOf(op);
  const bits = 8 * size;
  const count = countOf(core, op);
  if (count === 0) return Outcome.next;
  const value = readRm(core, op, size);
  const left = op.reg !== 5;
  const inside = count <= bits;
  const result = !inside || count === 32 ? 0 : left ? cut(value << count, bits) : value >>> count;
  const lastOut = left ? (value >>> (inside ? bits - count : 0)) & 1 : bitOut(value, inside ? count : bits);
  const carry = inside || count % bits === 0 ? lastOut : 0;
  const overflow = left ? signOf(result, bits) ^ carry : count === 1 ? signOf(value, bits) : 0;
  writeRm(core, op, size, result);
  setShiftFlags(core, bits, result, carry, overflow);
  return Outcome.next;
};

/** The last of `count` bits that go out to the right. */
const bitOut = (value: number, count: number): number => (value >>> (count - 1)) & 1;

const cut = (value: number, bits: number): number => (bits === 32 ? value >>> 0 : value & ((1 << bits) - 1));

/**
 * SHLD and SHRD: words are shifted with the second operand twice beside the first, and CF comes from there, too. OF is that of the last of single
 * shifts: whether it has changed the sign.
 */
export const doubleShiftBefore486: Helper = (core, op) => {
  const size = operandBytes(op);
  const bits = 8 * size;
  const count = (op.opcode & 1 ? core.state.reg8(ECX) : op.immediate) & 31;
  if (count === 0) return Outcome.next;
  const value = readRm(core, op, size);
  const filler = readRegister(core.state, op.reg, size);
  const width = BigInt(bits);
  const both = (BigInt(filler) << width) | BigInt(filler);
  const by = BigInt(count);
  // The first operand at the side that it leaves by.
  const right = op.opcode >= 0xac;
  const ring = right ? (both << width) | BigInt(value) : (BigInt(value) << (2n * width)) | both;
  const result = Number(BigInt.asUintN(bits, right ? ring >> by : ring >> (2n * width - by)));
  const carry = Number((right ? ring >> (by - 1n) : ring >> (3n * width - by)) & 1n);
  writeRm(core, op, size, result);
  const signBefore = right ? signOf(result, bits - 1) : carry;
  setShiftFlags(core, bits, result, carry, signBefore ^ signOf(result, bits));
  return Outcome.next;
};

/** AAM: the flags that a division by zero leaves are those of AL's upper seven bits. */
export const aamBefore486: Helper = (core, op) => {
  const { state } = core;
  const al = state.reg8(EAX);
  const base = op.immediate & 0xff;
  if (base === 0) {
    state.eflags = (state.eflags & ~(Flag.PF | Flag.ZF | Flag.SF)) | resultFlags(al >>> 1, 8);
    core.raise(Vector.DE);
  }
  const remainder = al % base;
  state.setReg16(EAX, (Math.floor(al / base) << 8) | remainder);
  setArithmeticFlags(core, resultFlags(remainder, 8));
  return Outcome.next;
};

/**
 * IDIV. Of bytes: a quotient below -128 is no #DE if |dividend| - 128 * (|divisor| + 128) lies from 0 to |divisor| - 1. It is then -128, and that
 * difference the magnitude of the remainder. Of words and doublewords nothing like it is known.
 */
export const idivBefore486: Helper = (core, op) => {
  const { state } = core;
  const size = sizeOf(op);
  const divisor = BigInt.asIntN(8 * size, BigInt(readRm(core, op, size)));
  if (divisor === 0n) core.raise(Vector.DE);
  const dividend = signedDividend(core, size);
  const least = -(1n << BigInt(8 * size - 1));
  let quotient = dividend / divisor;
  let remainder = dividend % divisor;
  if (quotient < least || quotient >= -least) {
    const rest = magnitude(dividend) + least * (magnitude(divisor) - least);
    if (size !== 1 || quotient > 0n || rest < 0n || rest >= magnitude(divisor)) core.raise(Vector.DE);
    quotient = least;
    remainder = dividend < 0n ? -rest : rest;
  }
  const q = Number(BigInt.asUintN(8 * size, quotient));
  const r = Number(BigInt.asUintN(8 * size, remainder));
  if (size === 1) state.setReg16(EAX, (r << 8) | q);
  else {
    writeRegister(state, EAX, size, q);
    writeRegister(state, EDX, size, r);
  }
  return Outcome.next;
};

const magnitude = (value: bigint): bigint => (value < 0n ? -value : value);

/** AX, DX:AX or EDX:EAX. */
function signedDividend({ state }: Core, size: 1 | 2 | 4): bigint {
  if (size === 1) return BigInt.asIntN(16, BigInt(state.reg16(EAX)));
  const high = BigInt(readRegister(state, EDX, size));
  const low = BigInt(readRegister(state, EAX, size));
  return BigInt.asIntN(16 * size, (high << BigInt(8 * size)) | low);
}

/** AAA and AAS: 6 is added to AL or subtracted before its upper half is cleared, and the flags are those of these bytes. */
export const asciiAdjustBefore486: Helper = (core, op) => {
  const { state } = core;
  const add = op.opcode === 0x37;
  const ax = state.reg16(EAX);
  const al = ax & 0xff;
  const adjust = (al & 15) > 9 || (state.eflags & Flag.AF) !== 0;
  const low = adjust ? 6 : 0;
  const result = (add ? al + low : al - low) & 0xff;
  const overflow = signOf(al, 8) ^ signOf(result, 8) && signOf(al, 8) === (add ? 0 : 1);
  state.setReg16(EAX, (adjust ? (add ? ax + 0x106 : ax - 0x106) : ax) & 0xff0f);
  setArithmeticFlags(
    core,
    resultFlags(result, 8) | (adjust ? Flag.CF | Flag.AF : 0) | (overflow ? Flag.OF : 0),
  );
  return Outcome.next;
};

/** In the ring that RCR turns, CF is below the lowest bit, and the highest bit below CF. */
const CARRY_PLACE = -1;
const TEST_ONLY = 4;
const SET = 5;
const RESET = 6;

function changedBit(kind: number, word: number, mask: number): number {
  if (kind === SET) return (word | mask) >>> 0;
  return (kind === RESET ? word & ~mask : word ^ mask) >>> 0;
}

/**
 * BT, BTS, BTR and BTC: OF is that of an RCR that moves the bit into CF. It says whether the two places below the bit differ. CF is clear before it, but
 * where the number of the word in memory is added to the address: there it is the carry of that addition.
 */
export const bitTestBefore486: Helper = (core, op) => {
  const { state } = core;
  const size = operandBytes(op);
  const bits = 8 * size;
  const inString = op.opcode !== 0xba;
  const kind = inString ? (op.opcode >> 3) & 7 : op.reg;
  const number = inString ? readRegister(state, op.reg, size) : op.immediate;
  const bit = number & (bits - 1);
  const words = inString && op.memory ? Math.floor(((number << (32 - bits)) >> (32 - bits)) / bits) : 0;
  const offset = words === 0 ? op.offset : offsetBy(op, words * size);
  if (op.memory && kind !== TEST_ONLY)
    probeWriteRange(core, linearAddress(core, op.segment, offset, size, SegmentAccess.write), size, false);
  const word = op.memory ? readMemory(core, op.segment, offset, size) : readRegister(state, op.rm, size);
  if (kind !== TEST_ONLY) {
    const changed = changedBit(kind, word, 1 << bit);
    if (op.memory) writeMemory(core, op.segment, offset, size, changed);
    else writeRegister(state, op.rm, size, changed);
  }
  const carry = op.memory && (op.offset >>> 0) + ((words * size) >>> 0) >= 2 ** 32 ? 1 : 0;
  const ring = (n: number): number => (n === CARRY_PLACE ? carry : (word >>> (n < 0 ? bits - 1 : n)) & 1);
  const overflow = ring(bit - 1) ^ ring(bit - 2);
  state.eflags =
    (state.eflags & ~(Flag.CF | Flag.OF)) | ((word >>> bit) & 1 ? Flag.CF : 0) | (overflow ? Flag.OF : 0);
  return Outcome.next;
};

const ESP = 4;
const EDI = 7;

/** PUSHA: from the lowest address up, and a fault leaves what has been written. */
export const pushaBefore486: Helper = (core, op) => {
  const { state } = core;
  const size = operandBytes(op);
  const bottom = adjustStack(state, -8 * size);
  for (let n = 0; n < 8; n++) {
    const offset = ((bottom + n * size) & stackMask(state)) >>> 0;
    writeMemory(core, Segment.SS, offset, size, readRegister(state, EDI - n, size));
  }
  setStackPointer(state, bottom);
  return Outcome.next;
};

/** POPA: one register after the other, a fault leaving those that have been loaded; on a 16-bit stack the upper half of ESP is its image's. */
export const popaBefore486: Helper = (core, op) => {
  const { state } = core;
  const size = operandBytes(op);
  let image = state.reg(ESP);
  for (let index = EDI; index >= 0; index--) {
    const value = peek(core, (EDI - index) * size, size);
    if (index === ESP) image = value;
    else writeRegister(state, index, size, value);
  }
  setStackPointer(state, adjustStack(state, 8 * size));
  if (size === 4 && stackMask(state) === 0xffff)
    state.setReg(ESP, ((image & 0xffff0000) | state.reg16(ESP)) >>> 0);
  return Outcome.next;
};
