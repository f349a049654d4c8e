import type { Helper } from "../core.ts";
import { Outcome, Vector } from "../core.ts";
import { Cr0 } from "../state.ts";
import {
  addressMask,
  isBefore486,
  operandBytes,
  readRegister,
  usesDescriptors,
  writeRegister,
} from "./operand.ts";
import {
  linearAddress,
  probeWriteRange,
  readMemory,
  Segment,
  SegmentAccess,
  writeMemory,
} from "./segmentation.ts";
import { adjustStack, currentStack, peek, pushFrame, setStackPointer, stackMask } from "./stack.ts";

const ESP = 4;
const EBP = 5;

/** Stack pointers at which PUSHA raises #GP(0) rather than #SS where segments are paragraphs (Intel SDM vol. 2, PUSHA). */
const FORBIDDEN_STACK_POINTERS: readonly number[] = [7, 9, 11, 13, 15];

/** PUSHA: all general registers, ESP as it was before. */
export const pusha: Helper = (core, op) => {
  const { state } = core;
  if (!usesDescriptors(state) && FORBIDDEN_STACK_POINTERS.includes(state.reg(ESP) & stackMask(state)))
    core.raise(Vector.GP, 0);
  const size = operandBytes(op);
  const registers = [0, 1, 2, 3, 4, 5, 6, 7].map((index) => readRegister(state, index, size));
  setStackPointer(state, pushFrame(core, currentStack(core), size, registers));
  return Outcome.next;
};

/** POPA: all general registers; the image of ESP is skipped. */
export const popa: Helper = (core, op) => {
  const { state } = core;
  const size = operandBytes(op);
  const values = [0, 1, 2, 3, 4, 5, 6, 7].map((index) => peek(core, (7 - index) * size, size));
  for (let index = 0; index < 8; index++) {
    if (index !== ESP) writeRegister(state, index, size, values[index] as number);
  }
  setStackPointer(state, adjustStack(state, 8 * size));
  return Outcome.next;
};

/**
 * ENTER (C8): a stack frame of `immediate` bytes at nesting level `immediate2` (Intel SDM vol. 2, ENTER). The frame pointers are
 * written one by one below the stack pointer, registers change last: a fault in the middle leaves the instruction to be done again.
 */
export const enter: Helper = (core, op) => {
  const { state, memory } = core;
  const size = operandBytes(op);
  const mask = stackMask(state);
  const frameBytes = op.immediate & 0xffff;
  const level = op.immediate2 & 31;
  let top = (state.reg(ESP) & mask) >>> 0;
  const push = (value: number): void => {
    const offset = ((top - size) & mask) >>> 0;
    writeMemory(core, Segment.SS, offset, size, value);
    top = offset;
  };
  push(readRegister(state, EBP, size));
  const esp = state.reg(ESP);
  const frame = ((esp & ~mask) | top) >>> 0;
  if (level > 0) {
    let outer = state.reg(EBP);
    for (let i = 1; i < level; i++) {
      outer = ((outer - size) & mask) >>> 0;
      push(readMemory(core, Segment.SS, outer, size));
    }
    push(frame);
  }
  const bottom = ((top - frameBytes) & mask) >>> 0;
  // The new top of the stack must be writable although nothing is written there. An 80386 asks that of its page, but not of the segment.
  if (!isBefore486(core))
    memory.probeWrite(linearAddress(core, Segment.SS, bottom, size, SegmentAccess.write), size, false);
  else if (state.cr0 & Cr0.PG) probeWriteRange(core, (state.segBase(Segment.SS) + bottom) >>> 0, size, false);
  writeRegister(state, EBP, size, frame);
  setStackPointer(state, ((esp & ~mask) | bottom) >>> 0);
  return Outcome.next;
};

/** POP to memory (8F /0): the address is computed with ESP already incremented. */
export const popMemory: Helper = (core, op) => {
  const { state } = core;
  const size = operandBytes(op);
  const value = peek(core, 0, size);
  const offset = op.baseIsEsp ? ((op.offset + size) & addressMask(op)) >>> 0 : op.offset;
  writeMemory(core, op.segment, offset, size, value);
  setStackPointer(state, adjustStack(state, size));
  return Outcome.next;
};

/** BOUND (62): #BR unless the register lies between the two signed bounds in memory. */
export const bound: Helper = (core, op) => {
  const size = operandBytes(op);
  const unused = 32 - size * 8;
  const signed = (value: number): number => (value << unused) >> unused;
  const mask = addressMask(op);
  const lower = signed(readMemory(core, op.segment, op.offset, size));
  const upper = signed(readMemory(core, op.segment, ((op.offset + size) & mask) >>> 0, size));
  const index = signed(readRegister(core.state, op.reg, size));
  if (index < lower || index > upper) core.raise(Vector.BR);
  return Outcome.next;
};
