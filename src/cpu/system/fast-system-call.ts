import type { Core, Helper } from "../core.ts";
import { Outcome, Vector } from "../core.ts";
import * as L from "../layout.ts";
import { Flag } from "../state.ts";
import { isNull } from "./descriptor.ts";
import { isProtected, requireRing0 } from "./operand.ts";
import { Segment } from "./segmentation.ts";

const SEP_FEATURE = 11;

/** Flat 4 GiB, 32-bit, accessed; DPL is or-ed in. */
const FLAT_CODE = 0xc09b;
const FLAT_DATA = 0xc093;

function systemCallSelector(core: Core): number {
  if (((core.cpuid.features >>> SEP_FEATURE) & 1) === 0) core.raise(Vector.UD);
  const selector = core.state.get(L.SYSENTER) & 0xffff;
  if (!isProtected(core.state) || isNull(selector)) core.raise(Vector.GP, 0);
  return selector;
}

/** Goes to `eip` with the fixed flat segments of SYSENTER and SYSEXIT. */
function enterFlat(core: Core, code: number, stack: number, cpl: number, eip: number, esp: number): Outcome {
  const { state } = core;
  state.setSegment(Segment.CS, (code & 0xfffc) | cpl, 0, 0xffffffff, FLAT_CODE | (cpl << 5));
  state.setSegment(Segment.SS, (stack & 0xfffc) | cpl, 0, 0xffffffff, FLAT_DATA | (cpl << 5));
  state.set(L.CPL, cpl);
  state.setReg(4, esp);
  state.eip = eip;
  state.updateMode();
  return Outcome.jump;
}

/** SYSENTER (0F 34): #UD unless CPUID offers SEP. */
export const sysenter: Helper = (core) => {
  const selector = systemCallSelector(core);
  const { state } = core;
  state.set(L.EFLAGS_REST, state.get(L.EFLAGS_REST) & ~(Flag.VM | Flag.IF | Flag.RF));
  return enterFlat(core, selector, selector + 8, 0, state.get(L.SYSENTER + 8), state.get(L.SYSENTER + 4));
};

/** SYSEXIT (0F 35): to ring 3 at EDX with the stack in ECX. */
export const sysexit: Helper = (core) => {
  const selector = systemCallSelector(core);
  requireRing0(core);
  const { state } = core;
  return enterFlat(core, selector + 16, selector + 24, 3, state.reg(2), state.reg(1));
};
