import type { Core } from "../core.ts";
import { Vector } from "../core.ts";
import { ExitControl, ExitReason } from "../exit.ts";
import * as L from "../layout.ts";
import { Cr0, Cr4, Flag } from "../state.ts";
import type { Event } from "./delivery.ts";
import { type Descriptor, lookUpDescriptor, SystemType, selectorError } from "./descriptor.ts";
import { ALL_FLAGS, loadsResume } from "./flags.ts";
import { Segment } from "./segmentation.ts";
import { switchedBy, TaskPending } from "./task-entry.ts";
import { readTaskImage, type TaskImage, tssFormatOf } from "./task-image.ts";

/**
 * Hardware task switches (Intel SDM vol. 3, 7.3), up to the point of no return: what is refused here is a fault of the old task, which then has
 * not changed. The new task's registers are loaded, its segment registers by selector only; src/cpu/system/task-entry.ts does the rest
 * before its first instruction, and what is refused there is a fault of the new task.
 */

/** What sets off the switch: decides about busy bits, NT and the back link. */
type Cause = "jump" | "call" | "iret" | "event";

const BUSY = 2;
/** DR7.L0 to L3 and LE: breakpoints of a task only. */
const LOCAL_BREAKPOINTS = 0x155;

/** A far call or jump to a TSS or through a task gate. False: the descriptor is neither. */
export function switchesTask(
  core: Core,
  target: Descriptor,
  cause: "jump" | "call",
  returnEip: number,
): boolean {
  const { systemType: type, selector } = target;
  const { cpl } = core.state;
  const isTss =
    type === SystemType.tss16 ||
    type === SystemType.tss32 ||
    type === SystemType.tss16Busy ||
    type === SystemType.tss32Busy;
  if (!isTss && type !== SystemType.taskGate) return false;
  if (target.dpl < cpl || target.dpl < (selector & 3)) core.raise(Vector.GP, selectorError(selector));
  if (!target.present) core.raise(Vector.NP, selectorError(selector));
  // A TSS selector must be of the GDT; through a gate it is the gate's.
  const tss = isTss ? inGdt(core, target, 0) : fetchTss(core, target.gateSelector, Vector.GP, 0);
  switchTask(core, demandAvailable(core, tss, 0), { cause, returnEip, ...BY_INSTRUCTION });
  core.state.set(L.SHADOW, L.SHADOW_TASK);
  return true;
}

/** IRET with NT set: back to the task that the back link of the current TSS names. */
export function returnToLinkedTask(core: Core, returnEip: number): void {
  const { state, memory } = core;
  const link = memory.read16(state.segBase(Segment.TR), true);
  const tss = fetchTss(core, link, Vector.TS, 0);
  const type = tss.systemType;
  if (type !== SystemType.tss16Busy && type !== SystemType.tss32Busy)
    core.raise(Vector.TS, selectorError(link));
  if (!tss.present) core.raise(Vector.NP, selectorError(link));
  switchTask(core, tss, { cause: "iret", returnEip, ...BY_INSTRUCTION });
  state.set(L.SHADOW, L.SHADOW_TASK);
}

/** An interrupt or exception whose gate is a task gate. */
export function switchForEvent(
  core: Core,
  selector: number,
  event: Event,
  ext: number,
  setsRf: boolean,
): void {
  const tss = demandAvailable(core, fetchTss(core, selector, Vector.GP, ext), ext);
  const { returnEip, errorCode } = event;
  const exception = event.kind === "exception" ? event.vector : -1;
  switchTask(core, tss, { cause: "event", returnEip, setsRf, ext, errorCode, exception });
}

function inGdt(core: Core, tss: Descriptor, ext: number): Descriptor {
  if (tss.selector & 4) core.raise(Vector.GP, selectorError(tss.selector, ext));
  return tss;
}

/** The descriptor of a TSS selector, of the GDT; `vector` when it names none. */
function fetchTss(core: Core, selector: number, vector: number, ext: number): Descriptor {
  const found = selector & 4 ? undefined : lookUpDescriptor(core, selector);
  return found ?? core.raise(vector, selectorError(selector, ext));
}

function demandAvailable(core: Core, tss: Descriptor, ext: number): Descriptor {
  const { systemType: type, selector } = tss;
  if (type !== SystemType.tss16 && type !== SystemType.tss32)
    core.raise(Vector.GP, selectorError(selector, ext));
  if (!tss.present) core.raise(Vector.NP, selectorError(selector, ext));
  return tss;
}

interface Request {
  readonly cause: Cause;
  /** Where the old task goes on. */
  readonly returnEip: number;
  /** RF is set in the saved EFLAGS of the old task. */
  readonly setsRf: boolean;
  readonly ext: number;
  /** To be pushed on the new task's stack; -1 if none. */
  readonly errorCode: number;
  /** Vector of the exception that the new task is to handle, or -1. */
  readonly exception: number;
}

const BY_INSTRUCTION = { setsRf: false, ext: 0, errorCode: -1, exception: -1 } as const;

