import type { Core, Helper, HelperOp } from "../core.ts";
import { readRegister, writeRegister } from "./operand.ts";
import { linearAddress, readLinear, Segment, SegmentAccess, writeLinear } from "./segmentation.ts";
import {
  advance,
  EDI,
  ESI,
  elementSize,
  elementsInPage,
  goesDown,
  loadElement,
  readIndex,
  repeat,
  storeElement,
} from "./string-op.ts";

/** Below this a plain loop beats the call into the typed array's bulk operation. */
const BULK_BYTES = 64;

/**
 * Copies `count` elements as one-by-one moves would. `source` and `target` are bytes of the first element moved, which is the
 * highest one when `down`. Where the target overlaps bytes still to be read, the copy feeds on itself and must not be a memmove.
 */
export function copyElements(
  u8: Uint8Array,
  source: number,
  target: number,
  count: number,
  size: number,
  down: boolean,
): void {
  const bytes = count * size;
  const distance = down ? source - target : target - source;
  const feedsOnItself = distance > 0 && distance < bytes;
  if (!feedsOnItself && bytes >= BULK_BYTES) {
    const back = down ? bytes - size : 0;
    u8.copyWithin(target - back, source - back, source - back + bytes);
    return;
  }
  const step = down ? -size : size;
  for (let i = 0; i < count; i++) {
    storeElement(u8, target + i * step, size, loadElement(u8, source + i * step, size));
  }
}

/** Stores `value` in `count` elements from byte `at` upwards. */
export function fillElements(u8: Uint8Array, at: number, count: number, size: number, value: number): void {
  const byte = value & 0xff;
  const uniform = size === 1 || value === byte * (size === 2 ? 0x101 : 0x1010101);
  if (uniform) {
    u8.fill(byte, at, at + count * size);
    return;
  }
  for (let i = 0; i < count; i++) storeElement(u8, at + i * size, size, value);
}

function moveElements(core: Core, op: HelperOp, limit: number): number {
  const { state, memory } = core;
  const size = elementSize(op);
  const from = readIndex(state, op, ESI);
  const to = readIndex(state, op, EDI);
  const source = linearAddress(core, op.segment, from, size, SegmentAccess.read);
  const target = linearAddress(core, Segment.ES, to, size, SegmentAccess.write);
  let count = 1;
  let moved = false;
  if (limit > 1) {
    const run = Math.min(
      limit,
      elementsInPage(state, op, op.segment, from, source, size),
      elementsInPage(state, op, Segment.ES, to, target, size),
    );
    if (run > 0) {
      const sourceByte = memory.direct(source, false, false);
      const targetByte = sourceByte < 0 ? -1 : memory.direct(target, true, false);
      if (targetByte >= 0) {
        copyElements(state.u8, sourceByte, targetByte, run, size, goesDown(state));
        count = run;
        moved = true;
      }
    }
  }
  if (!moved) writeLinear(core, target, size, readLinear(core, source, size, false), false);
  advance(state, op, ESI, count * size);
  advance(state, op, EDI, count * size);
  return count;
}

/** MOVS. */
export const movs: Helper = (core, op) => repeat(core, op, moveElements);

function storeElements(core: Core, op: HelperOp, limit: number): number {
  const { state, memory } = core;
  const size = elementSize(op);
  const to = readIndex(state, op, EDI);
  const target = linearAddress(core, Segment.ES, to, size, SegmentAccess.write);
  const value = readRegister(state, 0, size);
  let count = 1;
  let stored = false;
  if (limit > 1) {
    const run = Math.min(limit, elementsInPage(state, op, Segment.ES, to, target, size));
    const targetByte = run > 0 ? memory.direct(target, true, false) : -1;
    if (targetByte >= 0) {
      const lowest = goesDown(state) ? targetByte - (run - 1) * size : targetByte;
      fillElements(state.u8, lowest, run, size, value);
      count = run;
      stored = true;
    }
  }
  if (!stored) writeLinear(core, target, size, value, false);
  advance(state, op, EDI, count * size);
  return count;
}

/** STOS. */
export const stos: Helper = (core, op) => repeat(core, op, storeElements);

function loadAccumulator(core: Core, op: HelperOp): number {
  const { state } = core;
  const size = elementSize(op);
  const offset = readIndex(state, op, ESI);
  const linear = linearAddress(core, op.segment, offset, size, SegmentAccess.read);
  writeRegister(state, 0, size, readLinear(core, linear, size, false));
  advance(state, op, ESI, size);
  return 1;
}

/** LODS. */
export const lods: Helper = (core, op) => repeat(core, op, loadAccumulator);
