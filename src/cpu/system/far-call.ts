import type { Core, Helper, HelperOp } from "../core.ts";
import { Outcome, Vector } from "../core.ts";
import { checkEntry, checkRealEntry, enterCode, enterRealCode, fetchCode } from "./code-entry.ts";
import {
  type Descriptor,
  fetchDescriptor,
  isNull,
  markAccessed,
  SystemType,
  selectorError,
  setSegmentFrom,
} from "./descriptor.ts";
import { offsetBy, operandBytes, usesDescriptors } from "./operand.ts";
import { readMemory, readMemory16, Segment } from "./segmentation.ts";
import { currentStack, peek, pushFrame, setStackPointer } from "./stack.ts";
import { innerStack } from "./task-state.ts";
import { switchesTask } from "./task-switch.ts";

interface FarPointer {
  readonly selector: number;
  readonly offset: number;
}

/** The target in the instruction (9A, EA) or in memory (FF /3, FF /5). */
function farPointer(core: Core, op: HelperOp): FarPointer {
  const size = operandBytes(op);
  if (op.memory) {
    return {
      offset: readMemory(core, op.segment, op.offset, size),
      selector: readMemory16(core, op.segment, offsetBy(op, size)),
    };
  }
  return {
    offset: size === 4 ? op.immediate >>> 0 : op.immediate & 0xffff,
    selector: op.immediate2 & 0xffff,
  };
}

/** The descriptor that a far call or jump names: code, or a gate. */
function fetchTarget(core: Core, selector: number): Descriptor {
  if (isNull(selector)) core.raise(Vector.GP, 0);
  return fetchDescriptor(core, selector, Vector.GP);
}

/** Privilege and presence of a code segment that is called or jumped to directly: the privilege stays. */
function checkDirect(core: Core, selector: number, code: Descriptor): void {
  const { cpl } = core.state;
  const allowed = code.conforming ? code.dpl <= cpl : (selector & 3) <= cpl && code.dpl === cpl;
  if (!allowed) core.raise(Vector.GP, selectorError(selector));
  if (!code.present) core.raise(Vector.NP, selectorError(selector));
}

/** Checks that a descriptor is a call gate that may be used. */
function checkCallGate(core: Core, selector: number, gate: Descriptor): void {
  const type = gate.systemType;
  if (type !== SystemType.callGate16 && type !== SystemType.callGate32) {
    core.raise(Vector.GP, selectorError(selector));
  }
  if (gate.dpl < core.state.cpl || gate.dpl < (selector & 3)) core.raise(Vector.GP, selectorError(selector));
  if (!gate.present) core.raise(Vector.NP, selectorError(selector));
}

/** The code segment behind a call gate. */
function fetchGateCode(core: Core, gate: Descriptor): Descriptor {
  const code = fetchCode(core, gate.gateSelector);
  if (code.dpl > core.state.cpl) core.raise(Vector.GP, selectorError(gate.gateSelector));
  return code;
}

const gateSize = (gate: Descriptor): 2 | 4 => (gate.systemType === SystemType.callGate32 ? 4 : 2);

function callSameRing(core: Core, code: Descriptor, eip: number, size: 2 | 4, returnEip: number): void {
  const { state } = core;
  checkEntry(core, code, eip);
  markAccessed(core, code);
  const pointer = pushFrame(core, currentStack(core), size, [state.selector(Segment.CS), returnEip]);
  setStackPointer(state, pointer);
  enterCode(core, code, state.cpl, eip);
}

/** Through a call gate to an inner ring: stack from the TSS, parameters copied from the caller's stack. */
function callInnerRing(core: Core, code: Descriptor, gate: Descriptor, returnEip: number): void {
  const { state } = core;
  const size = gateSize(gate);
  const stack = innerStack(core, code.dpl);
  checkEntry(core, code, gate.gateOffset);
  const frame = [state.selector(Segment.SS), state.reg(4)];
  for (let i = gate.gateParameters - 1; i >= 0; i--) frame.push(peek(core, i * size, size));
  frame.push(state.selector(Segment.CS), returnEip);
  markAccessed(core, stack.descriptor);
  markAccessed(core, code);
  const pointer = pushFrame(core, stack.target, size, frame);
  setSegmentFrom(core, Segment.SS, stack.descriptor.selector, stack.descriptor);
  setStackPointer(state, pointer);
  enterCode(core, code, code.dpl, gate.gateOffset);
}

function callReal(core: Core, op: HelperOp, target: FarPointer): void {
  const { state } = core;
  checkRealEntry(core, target.offset);
  const frame = [state.selector(Segment.CS), op.nextEip];
  setStackPointer(state, pushFrame(core, currentStack(core), operandBytes(op), frame));
  enterRealCode(core, target.selector, target.offset);
}

function callProtected(core: Core, op: HelperOp, target: FarPointer): void {
  const { selector } = target;
  const descriptor = fetchTarget(core, selector);
  if (descriptor.code) {
    checkDirect(core, selector, descriptor);
    callSameRing(core, descriptor, target.offset, operandBytes(op), op.nextEip);
    return;
  }
  if (switchesTask(core, descriptor, "call", op.nextEip)) return;
  checkCallGate(core, selector, descriptor);
  const code = fetchGateCode(core, descriptor);
  if (!code.present) core.raise(Vector.NP, selectorError(descriptor.gateSelector));
  if (!code.conforming && code.dpl < core.state.cpl) callInnerRing(core, code, descriptor, op.nextEip);
  else callSameRing(core, code, descriptor.gateOffset, gateSize(descriptor), op.nextEip);
}

/** CALL far (9A, FF /3; Intel SDM vol. 2, CALL). */
export const callFar: Helper = (core, op) => {
  const target = farPointer(core, op);
  if (usesDescriptors(core.state)) callProtected(core, op, target);
  else callReal(core, op, target);
  return Outcome.jump;
};

function jumpTo(core: Core, code: Descriptor, eip: number): void {
  checkEntry(core, code, eip);
  markAccessed(core, code);
  enterCode(core, code, core.state.cpl, eip);
}

function jumpProtected(core: Core, op: HelperOp, target: FarPointer): void {
  const { selector } = target;
  const descriptor = fetchTarget(core, selector);
  if (descriptor.code) {
    checkDirect(core, selector, descriptor);
    jumpTo(core, descriptor, target.offset);
    return;
  }
  if (switchesTask(core, descriptor, "jump", op.nextEip)) return;
  checkCallGate(core, selector, descriptor);
  const code = fetchGateCode(core, descriptor);
  // A jump never changes the privilege.
  if (!code.conforming && code.dpl !== core.state.cpl) {
    core.raise(Vector.GP, selectorError(descriptor.gateSelector));
  }
  if (!code.present) core.raise(Vector.NP, selectorError(descriptor.gateSelector));
  jumpTo(core, code, descriptor.gateOffset);
}

/** JMP far (EA, FF /5; Intel SDM vol. 2, JMP). */
export const jmpFar: Helper = (core, op) => {
  const target = farPointer(core, op);
  if (usesDescriptors(core.state)) {
    jumpProtected(core, op, target);
  } else {
    checkRealEntry(core, target.offset);
    enterRealCode(core, target.selector, target.offset);
  }
  return Outcome.jump;
};
