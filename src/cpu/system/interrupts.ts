import type { Core, Helper } from "../core.ts";
import { Outcome, Vector } from "../core.ts";
import * as L from "../layout.ts";
import { Flag } from "../state.ts";
import { deliverEvent } from "./delivery.ts";

function softwareInterrupt(core: Core, vector: number, returnEip: number): Outcome {
  deliverEvent(core, { vector, errorCode: -1, address: 0, kind: "software", returnEip });
  return Outcome.jump;
}

/** INT n. */
export const intN: Helper = (core, op) => softwareInterrupt(core, op.immediate & 0xff, op.nextEip);

/** INT3. */
export const int3: Helper = (core, op) => softwareInterrupt(core, Vector.BP, op.nextEip);

/** INTO. */
export const into: Helper = (core, op) =>
  core.state.eflags & Flag.OF ? softwareInterrupt(core, Vector.OF, op.nextEip) : Outcome.next;

/** INT1: a #DB trap that the processor itself raises, so the gate's DPL is not looked at. */
export const int1: Helper = (core, op) => {
  deliverEvent(core, {
    vector: Vector.DB,
    errorCode: -1,
    address: 0,
    kind: "exception",
    returnEip: op.nextEip,
  });
  core.state.set(L.SHADOW, L.SHADOW_STEP);
  return Outcome.jump;
};
