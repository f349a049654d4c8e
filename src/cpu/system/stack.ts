import type { Core } from "../core.ts";
import { Vector } from "../core.ts";
import * as L from "../layout.ts";
import type { CpuState } from "../state.ts";
import { type Descriptor, selectorError } from "./descriptor.ts";
import {
  linearAddress,
  probeWriteRange,
  readLinear,
  Segment,
  SegmentAccess,
  writeLinear,
} from "./segmentation.ts";

/** Where a frame is pushed: the current stack, or one that is about to become current. */
export interface StackTarget {
  readonly base: number;
  /** First and last valid offset. */
  readonly first: number;
  readonly last: number;
  /** 0xffff for a 16-bit stack (SS.B clear), else 0xffffffff. */
  readonly mask: number;
  /** ESP before the push, all 32 bits. */
  readonly pointer: number;
  /** The stack belongs to ring 0, 1 or 2 while CPL may still be 3. */
  readonly supervisor: boolean;
  /** Error code of the #SS raised when the frame does not fit. */
  readonly errorCode: number;
}

/** Mask of stack offsets: SS.B chooses SP or ESP. */
export const stackMask = (state: CpuState): number =>
  state.segAttr(Segment.SS) & 0x4000 ? 0xffffffff : 0xffff;

/** The stack in SS:ESP. `ext` is the EXT bit of #SS when an event is being delivered. */
export function currentStack(core: Core, ext = 0): StackTarget {
  const { state } = core;
  // Data that cannot be written leaves no offset to push to.
  const writable = (state.get(L.SEG_SS + L.SEG_PERM) & SegmentAccess.write) !== 0;
  return {
    base: state.segBase(Segment.SS),
    first: writable ? state.get(L.SEG_SS + L.SEG_LO) : 1,
    last: writable ? state.get(L.SEG_SS + L.SEG_HI) : 0,
    mask: stackMask(state),
    pointer: state.reg(4),
    supervisor: false,
    errorCode: ext,
  };
}

/** The stack of ring `cpl` that `descriptor` and `pointer` describe (checked, not loaded yet). */
export function newStack(descriptor: Descriptor, pointer: number, cpl: number, ext = 0): StackTarget {
  return {
    base: descriptor.base,
    first: descriptor.firstOffset,
    last: descriptor.lastOffset,
    mask: descriptor.big ? 0xffffffff : 0xffff,
    pointer,
    supervisor: cpl !== 3,
    errorCode: selectorError(descriptor.selector, ext),
  };
}

function slotAddress(core: Core, target: StackTarget, offset: number, size: number): number {
  if (offset < target.first || offset + size - 1 > target.last) core.raise(Vector.SS, target.errorCode);
  return (target.base + offset) >>> 0;
}

/**
 * Pushes `values` in order, each `size` bytes, and returns ESP after it (SP in the low half of a 16-bit stack). No register is
 * changed. Everything is checked before the first write, so a fault or exit leaves memory as it was.
 */
export function pushFrame(core: Core, target: StackTarget, size: 2 | 4, values: readonly number[]): number {
  const { mask, supervisor } = target;
  const bytes = size * values.length;
  const bottom = ((target.pointer - bytes) & mask) >>> 0;
  const contiguous = bottom + bytes - 1 <= mask >>> 0;
  if (contiguous) {
    // The processor pushes from the top down: of two absent pages it reports the upper one, at the first value's place.
    const top = bottom + bytes - size;
    probeWriteRange(core, slotAddress(core, target, top, size), size, supervisor);
    probeWriteRange(core, slotAddress(core, target, bottom, bytes), bytes, supervisor);
  } else {
    for (let i = 1; i <= values.length; i++) {
      const offset = ((target.pointer - i * size) & mask) >>> 0;
      probeWriteRange(core, slotAddress(core, target, offset, size), size, supervisor);
    }
  }
  for (let i = 0; i < values.length; i++) {
    const offset = ((target.pointer - (i + 1) * size) & mask) >>> 0;
    writeLinear(core, (target.base + offset) >>> 0, size, values[i] as number, supervisor);
  }
  return mask === 0xffff ? ((target.pointer & 0xffff0000) | bottom) >>> 0 : bottom;
}

/** The `size` bytes `displacement` bytes above the top of the stack, zero-extended. Moves nothing. */
export function peek(core: Core, displacement: number, size: number): number {
  const { state } = core;
  const offset = ((state.reg(4) + displacement) & stackMask(state)) >>> 0;
  return readLinear(core, linearAddress(core, Segment.SS, offset, size, SegmentAccess.read), size, false);
}

/** ESP as it is after adding `bytes` to (E)SP of the current stack. */
export function adjustStack(state: CpuState, bytes: number): number {
  const esp = state.reg(4);
  const mask = stackMask(state);
  return ((esp & ~mask) | ((esp + bytes) & mask)) >>> 0;
}

export function setStackPointer(state: CpuState, pointer: number): void {
  state.setReg(4, pointer);
}

/**
 * Loads the stack pointer popped for an outer ring, after SS was loaded. A 16-bit stack takes SP only: the upper half of ESP
 * keeps the inner ring's bits, as every processor does it.
 */
export function setOuterStackPointer(state: CpuState, pointer: number): void {
  if (stackMask(state) === 0xffff) state.setReg16(4, pointer);
  else state.setReg(4, pointer);
}
