import type { Core } from "../core.ts";
import { Vector } from "../core.ts";
import * as L from "../layout.ts";
import { Flag } from "../state.ts";
import { checkEntry } from "./code-entry.ts";
import {
  type Descriptor,
  isNull,
  lookUpDescriptor,
  markAccessed,
  SystemType,
  selectorError,
  setSegmentFrom,
} from "./descriptor.ts";
import { loadRealSegment } from "./segment-load.ts";
import { Segment } from "./segmentation.ts";
import { currentStack, pushFrame, setStackPointer } from "./stack.ts";

/** Bits of the word TASK of the state: what is left to do of a task switch. */
export const TaskPending = {
  yes: 1 << 0,
  /** The new task has a 32-bit TSS. */
  wide: 1 << 1,
  /** Error codes have EXT set: an interrupt or exception has switched. */
  ext: 1 << 2,
  /** The error code in TASK_ERROR_CODE is to be pushed. */
  errorCode: 1 << 3,
  /** T of the TSS: a debug trap comes before the first instruction. */
  debugTrap: 1 << 4,
  /** The monitor must be told of the new CR3 first. */
  announceCr3: 1 << 5,
  /** An exception has switched; its vector is in bits 8 to 15. */
  exception: 1 << 6,
} as const;

const VECTOR_SHIFT = 8;

/** These bits of the word TASK when exception `vector` has switched; 0 when no exception has (-1). */
export const switchedBy = (vector: number): number =>
  vector < 0 ? 0 : TaskPending.exception | (vector << VECTOR_SHIFT);

/** The vector of the exception whose delivery comes to its end with the new task, or -1. */
export const switchingException = (pending: number): number =>
  pending & TaskPending.exception ? (pending >>> VECTOR_SHIFT) & 0xff : -1;

const DR6_TASK_SWITCH = 1 << 15;
const DATA_SEGMENTS = [Segment.ES, Segment.DS, Segment.FS, Segment.GS] as const;

/**
 * Checks and loads the new task's segments, and pushes its error code. Done, or a fault of the new task is raised, or an exit signal
 * thrown (then this begins anew). True when a debug trap is due, with DR6 set.
 */
export function enterTask(core: Core): boolean {
  const { state } = core;
  const pending = state.get(L.TASK);
  const ext = pending & TaskPending.ext ? 1 : 0;
  loadLdt(core, ext);
  if (state.get(L.EFLAGS_REST) & Flag.VM) {
    for (let index = 0; index < 6; index++) loadRealSegment(state, index, state.selector(index));
    if (state.eip > 0xffff) core.raise(Vector.GP, ext);
  } else loadSegments(core, ext);
  state.updateMode();
  if (pending & TaskPending.errorCode) {
    const size = pending & TaskPending.wide ? 4 : 2;
    setStackPointer(state, pushFrame(core, currentStack(core, ext), size, [state.get(L.TASK_ERROR_CODE)]));
  }
  if ((pending & TaskPending.debugTrap) === 0) return false;
  state.set(L.DR6, state.get(L.DR6) | DR6_TASK_SWITCH);
  return true;
}

const invalid = (core: Core, selector: number, ext: number): never =>
  core.raise(Vector.TS, selectorError(selector, ext));

function loadLdt(core: Core, ext: number): void {
  const { state } = core;
  const selector = state.selector(Segment.LDTR);
  if (isNull(selector)) return;
  const found = (selector & 4 ? undefined : lookUpDescriptor(core, selector)) ?? invalid(core, selector, ext);
  if (found.systemType !== SystemType.ldt || !found.present) invalid(core, selector, ext);
  state.setSegment(Segment.LDTR, selector, found.base, found.limit, found.attributes);
}

/** One after the other, each loaded once it is checked: what is refused may be dealt with on the new stack if that was loaded. */
function loadSegments(core: Core, ext: number): void {
  const { state } = core;
  const code = checkedCode(core, state.selector(Segment.CS), ext);
  markAccessed(core, code);
  setSegmentFrom(core, Segment.CS, code.selector, code);
  const stack = checkedStack(core, state.selector(Segment.SS), ext);
  markAccessed(core, stack);
  setSegmentFrom(core, Segment.SS, stack.selector, stack);
  for (const index of DATA_SEGMENTS) {
    const data = checkedData(core, state.selector(index), ext);
    if (data === undefined) continue;
    markAccessed(core, data);
    setSegmentFrom(core, index, data.selector, data);
  }
  checkEntry(core, code, state.eip, ext);
}

function fetch(core: Core, selector: number, ext: number): Descriptor {
  const found = isNull(selector) ? undefined : lookUpDescriptor(core, selector);
  return found ?? invalid(core, selector, ext);
}

function checkedCode(core: Core, selector: number, ext: number): Descriptor {
  const code = fetch(core, selector, ext);
  const rpl = selector & 3;
  if (!code.code || (code.conforming ? code.dpl > rpl : code.dpl !== rpl)) invalid(core, selector, ext);
  if (!code.present) core.raise(Vector.NP, selectorError(selector, ext));
  return code;
}

function checkedStack(core: Core, selector: number, ext: number): Descriptor {
  const stack = fetch(core, selector, ext);
  const { cpl } = core.state;
  if (!stack.writable || stack.dpl !== cpl || (selector & 3) !== cpl) invalid(core, selector, ext);
  if (!stack.present) core.raise(Vector.SS, selectorError(selector, ext));
  return stack;
}

function checkedData(core: Core, selector: number, ext: number): Descriptor | undefined {
  if (isNull(selector)) return undefined;
  const data = fetch(core, selector, ext);
  if (!data.readable) invalid(core, selector, ext);
  if (!data.conforming && data.dpl < Math.max(selector & 3, core.state.cpl)) invalid(core, selector, ext);
  if (!data.present) core.raise(Vector.NP, selectorError(selector, ext));
  return data;
}
