import type { Helper } from "../core.ts";
import { Outcome, Vector } from "../core.ts";
import { ExitReason } from "../exit.ts";
import * as L from "../layout.ts";
import { Cr0 } from "../state.ts";
import { requireRing0 } from "./operand.ts";

/** HLT: retires, then leaves; the guest goes on at the next instruction when an interrupt has come. */
export const hlt: Helper = (core, op) => {
  requireRing0(core);
  const record = core.beginExit(ExitReason.hlt, op);
  core.state.eip = op.nextEip;
  record.eip = core.state.eip;
  return Outcome.retireAndExit;
};

/** INVD, WBINVD: there are no caches to write back. */
export const invd: Helper = (core) => {
  requireRing0(core);
  return Outcome.next;
};

/** An opcode that is not defined. */
export const ud: Helper = (core) => core.raise(Vector.UD);

const FPU_ERROR_SUMMARY = 0x80;

/**
 * FWAIT (9B): #NM when a task switch has left the FPU to be saved (MP and TS), #MF for a pending x87 exception. With CR0.NE clear
 * a pending exception is reported by IRQ 13 of the PC instead, which the machine does not wire: it is then not reported.
 */
export const fwait: Helper = (core) => {
  const { state } = core;
  const { cr0 } = state;
  if ((cr0 & (Cr0.MP | Cr0.TS)) === (Cr0.MP | Cr0.TS)) core.raise(Vector.NM);
  if (state.get(L.FPU_STATUS) & FPU_ERROR_SUMMARY && cr0 & Cr0.NE) core.raise(Vector.MF);
  return Outcome.next;
};
