import type { Gva } from "../../mmu/address.ts";
import type { Core, Helper, HelperOp } from "../core.ts";
import { Outcome, Vector } from "../core.ts";
import * as L from "../layout.ts";
import { ioPrivilege } from "./flags.ts";
import { isProtected, isVirtual8086, readRegister, writeRegister } from "./operand.ts";
import { linearAddress, readLinear, Segment, SegmentAccess, writeLinear } from "./segmentation.ts";
import {
  advance,
  ECX,
  EDI,
  ESI,
  elementSize,
  elementsInPage,
  readIndex,
  repeatAnswered,
} from "./string-op.ts";
import { ioMapAllows } from "./task-state.ts";

const EDX = 2;

/** Ports are free to the guest's code. In virtual-8086 mode IOPL has no say: the bit map alone decides. */
const isPrivileged = ({ state }: Core): boolean =>
  !isProtected(state) || (!isVirtual8086(state) && state.cpl <= ioPrivilege(state.get(L.EFLAGS_REST)));

/** #GP(0) unless IOPL or the TSS's bit map allows the ports (Intel SDM vol. 1, 19.5). */
function checkPorts(core: Core, port: number, size: number): void {
  if (isPrivileged(core)) return;
  if (!ioMapAllows(core, port, size)) core.raise(Vector.GP, 0);
}

/** E4 to E7 name the port in an immediate, EC to EF in DX. */
const portOf = (core: Core, op: HelperOp): number =>
  op.opcode & 8 ? core.state.reg16(EDX) : op.immediate & 0xff;

/** IN. */
export const input: Helper = (core, op) => {
  const port = portOf(core, op);
  const size = elementSize(op);
  checkPorts(core, port, size);
  if (!core.portAccess(op, port, size, false, 0)) return Outcome.exit;
  writeRegister(core.state, 0, size, core.answerRead);
  return Outcome.next;
};

/** OUT. */
export const output: Helper = (core, op) => {
  const port = portOf(core, op);
  const size = elementSize(op);
  checkPorts(core, port, size);
  return core.portAccess(op, port, size, true, readRegister(core.state, 0, size))
    ? Outcome.next
    : Outcome.exit;
};

/** The element at `linear` leaves; so do those behind it that nothing can come before. The bit map may be among what they write. */
function leaveTogether(core: Core, op: HelperOp, segment: number, index: number, linear: number): void {
  const { state, memory, exitRecord } = core;
  exitRecord.gva = linear as Gva;
  if (op.rep === 0 || !core.portRunsAllowed || !isPrivileged(core)) return;
  const size = elementSize(op);
  const inPage = elementsInPage(state, op, segment, readIndex(state, op, index), linear, size);
  const count = Math.min(readIndex(state, op, ECX), inPage);
  if (count < 2) return;
  const host = memory.direct(linear, index === EDI, false);
  if (host >= 0) core.offerPortRun({ host, size, count, index, addressSize: op.addressSize });
}

function inputElement(core: Core, op: HelperOp): boolean {
  const { state } = core;
  const port = state.reg16(EDX);
  const size = elementSize(op);
  checkPorts(core, port, size);
  const offset = readIndex(state, op, EDI);
  const linear = linearAddress(core, Segment.ES, offset, size, SegmentAccess.write);
  // A device must not be read for nothing: the store is sure to succeed before the port is touched.
  core.memory.probeWrite(linear, size, false);
  if (!core.portAccess(op, port, size, false, 0)) {
    leaveTogether(core, op, Segment.ES, EDI, linear);
    return false;
  }
  writeLinear(core, linear, size, core.answerRead, false);
  advance(state, op, EDI, size);
  return true;
}

/** INS. */
export const ins: Helper = (core, op) => repeatAnswered(core, op, inputElement);

function outputElement(core: Core, op: HelperOp): boolean {
  const { state } = core;
  const port = state.reg16(EDX);
  const size = elementSize(op);
  checkPorts(core, port, size);
  const offset = readIndex(state, op, ESI);
  const linear = linearAddress(core, op.segment, offset, size, SegmentAccess.read);
  const value = readLinear(core, linear, size, false);
  if (!core.portAccess(op, port, size, true, value)) {
    leaveTogether(core, op, op.segment, ESI, linear);
    return false;
  }
  advance(state, op, ESI, size);
  return true;
}

/** OUTS. */
export const outs: Helper = (core, op) => repeatAnswered(core, op, outputElement);
