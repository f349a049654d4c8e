import type { Helper } from "../core.ts";
import { Outcome, Vector } from "../core.ts";
import { ExitControl, ExitReason } from "../exit.ts";
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
export const invd: Helper = (core, op) => {
  requireRing0(core);
  if (core.controls & ExitControl.wbinvd) {
    core.beginExit(ExitReason.wbinvd, op);
    return Outcome.exit;
  }
  return Outcome.next;
};

/** An opcode that is not defined. */
export const ud: Helper = (core) => core.raise(Vector.UD);
