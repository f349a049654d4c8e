import type { OpcodeLine } from "../line.ts";
import { packedArithmeticLines } from "./arithmetic.ts";
import { vectorControlLines } from "./control.ts";
import { packedMoveLines } from "./moves.ts";
import { packedShiftLines } from "./shifts.ts";
import { shuffleLines } from "./shuffles.ts";

/** MMX, and of SSE and SSE2 all but floating-point arithmetic. */
export const packedLines: readonly OpcodeLine[] = [
  ...packedArithmeticLines,
  ...packedShiftLines,
  ...shuffleLines,
  ...packedMoveLines,
  ...vectorControlLines,
];
