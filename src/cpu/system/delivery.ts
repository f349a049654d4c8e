import type { Gva } from "../../mmu/address.ts";
import type { Core, GuestFault } from "../core.ts";
import { Vector } from "../core.ts";
import { ExitReason } from "../exit.ts";
import * as L from "../layout.ts";
import { type CpuState, Flag } from "../state.ts";
import { checkEntry, checkRealEntry, enterCode, enterRealCode, fetchCode } from "./code-entry.ts";
import { type Descriptor, markAccessed, SystemType, selectorError, setSegmentFrom } from "./descriptor.ts";
import { combineExceptions, isGuestFault } from "./exceptions.ts";
import { isProtected, isVirtual8086 } from "./operand.ts";
import { Segment } from "./segmentation.ts";
import { currentStack, pushFrame, setStackPointer } from "./stack.ts";
import { innerStack } from "./task-state.ts";
import { switchForEvent } from "./task-switch.ts";

/** Where an event comes from: a processor exception, an INT instruction, or the interrupt controller. */
export type EventKind = "exception" | "software" | "external";

/** An interrupt or exception on its way through the IDT. */
export interface Event {
  readonly vector: number;
  /** -1 when none is pushed. */
  readonly errorCode: number;
  /** Linear address of a page fault: CR2 gets it when the event has been delivered. Else ignored. */
  readonly address: number;
  readonly kind: EventKind;
  /** Pushed as the return address: of the faulting instruction, or of the one after a trap or INT. */
  readonly returnEip: number;
}

const DR7_GENERAL_DETECT = 1 << 13;

/** An exception that reports a fault: its saved EFLAGS have RF set, so that its instruction is restarted without a breakpoint. */
function isFault(event: Event): boolean {
  if (event.kind !== "exception") return false;
  const { vector } = event;
  return (
    vector !== Vector.DB &&
    vector !== Vector.NMI &&
    vector !== Vector.BP &&
    vector !== Vector.OF &&
    vector !== Vector.DF
  );
}

/**
 * EFLAGS to be saved: RF is set for a fault's instruction, and stays as it is where an interrupt or a debug trap comes before one that it was set for or that is in
 * the middle of its repetitions (Intel SDM vol. 3, 17.3.1.1).
 */
function savedFlags(state: CpuState, event: Event): number {
  if (isFault(event)) return state.eflags | Flag.RF;
  const keeps = event.kind === "external" || (event.kind === "exception" && event.vector === Vector.DB);
  return keeps ? state.eflags : state.eflags & ~Flag.RF;
}

/** What is pushed, in this order, and then null when virtual-8086 mode is left. */
const DATA_SEGMENTS = [Segment.GS, Segment.FS, Segment.DS, Segment.ES] as const;

/** EFLAGS bits that a delivery clears besides IF. */
const CLEARED = Flag.TF | Flag.NT | Flag.RF | Flag.VM;

/** The last step of a delivery: everything but stack and code segment. Cannot fault. */
function finish(core: Core, event: Event, clearedFlags: number): void {
  const { state } = core;
  state.set(L.EFLAGS_REST, state.get(L.EFLAGS_REST) & ~clearedFlags);
  state.set(L.SHADOW, event.kind === "software" ? L.SHADOW_STEP : 0);
  if (event.kind === "exception") {
    if (event.vector === Vector.PF) state.set(L.CR2, event.address);
    if (event.vector === Vector.DB) state.set(L.DR7, state.get(L.DR7) & ~DR7_GENERAL_DETECT);
  }
  core.exitRecord.vectoring = -1;
}

/** Through the interrupt vector table: FLAGS, CS and IP as words; no error code (Intel SDM vol. 3, 21.1.4). */
function deliverReal(core: Core, event: Event): void {
  const { state, memory } = core;
  const at = event.vector * 4;
  if (at + 3 > state.get(L.IDTR_LIMIT)) core.raise(Vector.GP, 0);
  const entry = memory.read32((state.get(L.IDTR_BASE) + at) >>> 0, true);
  const eip = entry & 0xffff;
  checkRealEntry(core, eip);
  const pointer = pushFrame(core, currentStack(core), 2, [
    state.eflags & 0xffff,
    state.selector(Segment.CS),
    event.returnEip & 0xffff,
  ]);
  setStackPointer(state, pointer);
  enterRealCode(core, entry >>> 16, eip);
  finish(core, event, CLEARED | Flag.IF | Flag.AC);
}

