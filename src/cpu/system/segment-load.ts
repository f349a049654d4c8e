import type { Core, Helper } from "../core.ts";
import { Outcome, Vector } from "../core.ts";
import * as L from "../layout.ts";
import type { CpuState } from "../state.ts";
import {
  type Descriptor,
  fetchDescriptor,
  isNull,
  markAccessed,
  selectorError,
  setSegmentFrom,
} from "./descriptor.ts";
import {
  isBefore486,
  isBeforePentium,
  isVirtual8086,
  jumpToNext,
  offsetBy,
  operandBytes,
  readOperand16,
  storeSelector,
  usesDescriptors,
  writeRegister,
} from "./operand.ts";
import { readMemory, readMemory16, Segment, writeMemory } from "./segmentation.ts";
import { adjustStack, currentStack, peek, pushFrame, setStackPointer, stackMask } from "./stack.ts";

/** Present, writable data, accessed, DPL 0: what a segment register holds in real mode. */
const REAL_MODE_ACCESS = 0x93;
/** The same with DPL 3, and always with a limit of 64 KiB: in virtual-8086 mode (Intel SDM vol. 3, 20.2). */
const VIRTUAL_8086_ACCESS = 0xf3;

/**
 * Load in real or virtual-8086 mode. In real mode base from the selector, limit and D/B kept as they are (so a limit loaded in protected mode stays, known as
 * unreal mode). A segment left unusable by protected mode gets the limit of reset.
 */
export function loadRealSegment(state: CpuState, index: number, selector: number): void {
  if (isVirtual8086(state)) {
    state.setSegment(index, selector, selector << 4, 0xffff, VIRTUAL_8086_ACCESS);
    if (index === Segment.CS) state.set(L.SEG_CS + L.SEG_PERM, 7);
    return;
  }
  const attributes = state.segAttr(index);
  const limit = attributes === 0 ? 0xffff : state.segLimit(index);
  state.setSegment(index, selector, selector << 4, limit, (attributes & 0xf000) | REAL_MODE_ACCESS);
  // In real mode code is written through CS as freely as it is run from there.
  if (index === Segment.CS) state.set(L.SEG_CS + L.SEG_PERM, 7);
}

/** The checks of a load of SS at privilege `cpl`; faults as `vector` but #SS when not present. */
export function checkStackSegment(
  core: Core,
  selector: number,
  cpl: number,
  vector: number,
  ext = 0,
): Descriptor {
  if (isNull(selector)) core.raise(vector, ext);
  const descriptor = fetchDescriptor(core, selector, vector, ext);
  if ((selector & 3) !== cpl || !descriptor.writable || descriptor.dpl !== cpl) {
    core.raise(vector, selectorError(selector, ext));
  }
  if (!descriptor.present) core.raise(Vector.SS, selectorError(selector, ext));
  return descriptor;
}

function checkDataSegment(core: Core, selector: number): Descriptor {
  const descriptor = fetchDescriptor(core, selector, Vector.GP);
  if (!descriptor.readable) core.raise(Vector.GP, selectorError(selector));
  if (!descriptor.conforming && descriptor.dpl < Math.max(selector & 3, core.state.cpl)) {
    core.raise(Vector.GP, selectorError(selector));
  }
  if (!descriptor.present) core.raise(Vector.NP, selectorError(selector));
  return descriptor;
}

/**
 * Loads ES, SS, DS, FS or GS (Intel SDM vol. 2, MOV). Either raises a fault and changes nothing, or is done. Returns whether
 * the mode bits that decoding depends on have changed.
 */
export function loadSegment(core: Core, index: number, selector: number): boolean {
  const { state } = core;
  if (!usesDescriptors(state)) {
    loadRealSegment(state, index, selector);
  } else if (index === Segment.SS) {
    const descriptor = checkStackSegment(core, selector, state.cpl, Vector.GP);
    markAccessed(core, descriptor);
    setSegmentFrom(core, index, selector, descriptor);
  } else if (isNull(selector)) {
    state.setSegment(index, selector, 0, 0, 0);
  } else {
    const descriptor = checkDataSegment(core, selector);
    markAccessed(core, descriptor);
    setSegmentFrom(core, index, selector, descriptor);
  }
  if (index === Segment.FS || index === Segment.GS) return false;
  const before = state.get(L.MODE);
  state.updateMode();
  return state.get(L.MODE) !== before;
}

