import type { Core, HelperOp } from "../core.ts";
import { Outcome } from "../core.ts";
import * as L from "../layout.ts";
import type { CpuState } from "../state.ts";
import { Flag } from "../state.ts";

export const ESI = 6;
export const EDI = 7;
export const ECX = 1;

/** A repeated instruction gives the dispatcher a turn (interrupts) after this many iterations. */
export const ITERATIONS_PER_TURN = 4096;

/** Bytes of one element: byte forms have an even opcode. */
export const elementSize = (op: HelperOp): 1 | 2 | 4 => {
  if ((op.opcode & 1) === 0) return 1;
  return op.operandSize === 32 ? 4 : 2;
};

export const goesDown = (state: CpuState): boolean => (state.get(L.EFLAGS_REST) & Flag.DF) !== 0;

type AddressSized = Pick<HelperOp, "addressSize">;

/** ESI, EDI or ECX at the address size. */
export const readIndex = (state: CpuState, op: AddressSized, index: number): number =>
  op.addressSize === 32 ? state.reg(index) : state.reg16(index);

export function writeIndex(state: CpuState, op: AddressSized, index: number, value: number): void {
  if (op.addressSize === 32) state.setReg(index, value);
  else state.setReg16(index, value);
}

/** Moves an index register over `count` elements, wrapping at the address size. */
export function advance(state: CpuState, op: AddressSized, index: number, bytes: number): void {
  writeIndex(state, op, index, readIndex(state, op, index) + (goesDown(state) ? -bytes : bytes));
}

/**
 * How many elements from `offset` on (itself included) lie in one page, inside the segment's limits and before the index wraps.
 * 0 when already the first one crosses a page. `linear` is the checked linear address of the first.
 */
export function elementsInPage(
  state: CpuState,
  op: HelperOp,
  segment: number,
  offset: number,
  linear: number,
  size: number,
): number {
  const inPage = linear & 4095;
  if (inPage + size > 4096) return 0;
  const record = L.SEG + segment * L.SEG_SIZE;
  if (goesDown(state)) {
    const room = Math.min(inPage, offset - state.get(record + L.SEG_LO));
    return 1 + Math.floor(room / size);
  }
  const last = Math.min(state.get(record + L.SEG_HI), op.addressSize === 32 ? 0xffffffff : 0xffff);
  return Math.floor(Math.min(4096 - inPage, last - offset + 1) / size);
}

/**
 * Does 1 to `limit` iterations: reads and writes first, then moves the index registers, so that an access that throws leaves
 * registers at the last completed iteration. Returns how many were done.
 */
export type StringStep = (core: Core, op: HelperOp, limit: number) => number;

/** Runs an instruction whose REP counts (E)CX down to 0 (Intel SDM vol. 2, REP). */
export function repeat(core: Core, op: HelperOp, step: StringStep): Outcome {
  if (op.rep === 0) {
    step(core, op, 1);
    return Outcome.next;
  }
  return repeatUntil(core, op, step, never);
}

const never = (): boolean => false;

/** Like `repeat`; ends early when `done` says so after a step (REPE, REPNE). */
export function repeatUntil(
  core: Core,
  op: HelperOp,
  step: StringStep,
  done: (state: CpuState, op: HelperOp) => boolean,
): Outcome {
  const { state } = core;
  // With TF set there is a trap after every iteration.
  let allowance = state.get(L.EFLAGS_REST) & Flag.TF ? 1 : ITERATIONS_PER_TURN;
  for (;;) {
    const count = readIndex(state, op, ECX);
    if (count === 0) return Outcome.next;
    if (allowance === 0) return Outcome.again;
    const iterations = step(core, op, Math.min(count, allowance));
    writeIndex(state, op, ECX, count - iterations);
    core.iterationDone();
    allowance = core.breakpointMet ? 0 : allowance - iterations;
    if (done(state, op)) return Outcome.next;
  }
}

/**
 * Drives an instruction whose iterations each need an answer from outside. `step` returns false after filling the exit record.
 * The dispatcher gets a turn after every iteration: the next one leaves the guest anyway.
 */
export function repeatAnswered(
  core: Core,
  op: HelperOp,
  step: (core: Core, op: HelperOp) => boolean,
): Outcome {
  const { state } = core;
  if (op.rep === 0) return step(core, op) ? Outcome.next : Outcome.exit;
  const count = readIndex(state, op, ECX);
  if (count === 0) return Outcome.next;
  if (!step(core, op)) return Outcome.exit;
  writeIndex(state, op, ECX, count - 1);
  core.iterationDone();
  return count === 1 ? Outcome.next : Outcome.again;
}

/** Little-endian element of 1, 2 or 4 bytes at any alignment, zero-extended. */
export function loadElement(u8: Uint8Array, at: number, size: number): number {
  const low = u8[at] as number;
  if (size === 1) return low;
  const half = low | ((u8[at + 1] as number) << 8);
  if (size === 2) return half;
  return (half | ((u8[at + 2] as number) << 16) | ((u8[at + 3] as number) << 24)) >>> 0;
}

export function storeElement(u8: Uint8Array, at: number, size: number, value: number): void {
  u8[at] = value;
  if (size === 1) return;
  u8[at + 1] = value >>> 8;
  if (size === 2) return;
  u8[at + 2] = value >>> 16;
  u8[at + 3] = value >>> 24;
}
