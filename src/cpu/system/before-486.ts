import type { Core, Helper, HelperOp } from "../core.ts";
import { Outcome, Vector } from "../core.ts";
import { Flag } from "../state.ts";
import { operandBytes, readRegister, writeRegister } from "./operand.ts";
import { readMemory, writeMemory } from "./segmentation.ts";

/**
 * Instructions that an 80386 does otherwise than the processors after it, where the manuals leave it open or say otherwise. What it does is known from
 * SingleStepTests, recorded on an 80386EX.
 */

const EAX = 0;
const ECX = 1;
const EDX = 2;
const SHIFTED = Flag.CF | Flag.PF | Flag.AF | Flag.ZF | Flag.SF | Flag.OF;

const sizeOf = (op: HelperOp): 1 | 2 | 4 => (op.opcode & 1 ? operandBytes(op) : 1);

const readRm = (core: Core, op: HelperOp, size: number): number =>
  op.memory ? readMemory(core, op.segment, op.offset, size) : readRegister(core.state, op.rm, size);

function writeRm(core: Core, op: HelperOp, size: number, value: number): void {
  if (op.memory) writeMemory(core, op.segment, op.offset, size, value);
  else writeRegister(core.state, op.rm, size, value);
}

function parityIsEven(value: number): boolean {
  const folded = (value ^ (value >>> 4)) & 15;
  return ((0x9669 >>> folded) & 1) !== 0;
}

const signOf = (value: number, bits: number): number => (value >>> (bits - 1)) & 1;

/** PF, ZF and SF of a result of so many bits. */
const resultFlags = (result: number, bits: number): number =>
  (parityIsEven(result) ? Flag.PF : 0) | (result === 0 ? Flag.ZF : 0) | (signOf(result, bits) ? Flag.SF : 0);

function setShiftFlags(core: Core, bits: number, result: number, carry: number, overflow: number): void {
  const { state } = core;
  state.eflags =
    (state.eflags & ~SHIFTED) | resultFlags(result, bits) | (carry ? Flag.CF : 0) | (overflow ? Flag.OF : 0);
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

/** SHLD and SHRD: words are shifted with the second operand twice beside the first, and CF comes from there, too. */
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
  setShiftFlags(core, bits, result, carry, signOf(value, bits) ^ signOf(result, bits));
  return Outcome.next;
};

/** AAM: the flags that a division by zero leaves are those of AL's upper seven bits. */
export const aamBefore486: Helper = (core, op) => {
  const { state } = core;
  const al = state.reg8(EAX);
  const base = op.immediate & 0xff;
  const kept = state.eflags & ~SHIFTED;
  if (base === 0) {
    state.eflags = (state.eflags & ~(Flag.PF | Flag.ZF | Flag.SF)) | resultFlags(al >>> 1, 8);
    core.raise(Vector.DE);
  }
  const remainder = al % base;
  state.setReg16(EAX, (Math.floor(al / base) << 8) | remainder);
  state.eflags = kept | resultFlags(remainder, 8);
  return Outcome.next;
};

/**
 * IDIV. Of bytes and words: with L for the magnitude of the least quotient, one below that is no #DE if |dividend| - L * (|divisor| + L) lies from 0 to
 * |divisor| - 1. It is then the least one, and that difference the magnitude of the remainder.
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
    if (size === 4 || quotient > 0n || rest < 0n || rest >= magnitude(divisor)) core.raise(Vector.DE);
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