/**
 * After a return to an outer ring: data segments which that ring may not use become null, so that it cannot use what the inner
 * ring left in them (Intel SDM vol. 3, 5.8.6).
 */
export function dropInnerSegments(state: CpuState, cpl: number): void {
  for (const index of [Segment.ES, Segment.DS, Segment.FS, Segment.GS]) {
    const attributes = state.segAttr(index);
    const conforming = (attributes & 0x1c) === 0x1c;
    if (attributes !== 0 && !conforming && ((attributes >>> 5) & 3) < cpl) {
      state.setSegment(index, 0, 0, 0, 0);
    }
  }
}

/** Number of the segment register that an opcode of PUSH or POP names. */
function segmentOfOpcode(opcode: number): number {
  // One-byte map: 06/07 ES, 0E CS, 16/17 SS, 1E/1F DS; two-byte map: A0/A1 FS, A8/A9 GS.
  if (opcode >= 0xa8) return Segment.GS;
  if (opcode >= 0xa0) return Segment.FS;
  return opcode >> 3;
}

/** MOV Sw, Ew (8E). A load of SS holds off interrupts until the next instruction has set ESP. */
export const movToSegment: Helper = (core, op) => {
  if (op.reg === Segment.CS || op.reg > Segment.GS) core.raise(Vector.UD);
  const modeChanged = loadSegment(core, op.reg, readOperand16(core, op));
  if (op.reg === Segment.SS) core.state.set(L.SHADOW, L.SHADOW_INTERRUPTS | L.SHADOW_STEP);
  return modeChanged || op.reg === Segment.SS ? jumpToNext(core, op) : Outcome.next;
};

/** MOV Ew, Sw (8C). */
export const movFromSegment: Helper = (core, op) => {
  if (op.reg > Segment.GS) core.raise(Vector.UD);
  storeSelector(core, op, core.state.selector(op.reg));
  return Outcome.next;
};

/**
 * PUSH of a segment register; at operand size 32 zero-extended, as P6 does it. The 80386 and the 486 move ESP by four bytes too, but write the lower
 * two of them alone.
 */
export const pushSegment: Helper = (core, op) => {
  const { state } = core;
  const selector = state.selector(segmentOfOpcode(op.opcode));
  const size = operandBytes(op);
  if (size === 4 && isBeforePentium(core)) {
    const pointer = adjustStack(state, -4);
    writeMemory(core, Segment.SS, (pointer & stackMask(state)) >>> 0, 2, selector);
    setStackPointer(state, pointer);
  } else setStackPointer(state, pushFrame(core, currentStack(core), size, [selector]));
  return Outcome.next;
};

/** POP to a segment register. An 80386 reads two bytes of it whatever the operand size. */
export const popSegment: Helper = (core, op) => {
  const index = segmentOfOpcode(op.opcode);
  const size = operandBytes(op);
  const selector = peek(core, 0, isBefore486(core) ? 2 : size) & 0xffff;
  const pointer = adjustStack(core.state, size);
  const modeChanged = loadSegment(core, index, selector);
  // The pointer moves by the old stack's size: it was computed before SS changed.
  core.state.setReg(4, pointer);
  if (index === Segment.SS) core.state.set(L.SHADOW, L.SHADOW_INTERRUPTS | L.SHADOW_STEP);
  return modeChanged || index === Segment.SS ? jumpToNext(core, op) : Outcome.next;
};

function segmentOfFarLoad(opcode: number): number {
  switch (opcode) {
    case 0xc4:
      return Segment.ES;
    case 0xc5:
      return Segment.DS;
    case 0xb2:
      return Segment.SS;
    case 0xb4:
      return Segment.FS;
    default:
      return Segment.GS;
  }
}

/** LES, LDS, LSS, LFS, LGS. */
export const loadFarPointer: Helper = (core, op) => {
  const size = operandBytes(op);
  const offset = readMemory(core, op.segment, op.offset, size);
  const selector = readMemory16(core, op.segment, offsetBy(op, size));
  const modeChanged = loadSegment(core, segmentOfFarLoad(op.opcode), selector);
  writeRegister(core.state, op.reg, size, offset);
  return modeChanged ? jumpToNext(core, op) : Outcome.next;
};
