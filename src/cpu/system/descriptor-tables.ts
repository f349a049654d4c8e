import type { Core, Helper, HelperOp } from "../core.ts";
import { Outcome, Vector } from "../core.ts";
import { DescriptorTable, ExitControl, ExitReason } from "../exit.ts";
import * as L from "../layout.ts";
import { type Descriptor, fetchDescriptor, isNull, SystemType, selectorError } from "./descriptor.ts";
import {
  checkUserMode,
  offsetBy,
  readOperand16,
  requireProtectedMode,
  requireRing0,
  storeSelector,
} from "./operand.ts";
import {
  linearAddress,
  probeWriteRange,
  readMemory16,
  readMemory32,
  Segment,
  SegmentAccess,
} from "./segmentation.ts";

/** An exit in place of the instruction, where the monitor wants one. What stores is checked for its ring first. */
function leavesFor(core: Core, op: HelperOp, register: number, write: boolean): boolean {
  if (!write) checkUserMode(core);
  if ((core.controls & ExitControl.descriptorTable) === 0) return false;
  const record = core.beginExit(ExitReason.descriptorTable, op);
  record.register = register;
  record.write = write;
  return true;
}

/** LGDT and LIDT: a 16-bit operand size loads only 24 bits of the base. */
function loadTable(core: Core, op: HelperOp, baseAt: number, limitAt: number): Outcome {
  requireRing0(core);
  if (leavesFor(core, op, baseAt === L.GDTR_BASE ? DescriptorTable.gdtr : DescriptorTable.idtr, true))
    return Outcome.exit;
  const limit = readMemory16(core, op.segment, op.offset);
  const base = readMemory32(core, op.segment, offsetBy(op, 2));
  core.state.set(limitAt, limit);
  core.state.set(baseAt, op.operandSize === 32 ? base : base & 0xffffff);
  return Outcome.next;
}

export const lgdt: Helper = (core, op) => loadTable(core, op, L.GDTR_BASE, L.GDTR_LIMIT);
export const lidt: Helper = (core, op) => loadTable(core, op, L.IDTR_BASE, L.IDTR_LIMIT);

/** SGDT and SIDT: allowed in every ring without CR4.UMIP. Every operand size stores all 32 bits of the base. */
function storeTable(core: Core, op: HelperOp, base: number, limit: number): Outcome {
  const linear = linearAddress(core, op.segment, op.offset, 6, SegmentAccess.write);
  probeWriteRange(core, linear, 6, false);
  core.memory.write16(linear, limit, false);
  core.memory.write32((linear + 2) >>> 0, base, false);
  return Outcome.next;
}

export const sgdt: Helper = (core, op) =>
  leavesFor(core, op, DescriptorTable.gdtr, false)
    ? Outcome.exit
    : storeTable(core, op, core.state.get(L.GDTR_BASE), core.state.get(L.GDTR_LIMIT));
export const sidt: Helper = (core, op) =>
  leavesFor(core, op, DescriptorTable.idtr, false)
    ? Outcome.exit
    : storeTable(core, op, core.state.get(L.IDTR_BASE), core.state.get(L.IDTR_LIMIT));

/** A system descriptor of the GDT (never the LDT) whose type is among `types`. */
function fetchSystem(core: Core, selector: number, types: readonly number[]): Descriptor {
  if (selector & 4) core.raise(Vector.GP, selectorError(selector));
  const descriptor = fetchDescriptor(core, selector, Vector.GP);
  if (!types.includes(descriptor.systemType)) core.raise(Vector.GP, selectorError(selector));
  if (!descriptor.present) core.raise(Vector.NP, selectorError(selector));
  return descriptor;
}

const LDT_TYPES = [SystemType.ldt];
const AVAILABLE_TSS_TYPES = [SystemType.tss16, SystemType.tss32];

/** LLDT (0F 00 /2): a null selector leaves no LDT. */
export const lldt: Helper = (core, op) => {
  requireProtectedMode(core);
  requireRing0(core);
  if (leavesFor(core, op, DescriptorTable.ldtr, true)) return Outcome.exit;
  const { state } = core;
  const selector = readOperand16(core, op);
  if (isNull(selector)) {
    state.setSegment(Segment.LDTR, selector, 0, 0, 0);
    return Outcome.next;
  }
  const descriptor = fetchSystem(core, selector, LDT_TYPES);
  state.setSegment(Segment.LDTR, selector, descriptor.base, descriptor.limit, descriptor.attributes);
  return Outcome.next;
};

const BUSY = 2;

/** LTR (0F 00 /3): marks the TSS busy in its descriptor and in TR. */
export const ltr: Helper = (core, op) => {
  requireProtectedMode(core);
  requireRing0(core);
  if (leavesFor(core, op, DescriptorTable.tr, true)) return Outcome.exit;
  const selector = readOperand16(core, op);
  if (isNull(selector)) core.raise(Vector.GP, 0);
  const descriptor = fetchSystem(core, selector, AVAILABLE_TSS_TYPES);
  core.memory.write8((descriptor.address + 5) >>> 0, ((descriptor.high >>> 8) & 0xff) | BUSY, true);
  core.state.setSegment(
    Segment.TR,
    selector,
    descriptor.base,
    descriptor.limit,
    descriptor.attributes | BUSY,
  );
  return Outcome.next;
};

/** SLDT (0F 00 /0). */
export const sldt: Helper = (core, op) => {
  requireProtectedMode(core);
  if (leavesFor(core, op, DescriptorTable.ldtr, false)) return Outcome.exit;
  storeSelector(core, op, core.state.selector(Segment.LDTR));
  return Outcome.next;
};

/** STR (0F 00 /1). */
export const str: Helper = (core, op) => {
  requireProtectedMode(core);
  if (leavesFor(core, op, DescriptorTable.tr, false)) return Outcome.exit;
  storeSelector(core, op, core.state.selector(Segment.TR));
  return Outcome.next;
};
