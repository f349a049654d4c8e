import type { Core, Helper, HelperOp } from "../core.ts";
import { Outcome, Vector } from "../core.ts";
import * as L from "../layout.ts";
import { Flag } from "../state.ts";
import { checkEntry, checkRealEntry, enterCode, enterRealCode, fetchCode } from "./code-entry.ts";
import { type Descriptor, markAccessed, selectorError, setSegmentFrom } from "./descriptor.ts";
import { isGuestFault } from "./exceptions.ts";
import {
  ALL_FLAGS,
  checkVirtualFlags,
  flagsWritableAt,
  loadsResume,
  virtualFlags,
  writeFlags,
  writeVirtualFlags,
} from "./flags.ts";
import { operandBytes, usesDescriptors } from "./operand.ts";
import { checkStackSegment, dropInnerSegments, loadRealSegment } from "./segment-load.ts";
import { Segment } from "./segmentation.ts";
import { adjustStack, peek, setOuterStackPointer, setStackPointer } from "./stack.ts";
import { returnToLinkedTask } from "./task-switch.ts";

/** The code segment that a far return goes back to: RPL is the privilege returned to and never an inner one. */
function fetchReturnCode(core: Core, selector: number): Descriptor {
  const code = fetchCode(core, selector);
  const rpl = selector & 3;
  const allowed = rpl >= core.state.cpl && (code.conforming ? code.dpl <= rpl : code.dpl === rpl);
  if (!allowed) core.raise(Vector.GP, selectorError(selector));
  if (!code.present) core.raise(Vector.NP, selectorError(selector));
  return code;
}

/**
 * Returns to `code` at `eip`, whose frame takes `frameBytes` of the current stack. To an outer ring SS:ESP follow in the frame;
 * `parameterBytes` are dropped from either stack.
 */
function returnTo(
  core: Core,
  code: Descriptor,
  eip: number,
  frameBytes: number,
  parameterBytes: number,
  size: 2 | 4,
): void {
  const { state } = core;
  const rpl = code.selector & 3;
  if (rpl === state.cpl) {
    checkEntry(core, code, eip);
    markAccessed(core, code);
    setStackPointer(state, adjustStack(state, frameBytes + parameterBytes));
    enterCode(core, code, rpl, eip);
    return;
  }
  const pointer = peek(core, frameBytes + parameterBytes, size);
  const selector = peek(core, frameBytes + parameterBytes + size, size) & 0xffff;
  const stack = checkStackSegment(core, selector, rpl, Vector.GP);
  checkEntry(core, code, eip);
  markAccessed(core, code);
  markAccessed(core, stack);
  setSegmentFrom(core, Segment.SS, selector, stack);
  setOuterStackPointer(state, pointer);
  setStackPointer(state, adjustStack(state, parameterBytes));
  dropInnerSegments(state, rpl);
  enterCode(core, code, rpl, eip);
}

/** RET far (CA, CB; Intel SDM vol. 2, RET). */
export const retFar: Helper = (core, op) => {
  const { state } = core;
  const size = operandBytes(op);
  const parameterBytes = op.opcode === 0xca ? op.immediate & 0xffff : 0;
  const eip = peek(core, 0, size);
  const selector = peek(core, size, size) & 0xffff;
  if (usesDescriptors(state)) {
    returnTo(core, fetchReturnCode(core, selector), eip, 2 * size, parameterBytes, size);
  } else {
    checkRealEntry(core, eip);
    setStackPointer(state, adjustStack(state, 2 * size + parameterBytes));
    enterRealCode(core, selector, eip);
  }
  return Outcome.jump;
};

/** In real mode and, if its IOPL or CR4.VME allows it, in virtual-8086 mode. */
function iretReal(core: Core, op: HelperOp): void {
  const { state } = core;
  const size = operandBytes(op);
  const virtual = virtualFlags(core, size);
  const eip = peek(core, 0, size);
  const selector = peek(core, size, size) & 0xffff;
  const flags = peek(core, 2 * size, size);
  checkRealEntry(core, eip);
  if (virtual) checkVirtualFlags(core, flags);
  setStackPointer(state, adjustStack(state, 3 * size));
  if (virtual) writeVirtualFlags(core, flags);
  else
    writeFlags(
      state,
      flags,
      flagsWritableAt(core, state.cpl, state.eflags, size) | (size === 4 ? loadsResume(core) : 0),
    );
  enterRealCode(core, selector, eip);
}

/** Ring 0 goes to virtual-8086 mode: ESP, SS, ES, DS, FS and GS follow the flags. */
function iretToVirtual8086(core: Core, eip: number, selector: number, flags: number): void {
  const { state } = core;
  const slots = [12, 16, 20, 24, 28, 32].map((at) => peek(core, at, 4));
  const [esp, ss, es, ds, fs, gs] = slots as [number, number, number, number, number, number];
  if (eip > 0xffff) core.raise(Vector.GP, 0);
  state.eflags = (flags & ((ALL_FLAGS & ~core.cpuid.absentFlags) | loadsResume(core))) | Flag.VM;
  state.set(L.CPL, 3);
  for (const [index, value] of [es, selector, ss, ds, fs, gs].entries())
    loadRealSegment(state, index, value & 0xffff);
  setStackPointer(state, esp);
  state.eip = eip;
  state.updateMode();
}

function iretProtected(core: Core, op: HelperOp): void {
  const { state } = core;
  const size = operandBytes(op);
  const before = state.eflags;
  if (before & Flag.NT) {
    returnToLinkedTask(core, op.nextEip);
    return;
  }
  const eip = peek(core, 0, size);
  const selector = peek(core, size, size) & 0xffff;
  const flags = peek(core, 2 * size, size);
  const { cpl } = state;
  // Other rings cannot set VM: it is ignored.
  if (size === 4 && flags & Flag.VM && cpl === 0) {
    iretToVirtual8086(core, eip, selector, flags);
    return;
  }
  returnTo(core, fetchReturnCode(core, selector), eip, 3 * size, 0, size);
  // What may be changed is judged by the ring returned from.
  const resume = size === 4 ? loadsResume(core) : 0;
  const virtual = size === 4 && cpl === 0 ? (Flag.VIF | Flag.VIP) & ~core.cpuid.absentFlags : 0;
  writeFlags(state, flags, flagsWritableAt(core, cpl, before, size) | resume | virtual);
}

/** IRET (CF; Intel SDM vol. 2, IRET). */
export const iret: Helper = (core, op) => {
  if (core.state.get(L.NMI_BLOCKED) !== 0) return iretUnblocking(core, op);
  if (usesDescriptors(core.state)) iretProtected(core, op);
  else iretReal(core, op);
  return Outcome.jump;
};

/** Whatever comes of it, a fault too, another non-maskable interrupt may be taken then; but not while it is left for the monitor. */
function iretUnblocking(core: Core, op: HelperOp): Outcome {
  const { state } = core;
  state.set(L.NMI_BLOCKED, 0);
  try {
    return iret(core, op);
  } catch (thrown) {
    if (!isGuestFault(thrown)) state.set(L.NMI_BLOCKED, L.NMI_UNBLOCKING);
    throw thrown;
  }
}
