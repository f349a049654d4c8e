import type { Core, Helper, HelperOp } from "../core.ts";
import { Outcome, Vector } from "../core.ts";
import { ExitControl, ExitReason } from "../exit.ts";
import * as L from "../layout.ts";
import { Cr4 } from "../state.ts";
import { jumpToNext, requireRing0 } from "./operand.ts";

const DR6_FIXED = 0xffff0ff0;
const DR6_WRITABLE = 0x0000e00f;
const DR6_ACCESS_DETECTED = 1 << 13;
const DR7_FIXED = 0x400;
const DR7_WRITABLE = 0xffff23ff;
const DR7_GENERAL_DETECT = 1 << 13;

/** Register file offset of DRn. DR4 and DR5 are other names of DR6 and DR7 unless CR4.DE makes them #UD. */
function debugRegisterAt(core: Core, index: number): number {
  if (index < 4) return L.DR0 + index * 4;
  if (index < 6 && core.state.cr4 & Cr4.DE) core.raise(Vector.UD);
  return index & 1 ? L.DR7 : L.DR6;
}

/** #DB when a debugger guards the registers (DR7.GD; Intel SDM vol. 3, 17.2.4). */
function checkAccess(core: Core): void {
  const { state } = core;
  if (state.get(L.DR7) & DR7_GENERAL_DETECT) {
    state.set(L.DR6, state.get(L.DR6) | DR6_ACCESS_DETECTED);
    core.raise(Vector.DB);
  }
}

function debugExit(core: Core, op: HelperOp, write: boolean): Outcome {
  const record = core.beginExit(ExitReason.debugRegister, op);
  record.register = op.reg;
  record.write = write;
  record.value = write ? core.state.reg(op.rm) : 0;
  return Outcome.exit;
}

/** MOV to a debug register (0F 23). */
export const movToDebug: Helper = (core, op) => {
  const at = debugRegisterAt(core, op.reg);
  requireRing0(core);
  if (core.controls & ExitControl.debugRegister) return debugExit(core, op, true);
  checkAccess(core);
  const value = core.state.reg(op.rm);
  if (at === L.DR6) core.state.set(at, (value & DR6_WRITABLE) | DR6_FIXED);
  else if (at === L.DR7) core.state.set(at, (value & DR7_WRITABLE) | DR7_FIXED);
  else core.state.set(at, value);
  if (at !== L.DR6) core.breakpointsChanged();
  return jumpToNext(core, op);
};

/** MOV from a debug register (0F 21). */
export const movFromDebug: Helper = (core, op) => {
  const at = debugRegisterAt(core, op.reg);
  requireRing0(core);
  if (core.controls & ExitControl.debugRegister) return debugExit(core, op, false);
  checkAccess(core);
  core.state.setReg(op.rm, core.state.get(at));
  return Outcome.next;
};