interface Gate {
  readonly selector: number;
  readonly offset: number;
  readonly size: 2 | 4;
  /** A task gate: `selector` names a TSS. */
  readonly task: boolean;
  readonly clearsIf: boolean;
}

/** Reads and checks the gate of the event's vector (Intel SDM vol. 3, 6.12). */
function fetchGate(core: Core, event: Event, ext: number): Gate {
  const { state, memory } = core;
  const at = event.vector * 8;
  const errorCode = at | 2 | ext;
  if (at + 7 > state.get(L.IDTR_LIMIT)) core.raise(Vector.GP, errorCode);
  const address = state.get(L.IDTR_BASE) + at;
  const low = memory.read32(address >>> 0, true);
  const high = memory.read32((address + 4) >>> 0, true);
  const type = (high >>> 8) & 0x1f;
  const wide = type === SystemType.interruptGate32 || type === SystemType.trapGate32;
  const narrow = type === SystemType.interruptGate16 || type === SystemType.trapGate16;
  const task = type === SystemType.taskGate;
  if (!wide && !narrow && !task) core.raise(Vector.GP, errorCode);
  if (event.kind === "software" && ((high >>> 13) & 3) < state.cpl) core.raise(Vector.GP, errorCode);
  if ((high & 0x8000) === 0) core.raise(Vector.NP, errorCode);
  return {
    selector: low >>> 16,
    offset: wide ? ((low & 0xffff) | (high & 0xffff0000)) >>> 0 : low & 0xffff,
    size: wide ? 4 : 2,
    task,
    clearsIf: type === SystemType.interruptGate32 || type === SystemType.interruptGate16,
  };
}

function deliverProtected(core: Core, event: Event): void {
  const { state } = core;
  const ext = event.kind === "software" ? 0 : 1;
  const gate = fetchGate(core, event, ext);
  if (gate.task) {
    switchForEvent(core, gate.selector, event, ext, (savedFlags(state, event) & Flag.RF) !== 0);
    finish(core, event, 0);
    state.set(L.SHADOW, state.get(L.SHADOW) | L.SHADOW_TASK);
    return;
  }
  const code = fetchCode(core, gate.selector, ext);
  const cpl = state.cpl;
  if (code.dpl > cpl) core.raise(Vector.GP, selectorError(gate.selector, ext));
  if (!code.present) core.raise(Vector.NP, selectorError(gate.selector, ext));
  // Virtual-8086 mode is left for ring 0 only.
  const virtual = isVirtual8086(state);
  if (virtual && (code.conforming || code.dpl !== 0))
    core.raise(Vector.GP, selectorError(gate.selector, ext));

  const frame = [savedFlags(state, event), state.selector(Segment.CS), event.returnEip];
  if (event.errorCode >= 0) frame.push(event.errorCode);

  if (!code.conforming && code.dpl < cpl) enterInnerRing(core, code, gate, frame, ext);
  else enterSameRing(core, code, gate, frame, ext);
  finish(core, event, CLEARED | (gate.clearsIf ? Flag.IF : 0));
}

function enterSameRing(core: Core, code: Descriptor, gate: Gate, frame: number[], ext: number): void {
  checkEntry(core, code, gate.offset, ext);
  markAccessed(core, code);
  const pointer = pushFrame(core, currentStack(core, ext), gate.size, frame);
  setStackPointer(core.state, pointer);
  enterCode(core, code, core.state.cpl, gate.offset);
}

function enterInnerRing(core: Core, code: Descriptor, gate: Gate, frame: number[], ext: number): void {
  const { state } = core;
  const virtual = isVirtual8086(state);
  const stack = innerStack(core, code.dpl, ext);
  checkEntry(core, code, gate.offset, ext);
  markAccessed(core, stack.descriptor);
  markAccessed(core, code);
  const data = virtual ? DATA_SEGMENTS.map((index) => state.selector(index)) : [];
  const pointer = pushFrame(core, stack.target, gate.size, [
    ...data,
    state.selector(Segment.SS),
    state.reg(4),
    ...frame,
  ]);
  if (virtual) {
    for (const index of DATA_SEGMENTS) state.setSegment(index, 0, 0, 0, 0);
    state.set(L.EFLAGS_REST, state.get(L.EFLAGS_REST) & ~Flag.VM);
  }
  setSegmentFrom(core, Segment.SS, stack.descriptor.selector, stack.descriptor);
  setStackPointer(state, pointer);
  enterCode(core, code, code.dpl, gate.offset);
}

