import { DR6_BREAKPOINTS } from "../breakpoints.ts";
import type { Core, Helper, HelperOp } from "../core.ts";
import { Outcome, Vector } from "../core.ts";
import * as L from "../layout.ts";
import { Cr4, Flag } from "../state.ts";
import { checkRealEntry, enterRealCode } from "./code-entry.ts";
import { deliverEvent, interceptException, isIntercepted } from "./delivery.ts";
import { ioPrivilege, virtualImage, writeFlags } from "./flags.ts";
import { isVirtual8086 } from "./operand.ts";
import { Segment } from "./segmentation.ts";
import { currentStack, pushFrame, setStackPointer } from "./stack.ts";
import { redirectsToMonitor } from "./task-state.ts";

function softwareInterrupt(core: Core, vector: number, returnEip: number): Outcome {
  deliverEvent(core, { vector, errorCode: -1, address: 0, kind: "software", returnEip });
  return Outcome.jump;
}

/**
 * INT n. In virtual-8086 mode with CR4.VME the redirection bit map of the TSS may send it to the program's own vector table; else it is
 * for the monitor: through the IDT if IOPL is 3, #GP(0) if not (Intel SDM vol. 3, 20.3.3).
 */
export const intN: Helper = (core, op) => {
  const { state } = core;
  const vector = op.immediate & 0xff;
  if (isVirtual8086(state)) {
    if (state.cr4 & Cr4.VME && !redirectsToMonitor(core, vector)) return virtualInterrupt(core, vector, op);
    if (ioPrivilege(state.get(L.EFLAGS_REST)) < 3) core.raise(Vector.GP, 0);
  }
  return softwareInterrupt(core, vector, op.nextEip);
};

/** Through the interrupt vector table at linear 0, without leaving virtual-8086 mode. */
function virtualInterrupt(core: Core, vector: number, op: HelperOp): Outcome {
  const { state } = core;
  const virtual = ioPrivilege(state.get(L.EFLAGS_REST)) < 3;
  const entry = core.memory.read32(vector * 4, false);
  checkRealEntry(core, entry & 0xffff);
  const flags = (virtual ? virtualImage(state) : state.eflags) & ~Flag.NT;
  const frame = [flags & 0xffff, state.selector(Segment.CS), op.nextEip & 0xffff];
  setStackPointer(state, pushFrame(core, currentStack(core), 2, frame));
  writeFlags(state, 0, Flag.TF | Flag.NT | (virtual ? Flag.VIF : Flag.IF));
  enterRealCode(core, entry >>> 16, entry & 0xffff);
  state.set(L.SHADOW, L.SHADOW_STEP);
  return Outcome.jump;
}

/** An exception that an instruction raises on purpose, if the monitor wants to see it. */
function intercepted(core: Core, op: HelperOp, vector: number): boolean {
  if (!isIntercepted(core, vector)) return false;
  interceptException(core, vector, -1, 0, -1);
  core.exitRecord.length = op.length;
  return true;
}

/** INT3. */
export const int3: Helper = (core, op) =>
  intercepted(core, op, Vector.BP) ? Outcome.exit : softwareInterrupt(core, Vector.BP, op.nextEip);

/** INTO. */
export const into: Helper = (core, op) => {
  if ((core.state.eflags & Flag.OF) === 0) return Outcome.next;
  return intercepted(core, op, Vector.OF) ? Outcome.exit : softwareInterrupt(core, Vector.OF, op.nextEip);
};

/**
 * INT1: a #DB trap that the processor itself raises, so the gate's DPL is not looked at. Breakpoints that MOV SS before it has held back are reported
 * with it; before INT n they come after it.
 */
export const int1: Helper = (core, op) => {
  const { state } = core;
  if (intercepted(core, op, Vector.DB)) return Outcome.exit;
  const heldBack = state.get(L.DEBUG_HITS);
  deliverEvent(core, {
    vector: Vector.DB,
    errorCode: -1,
    address: 0,
    kind: "exception",
    returnEip: op.nextEip,
  });
  // Its gate may have switched the task, which is to be completed first.
  state.set(L.SHADOW, state.get(L.SHADOW) | L.SHADOW_STEP);
  if (heldBack !== 0) {
    state.set(L.DEBUG_HITS, state.get(L.DEBUG_HITS) & ~heldBack);
    state.set(L.DR6, (state.get(L.DR6) & ~DR6_BREAKPOINTS) | heldBack);
  }
  return Outcome.jump;
};
