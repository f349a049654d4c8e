import type { Core, Helper, HelperOp } from "../core.ts";
import { Outcome } from "../core.ts";
import * as L from "../layout.ts";
import { type Descriptor, isNull, lookUpDescriptor, SystemType } from "./descriptor.ts";
import { operandBytes, readOperand16, requireProtectedMode, writeRegister } from "./operand.ts";
import { linearAddress, SegmentAccess } from "./segmentation.ts";

/** Sets ZF and no other flag. */
function setZero(core: Core, zero: boolean): void {
  core.state.set(L.FLAG_ZR, zero ? 0 : 1);
}

/** The descriptor of a selector if the running ring may see it, else undefined. */
function visibleDescriptor(core: Core, selector: number): Descriptor | undefined {
  if (isNull(selector)) return undefined;
  const descriptor = lookUpDescriptor(core, selector);
  if (descriptor === undefined) return undefined;
  const ring = Math.max(core.state.cpl, selector & 3);
  return descriptor.conforming || descriptor.dpl >= ring ? descriptor : undefined;
}

const HAVE_ATTRIBUTES: readonly number[] = [
  SystemType.tss16,
  SystemType.ldt,
  SystemType.tss16Busy,
  SystemType.callGate16,
  SystemType.taskGate,
  SystemType.tss32,
  SystemType.tss32Busy,
  SystemType.callGate32,
];
const HAVE_LIMIT: readonly number[] = [
  SystemType.tss16,
  SystemType.ldt,
  SystemType.tss16Busy,
  SystemType.tss32,
  SystemType.tss32Busy,
];

/** LAR and LSL: a word of a visible descriptor into a register, ZF says whether. */
function query(
  core: Core,
  op: HelperOp,
  systemTypes: readonly number[],
  value: (descriptor: Descriptor) => number,
): Outcome {
  requireProtectedMode(core);
  const descriptor = visibleDescriptor(core, readOperand16(core, op));
  const valid =
    descriptor !== undefined && (descriptor.codeOrData || systemTypes.includes(descriptor.systemType));
  if (valid) writeRegister(core.state, op.reg, operandBytes(op), value(descriptor));
  setZero(core, valid);
  return Outcome.next;
}

/** LAR (0F 02): access rights. */
export const lar: Helper = (core, op) =>
  query(core, op, HAVE_ATTRIBUTES, (descriptor) => descriptor.high & 0x00f0ff00);

/** LSL (0F 03): limit in bytes. */
export const lsl: Helper = (core, op) => query(core, op, HAVE_LIMIT, (descriptor) => descriptor.limit);

/** VERR (0F 00 /4): ZF = readable from this ring. */
export const verr: Helper = (core, op) => {
  requireProtectedMode(core);
  const descriptor = visibleDescriptor(core, readOperand16(core, op));
  setZero(core, descriptor?.readable === true);
  return Outcome.next;
};

/** VERW (0F 00 /5): ZF = writable from this ring. */
export const verw: Helper = (core, op) => {
  requireProtectedMode(core);
  const descriptor = visibleDescriptor(core, readOperand16(core, op));
  setZero(core, descriptor?.writable === true);
  return Outcome.next;
};

/** ARPL (63): raises the RPL of the destination to that of the source; ZF = it was lower. */
export const arpl: Helper = (core, op) => {
  requireProtectedMode(core);
  const { state, memory } = core;
  const ring = state.reg16(op.reg) & 3;
  if (!op.memory) {
    const selector = state.reg16(op.rm);
    const raised = (selector & 3) < ring;
    if (raised) state.setReg16(op.rm, (selector & 0xfffc) | ring);
    setZero(core, raised);
    return Outcome.next;
  }
  // A destination that stays as it is may be in a read-only segment: power-on tests rely on what real processors do there. Not in a read-only page.
  const linear = linearAddress(core, op.segment, op.offset, 2, SegmentAccess.read);
  const selector = memory.read16(linear, false);
  const raised = (selector & 3) < ring;
  if (raised) linearAddress(core, op.segment, op.offset, 2, SegmentAccess.write);
  memory.probeWrite(linear, 2, false);
  if (raised) memory.write16(linear, (selector & 0xfffc) | ring, false);
  setZero(core, raised);
  return Outcome.next;
};