/**
 * Delivers one event through the interrupt table. Done, or a GuestFault or ExitSignal is thrown and the state is as before
 * (accessed bits and page-table A and D bits may have been set), so that the delivery can be begun anew.
 *
 * `exitRecord.vectoring` holds the vector while an exception is being delivered. It stays -1 for interrupts: INT n is simply
 * begun anew, an external interrupt stays pending, and neither takes part in the double-fault rule whatever its number is.
 */
export function deliverEvent(core: Core, event: Event): void {
  core.exitRecord.vectoring = event.kind === "exception" ? event.vector : -1;
  if (isProtected(core.state)) deliverProtected(core, event);
  else deliverReal(core, event);
}

function shutDown(core: Core): never {
  const record = core.exitRecord;
  record.reason = ExitReason.tripleFault;
  record.eip = core.state.eip;
  record.length = 0;
  record.vectoring = -1;
  core.leave();
}

/** Delivers an event and whatever its delivery raises, by the double-fault rule. Throws ExitSignal only. */
export function deliverWithFaults(core: Core, event: Event): void {
  let current = event;
  for (;;) {
    try {
      deliverEvent(core, current);
      return;
    } catch (thrown) {
      if (!isGuestFault(thrown)) throw thrown;
      const first = current.kind === "exception" ? current.vector : -1;
      current = nextEvent(core, first, thrown);
    }
  }
}

/** An exception that the monitor wants to see: fills the exit record. `vectoring`: of the event whose delivery has raised it, or -1. */
export function interceptException(
  core: Core,
  vector: number,
  errorCode: number,
  address: number,
  vectoring: number,
): void {
  const record = core.exitRecord;
  record.reason = ExitReason.exception;
  record.eip = core.state.eip;
  record.length = 0;
  record.vector = vector;
  record.errorCode = errorCode;
  record.gva = address as Gva;
  record.vectoring = vectoring;
}

export const isIntercepted = (core: Core, vector: number): boolean =>
  ((core.intercepts.exceptions >>> vector) & 1) !== 0;

/**
 * What is delivered when `fault` comes while exception `first` (-1: none) was being delivered: the double-fault rule. Throws ExitSignal when the monitor
 * wants to see it, and for a shutdown.
 */
export function nextEvent(core: Core, first: number, fault: GuestFault): Event {
  if (isIntercepted(core, fault.vector)) {
    interceptException(core, fault.vector, fault.errorCode, fault.address, first);
    core.leave();
  }
  const verdict = combineExceptions(first, fault.vector);
  if (verdict === "tripleFault") shutDown(core);
  if (verdict === "second") return faultEvent(core, fault);
  if (isIntercepted(core, Vector.DF)) {
    interceptException(core, Vector.DF, 0, 0, first);
    core.leave();
  }
  // The page fault that is swallowed has set CR2 all the same.
  if (fault.vector === Vector.PF) core.state.set(L.CR2, fault.address);
  return { vector: Vector.DF, errorCode: 0, address: 0, kind: "exception", returnEip: core.state.eip };
}

/** A copy of the fault (the thrown object is reused) as an event that returns to the faulting instruction. */
function faultEvent(core: Core, fault: GuestFault): Event {
  return {
    vector: fault.vector,
    errorCode: fault.errorCode,
    address: fault.address,
    kind: "exception",
    returnEip: core.state.eip,
  };
}

/**
 * Delivers a fault of the running instruction (`state.eip` is at it) and, by the double-fault rule, the faults that this raises.
 * Returns with `state` at the handler. Throws ExitSignal when the delivery must leave the guest: for a page fault that the
 * monitor intercepts (state unchanged, `exitRecord.vectoring` set), or as `tripleFault`.
 */
export function raiseAndDeliver(core: Core, fault: GuestFault): void {
  deliverWithFaults(core, faultEvent(core, fault));
}
