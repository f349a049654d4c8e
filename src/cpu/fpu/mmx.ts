import * as L from "../layout.ts";
import type { CpuState } from "../state.ts";
import { TOP } from "./flags.ts";

/** What every MMX instruction but EMMS does besides: register 0 is the top of the x87 stack, all of which is in use (SDM vol. 1, 9.5). */
export function enterMmx(state: CpuState): void {
  state.set(L.FPU_STATUS, state.get(L.FPU_STATUS) & ~TOP);
  state.set(L.FPU_EMPTY, 0);
}
