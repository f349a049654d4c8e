import { Unit } from "../cold/handlers.ts";
import { type Core, Vector } from "../core.ts";
import { raisePending } from "../fpu/index.ts";
import { Cr0, Cr4 } from "../state.ts";

/** Raises what forbids the use of register files (bits of Unit; SDM vol. 2, 2.4 and vol. 3, 13.1.1): #UD, #NM, for MMX registers #MF. */
export function requireUnits(core: Core, units: number): void {
  const { cr0, cr4 } = core.state;
  if (cr0 & Cr0.EM || (units & Unit.sse && (cr4 & Cr4.OSFXSR) === 0)) core.raise(Vector.UD);
  if (cr0 & Cr0.TS) core.raise(Vector.NM);
  if (units & Unit.mmx) raisePending(core);
}
