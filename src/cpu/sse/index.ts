import type { Helper } from "../core.ts";
import { clflush, fxrstor, fxsave, ldmxcsr } from "./fxsave.ts";
import { maskMove } from "./mask-move.ts";

/** Helpers of MMX, SSE and SSE2 instructions by the names that the opcode table gives them. */
export const SSE_HELPERS: Readonly<Record<string, Helper>> = {
  clflush,
  fxrstor,
  fxsave,
  ldmxcsr,
  mask_move: maskMove,
};
