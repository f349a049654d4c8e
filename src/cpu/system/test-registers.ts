import type { Core, Helper } from "../core.ts";
import { Outcome, Vector } from "../core.ts";
import * as L from "../layout.ts";
import { isBefore486, requireRing0 } from "./operand.ts";

/**
 * TR3 to TR7, through which the 80386 (TR6 and TR7) and the 486 let software look into their TLB and cache; later processors have none. They are held, and
 * a look-up in the TLB finds nothing.
 */

const FIRST = 3;
const FIRST_OF_TLB = 6;
const LOOK_UP = 1 << 0;
const FOUND = 1 << 4;

/** Register file offset of TRn; #UD where there is none. */
function testRegisterAt(core: Core, index: number): number {
  if (index < (isBefore486(core) ? FIRST_OF_TLB : FIRST)) core.raise(Vector.UD);
  return L.TEST_REGISTERS + 4 * (index - FIRST);
}

/** MOV from a test register (0F 24). */
export const movFromTest: Helper = (core, op) => {
  const at = testRegisterAt(core, op.reg);
  requireRing0(core);
  core.state.setReg(op.rm, core.state.get(at));
  return Outcome.next;
};

/** MOV to a test register (0F 26). */
export const movToTest: Helper = (core, op) => {
  const { state } = core;
  const at = testRegisterAt(core, op.reg);
  requireRing0(core);
  const value = state.reg(op.rm);
  state.set(at, value);
  if (op.reg === FIRST_OF_TLB && value & LOOK_UP) {
    const data = testRegisterAt(core, FIRST_OF_TLB + 1);
    state.set(data, state.get(data) & ~FOUND);
  }
  return Outcome.next;
};
