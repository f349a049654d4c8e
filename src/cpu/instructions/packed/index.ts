import type { OpcodeLine } from "../line.ts";
import { packedArithmeticLines } from "./arithmetic.ts";
import { vectorControlLines } from "./control.ts";
import { packedFloatLines } from "./float.ts";
import { packedMoveLines } from "./moves.ts";
import { packedShiftLines } from "./shifts.ts";
import { shuffleLines } from "./shuffles.ts";

/** MMX, SSE and SSE2. */
export const packedLines: readonly OpcodeLine[] = [
  ...packedArithmeticLines,
  ...packedShiftLines,
  ...shuffleLines,
  ...packedMoveLines,
  ...packedFloatLines,
  ...vectorControlLines,
];
