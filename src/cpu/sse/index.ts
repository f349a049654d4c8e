import type { Helper } from "../core.ts";
import { FLOAT_CONVERSIONS } from "./float-conversions.ts";
import { FLOAT_OPERATIONS } from "./float-operations.ts";
import { clflush, fxrstor, fxsave, ldmxcsr } from "./fxsave.ts";
import { maskMove } from "./mask-move.ts";

/** Helpers of MMX, SSE and SSE2 instructions by the names that the opcode table gives them. */
export const SSE_HELPERS: Readonly<Record<string, Helper>> = {
  ...FLOAT_OPERATIONS,
  ...FLOAT_CONVERSIONS,
  clflush,
  fxrstor,
  fxsave,
  ldmxcsr,
  mask_move: maskMove,
};
