import type { Core } from "../core.ts";
import { Vector } from "../core.ts";
import { type Descriptor, SystemType, selectorError } from "./descriptor.ts";
import { checkStackSegment } from "./segment-load.ts";
import { Segment } from "./segmentation.ts";
import { newStack, type StackTarget } from "./stack.ts";

/** A stack of an inner ring, checked but not loaded. */
export interface InnerStack {
  readonly descriptor: Descriptor;
  readonly target: StackTarget;
}

const isTss32 = (core: Core): boolean => (core.state.segAttr(Segment.TR) & 0xf) >= SystemType.tss32;

/**
 * The stack that the current task-state segment names for ring `cpl` (Intel SDM vol. 3, 6.12.1 and 7.2.1). Raises #TS about the
 * TSS or the stack selector, #SS when the stack is not present.
 */
export function innerStack(core: Core, cpl: number, ext = 0): InnerStack {
  const { state, memory } = core;
  const base = state.segBase(Segment.TR);
  const wide = isTss32(core);
  const at = wide ? 4 + cpl * 8 : 2 + cpl * 4;
  const lastByte = wide ? at + 5 : at + 3;
  if (state.segAttr(Segment.TR) === 0 || lastByte > state.segLimit(Segment.TR)) {
    core.raise(Vector.TS, selectorError(state.selector(Segment.TR), ext));
  }
  const pointer = wide ? memory.read32((base + at) >>> 0, true) : memory.read16((base + at) >>> 0, true);
  const selector = memory.read16((base + at + (wide ? 4 : 2)) >>> 0, true);
  const descriptor = checkStackSegment(core, selector, cpl, Vector.TS, ext);
  return { descriptor, target: newStack(descriptor, pointer, cpl, ext) };
}

const IO_MAP_BASE = 102;
const REDIRECTION_BYTES = 32;

/**
 * The bit of an INT n in the interrupt redirection bit map, which lies below the I/O map of the TSS: set, or beyond the limit, the
 * interrupt is for the monitor (Intel SDM vol. 3, 20.3.3).
 */
export function redirectsToMonitor(core: Core, vector: number): boolean {
  const { state, memory } = core;
  const base = state.segBase(Segment.TR);
  const limit = state.segLimit(Segment.TR);
  if (state.segAttr(Segment.TR) === 0 || !isTss32(core) || IO_MAP_BASE + 1 > limit) return true;
  const at = memory.read16((base + IO_MAP_BASE) >>> 0, true) - REDIRECTION_BYTES + (vector >> 3);
  if (at < 0 || at > limit) return true;
  return ((memory.read8((base + at) >>> 0, true) >> (vector & 7)) & 1) !== 0;
}

/**
 * True when the I/O permission bit map of the current TSS allows `size` ports from `port` (Intel SDM vol. 1, 19.5.2). The
 * processor always reads two bytes of the map, so both must lie inside the limit.
 */
export function ioMapAllows(core: Core, port: number, size: number): boolean {
  const { state, memory } = core;
  if (state.segAttr(Segment.TR) === 0 || !isTss32(core)) return false;
  const base = state.segBase(Segment.TR);
  const limit = state.segLimit(Segment.TR);
  if (IO_MAP_BASE + 1 > limit) return false;
  const at = memory.read16((base + IO_MAP_BASE) >>> 0, true) + (port >> 3);
  if (at + 1 > limit) return false;
  const bits = memory.read16((base + at) >>> 0, true) >> (port & 7);
  return (bits & ((1 << size) - 1)) === 0;
}