function switchTask(core: Core, tss: Descriptor, request: Request): void {
  const { state, memory } = core;
  const { cause, ext } = request;
  if (core.controls & ExitControl.taskSwitch && !core.taskSwitchAllowed) {
    const record = core.exitRecord;
    record.reason = ExitReason.taskSwitchAttempt;
    record.eip = state.eip;
    record.length = 0;
    record.value = tss.selector;
    core.leave();
  }
  const format = tssFormatOf(tss.systemType);
  const error = selectorError(tss.selector, ext);
  if (tss.limit < format.lastByte) core.raise(Vector.TS, error);
  const oldFormat = tssFormatOf(state.segAttr(Segment.TR) & 0xf);
  const oldBase = state.segBase(Segment.TR);
  const nests = cause === "call" || cause === "event";
  core.taskSwitchAllowed = false;
  // Everything that will be touched is, before anything changes: from here on nothing of this can fault.
  probe(core, oldBase + oldFormat.firstSaved, oldFormat.savedBytes, true);
  probe(core, tss.base, format.lastByte + 1, false);
  if (nests) probe(core, tss.base, 2, true);
  const newBusyAt = (tss.address + 5) >>> 0;
  const oldBusyAt = busyByteOf(core, state.selector(Segment.TR));
  memory.probeWrite(newBusyAt, 1, true);
  memory.probeWrite(oldBusyAt, 1, true);

  const image = readTaskImage(core, tss.base, format);
  const cr3Changes = format.wide && (state.cr0 & Cr0.PG) !== 0 && image.cr3 !== state.get(L.CR3);
  if (cr3Changes && (state.cr4 & Cr4.PAE) !== 0 && !core.latchPdptes(image.cr3)) core.raise(Vector.GP, 0);

  let saved = state.eflags & ~Flag.RF;
  if (request.setsRf) saved |= Flag.RF;
  if (cause === "iret") saved &= ~Flag.NT;
  oldFormat.save(core, oldBase, request.returnEip, saved);
  if (nests) memory.write16(tss.base, state.selector(Segment.TR), true);
  if (!nests) memory.write8(oldBusyAt, memory.read8(oldBusyAt, true) & ~BUSY, true);
  if (cause !== "iret") memory.write8(newBusyAt, memory.read8(newBusyAt, true) | BUSY, true);

  state.setSegment(Segment.TR, tss.selector, tss.base, tss.limit, tss.attributes | BUSY);
  loadImage(core, image, nests);
  let pending: number = TaskPending.yes | (ext ? TaskPending.ext : 0) | switchedBy(request.exception);
  if (format.wide) pending |= TaskPending.wide;
  if (image.debugTrap) pending |= TaskPending.debugTrap;
  if (request.errorCode >= 0) pending |= TaskPending.errorCode;
  if (cr3Changes) {
    state.set(L.CR3, image.cr3);
    core.directoryLoaded();
    if (core.controls & ExitControl.cr3) pending |= TaskPending.announceCr3;
  }
  state.set(L.TASK, pending);
  state.set(L.TASK_ERROR_CODE, request.errorCode);
}

/** Registers of the new task; segment registers get their selectors and cannot be used yet. */
function loadImage(core: Core, image: TaskImage, nests: boolean): void {
  const { state } = core;
  for (const [index, value] of image.registers.entries()) state.setReg(index, value);
  state.eflags =
    (image.eflags & ((ALL_FLAGS & ~core.cpuid.absentFlags) | loadsResume(core))) | (nests ? Flag.NT : 0);
  state.eip = image.eip;
  for (const [index, selector] of image.selectors.entries()) state.setSegment(index, selector, 0, 0, 0);
  state.setSegment(Segment.LDTR, image.ldt, 0, 0, 0);
  state.set(L.CPL, state.get(L.EFLAGS_REST) & Flag.VM ? 3 : (image.selectors[Segment.CS] as number) & 3);
  state.set(L.CR0, state.cr0 | Cr0.TS);
  if (state.get(L.DR7) & LOCAL_BREAKPOINTS) {
    state.set(L.DR7, state.get(L.DR7) & ~LOCAL_BREAKPOINTS);
    core.breakpointsChanged();
  }
  state.updateMode();
}

/** Linear address of the byte with the busy bit in the descriptor of the current TSS. */
function busyByteOf(core: Core, selector: number): number {
  return (core.state.get(L.GDTR_BASE) + (selector & 0xfff8) + 5) >>> 0;
}

/** Throws what an access to these bytes, in at most two pages, would throw. */
function probe(core: Core, linear: number, size: number, write: boolean): void {
  const at = linear >>> 0;
  const inFirst = Math.min(size, 4096 - (at & 4095));
  const one = (from: number, bytes: number): void =>
    write ? core.memory.probeWrite(from, bytes, true) : core.memory.probeRead(from, bytes, true);
  one(at, inFirst);
  if (size > inFirst) one((at + inFirst) >>> 0, size - inFirst);
}
