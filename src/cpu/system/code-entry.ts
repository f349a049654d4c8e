import type { Core } from "../core.ts";
import { Vector } from "../core.ts";
import * as L from "../layout.ts";
import { type Descriptor, fetchDescriptor, isNull, selectorError, setSegmentFrom } from "./descriptor.ts";
import { loadRealSegment } from "./segment-load.ts";
import { Segment } from "./segmentation.ts";

/** Fetches the descriptor of a code selector: null is #GP(ext), outside the table or not code #GP(selector). */
export function fetchCode(core: Core, selector: number, ext = 0): Descriptor {
  if (isNull(selector)) core.raise(Vector.GP, ext);
  const descriptor = fetchDescriptor(core, selector, Vector.GP, ext);
  if (!descriptor.code) core.raise(Vector.GP, selectorError(selector, ext));
  return descriptor;
}

/** #GP(ext) when the target lies beyond the code segment's limit. */
export function checkEntry(core: Core, descriptor: Descriptor, eip: number, ext = 0): void {
  if (eip >>> 0 > descriptor.limit) core.raise(Vector.GP, ext);
}

/** Goes to `eip` in a checked code segment at privilege `cpl`. SS must have been loaded already; cannot fault. */
export function enterCode(core: Core, descriptor: Descriptor, cpl: number, eip: number): void {
  const { state } = core;
  setSegmentFrom(core, Segment.CS, (descriptor.selector & 0xfffc) | cpl, descriptor);
  state.set(L.CPL, cpl);
  state.eip = eip;
  state.updateMode();
}

/** #GP when a real-mode target lies beyond the limit of CS, which real mode keeps. */
export function checkRealEntry(core: Core, eip: number): void {
  if (eip >>> 0 > core.state.segLimit(Segment.CS)) core.raise(Vector.GP, 0);
}

export function enterRealCode(core: Core, selector: number, eip: number): void {
  loadRealSegment(core.state, Segment.CS, selector);
  core.state.eip = eip;
  core.state.updateMode();
}
