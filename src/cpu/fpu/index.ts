import type { Core, Helper, HelperOp } from "../core.ts";
import { Outcome, Vector } from "../core.ts";
import * as L from "../layout.ts";
import { Cr0 } from "../state.ts";
import { isDefined } from "./defined.ts";
import { ES } from "./flags.ts";
import { executeMemoryForm } from "./memory-forms.ts";
import { executeRegisterForm } from "./register-forms.ts";
import { Unit } from "./unit.ts";

export { resetFpu } from "./environment.ts";

/**
 * What becomes of a pending exception when CR0.NE is 0: the processor asserts FERR# and, unless IGNNE# is asserted, waits before the
 * instruction for an interrupt. True: IGNNE# is asserted, go on; false: begin the instruction anew later.
 */
export type FerrHandler = (core: Core) => boolean;

const ferrHandlers = new WeakMap<Core, FerrHandler>();
const unit = new Unit();

/** Wires the FERR# pin of one CPU. Without a handler the exception is ignored, as if IGNNE# were tied active. */
export function attachFerr(core: Core, handler: FerrHandler): void {
  ferrHandlers.set(core, handler);
}

/** True when the instruction may go on; raises #MF when an unmasked exception is pending and CR0.NE says so. */
export function pendingExceptionAllows(core: Core): boolean {
  const { state } = core;
  if ((state.get(L.FPU_STATUS) & ES) === 0) return true;
  if (state.cr0 & Cr0.NE) core.raise(Vector.MF);
  const handler = ferrHandlers.get(core);
  return handler === undefined || handler(core);
}

/** Forms that do not wait for a pending exception: FNSTENV, FNSTCW, FNSAVE, FNSTSW, FNINIT, FNCLEX and the old no-operations. */
function isNoWait(opcode: number, op: HelperOp): boolean {
  if (op.memory) {
    if (opcode === 0xd9) return op.reg >= 6;
    return opcode === 0xdd && op.reg >= 6;
  }
  return (opcode === 0xdb && op.reg === 4) || (opcode === 0xdf && op.reg === 4);
}

/** Control instructions leave the last-instruction pointers alone. */
function isControl(opcode: number, op: HelperOp): boolean {
  if (op.memory) return (opcode === 0xd9 || opcode === 0xdd) && op.reg >= 4;
  return isNoWait(opcode, op);
}

function recordPointers(core: Core, op: HelperOp, opcode: number): void {
  const { state } = core;
  state.set(L.FPU_LAST_IP, state.eip);
  state.set(L.FPU_LAST_CS, state.selector(1));
  state.set(L.FPU_LAST_OPCODE, ((opcode & 7) << 8) | (op.modrm & 0xff));
  if (op.memory) {
    state.set(L.FPU_LAST_DP, op.offset);
    state.set(L.FPU_LAST_DS, state.selector(op.segment));
  }
}

/** Executes one instruction of D8..DF. Raises #NM (CR0.EM or TS), #MF (pending exception), #UD and whatever its memory access raises. */
export const fpu: Helper = (core, op) => {
  const opcode = op.opcode & 0xff;
  if (core.state.cr0 & (Cr0.EM | Cr0.TS)) core.raise(Vector.NM);
  // Asked only when it decides between two exceptions.
  if (core.state.get(L.FPU_STATUS) & ES && !isDefined(opcode, op)) core.raise(Vector.UD);
  if (!isNoWait(opcode, op) && !pendingExceptionAllows(core)) return Outcome.again;
  unit.begin(core, op);
  if (op.memory) executeMemoryForm(unit, opcode, op.reg);
  else executeRegisterForm(unit, opcode, op.reg, op.rm);
  if (!isControl(opcode, op)) recordPointers(core, op, opcode);
  return Outcome.next;
};

/** WAIT/FWAIT: #NM when CR0.MP and TS are both set, then a pending exception. */
export const fwait: Helper = (core) => {
  const monitored = Cr0.MP | Cr0.TS;
  if ((core.state.cr0 & monitored) === monitored) core.raise(Vector.NM);
  return pendingExceptionAllows(core) ? Outcome.next : Outcome.again;
};
