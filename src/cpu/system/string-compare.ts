import type { Core, Helper, HelperOp } from "../core.ts";
import { Outcome } from "../core.ts";
import * as L from "../layout.ts";
import type { CpuState } from "../state.ts";
import { readRegister } from "./operand.ts";
import { linearAddress, readLinear, Segment, SegmentAccess } from "./segmentation.ts";
import {
  advance,
  EDI,
  ESI,
  elementSize,
  elementsInPage,
  goesDown,
  loadElement,
  readIndex,
  repeatUntil,
} from "./string-op.ts";

/** Flags of `left - right` (both zero-extended), in the lazy form of layout.ts. */
export function setCompareFlags(state: CpuState, left: number, right: number, size: number): void {
  const unused = 32 - size * 8;
  const result = ((left - right) << unused) >> unused;
  // Bit n is the borrow out of bit n.
  const borrow = (~left & right) | ((~left | right) & result);
  state.set(L.FLAG_ZR, result);
  state.set(L.FLAG_SP, result);
  state.set(L.FLAG_AUX, unused === 0 ? borrow : (borrow << unused) | (borrow & 8));
}

const isEqual = (state: CpuState): boolean => state.get(L.FLAG_ZR) === 0;

/** REPE goes on while elements are equal, REPNE while they differ. */
const comparisonEnds = (state: CpuState, op: HelperOp): boolean => isEqual(state) !== (op.rep === 0xf3);

/** True when a run of a repeated comparison stops at this pair. */
const stopsAt = (op: HelperOp, left: number, right: number): boolean =>
  (left === right) !== (op.rep === 0xf3);

function compareElements(core: Core, op: HelperOp, limit: number): number {
  const { state, memory } = core;
  const size = elementSize(op);
  const from = readIndex(state, op, ESI);
  const to = readIndex(state, op, EDI);
  const source = linearAddress(core, op.segment, from, size, SegmentAccess.read);
  const target = linearAddress(core, Segment.ES, to, size, SegmentAccess.read);
  let left = 0;
  let right = 0;
  let count = 0;
  if (limit > 1) {
    const run = Math.min(
      limit,
      elementsInPage(state, op, op.segment, from, source, size),
      elementsInPage(state, op, Segment.ES, to, target, size),
    );
    const sourceByte = run > 0 ? memory.direct(source, false, false) : -1;
    const targetByte = sourceByte < 0 ? -1 : memory.direct(target, false, false);
    if (targetByte >= 0) {
      const step = goesDown(state) ? -size : size;
      const { u8 } = state;
      do {
        left = loadElement(u8, sourceByte + count * step, size);
        right = loadElement(u8, targetByte + count * step, size);
        count++;
      } while (count < run && !stopsAt(op, left, right));
    }
  }
  if (count === 0) {
    left = readLinear(core, source, size, false);
    right = readLinear(core, target, size, false);
    count = 1;
  }
  setCompareFlags(state, left, right, size);
  advance(state, op, ESI, count * size);
  advance(state, op, EDI, count * size);
  return count;
}

/** CMPS: compares [ESI] with ES:[EDI]. */
export const cmps: Helper = (core, op) => compareWith(core, op, compareElements);

function scanElements(core: Core, op: HelperOp, limit: number): number {
  const { state, memory } = core;
  const size = elementSize(op);
  const to = readIndex(state, op, EDI);
  const target = linearAddress(core, Segment.ES, to, size, SegmentAccess.read);
  const left = readRegister(state, 0, size);
  let right = 0;
  let count = 0;
  if (limit > 1) {
    const run = Math.min(limit, elementsInPage(state, op, Segment.ES, to, target, size));
    const targetByte = run > 0 ? memory.direct(target, false, false) : -1;
    if (targetByte >= 0) {
      const step = goesDown(state) ? -size : size;
      const { u8 } = state;
      do {
        right = loadElement(u8, targetByte + count * step, size);
        count++;
      } while (count < run && !stopsAt(op, left, right));
    }
  }
  if (count === 0) {
    right = readLinear(core, target, size, false);
    count = 1;
  }
  setCompareFlags(state, left, right, size);
  advance(state, op, EDI, count * size);
  return count;
}

/** SCAS: compares the accumulator with ES:[EDI]. */
export const scas: Helper = (core, op) => compareWith(core, op, scanElements);

function compareWith(
  core: Core,
  op: HelperOp,
  step: (core: Core, op: HelperOp, limit: number) => number,
): Outcome {
  if (op.rep === 0) {
    step(core, op, 1);
    return Outcome.next;
  }
  return repeatUntil(core, op, step, comparisonEnds);
}
