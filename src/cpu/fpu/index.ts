import type { Core, Helper, HelperOp } from "../core.ts";
import { Outcome, Vector } from "../core.ts";
import { ExitControl, ExitReason } from "../exit.ts";
import * as L from "../layout.ts";
import { Cr0 } from "../state.ts";
import { isDefined } from "./defined.ts";
import { ES } from "./flags.ts";
import { executeMemoryForm } from "./memory-forms.ts";
import { executeRegisterForm } from "./register-forms.ts";
import { Unit } from "./unit.ts";

export { resetFpu } from "./environment.ts";

const unit = new Unit();

/**
 * What a pending unmasked exception does to an instruction that waits for it (SDM vol. 1, 8.7): #MF with CR0.NE set; else FERR# is asserted and the
 * monitor is told, which answers as the PC's logic around IRQ 13 and IGNNE# does.
 */
export function raisePending(core: Core): void {
  const { state } = core;
  if ((state.get(L.FPU_STATUS) & ES) === 0) {
    if (state.get(L.FERR) !== 0) state.set(L.FERR, 0);
    return;
  }
  if (state.cr0 & Cr0.NE) core.raise(Vector.MF);
  if (core.controls & ExitControl.coprocessorError) {
    const record = core.exitRecord;
    record.reason = ExitReason.coprocessorError;
    record.eip = state.eip;
    record.length = 0;
    record.value = state.get(L.FERR) ^ 1;
    state.set(L.FERR, 1);
    core.leave();
  }
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
  if (!isNoWait(opcode, op)) raisePending(core);
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
  raisePending(core);
  return Outcome.next;
};
