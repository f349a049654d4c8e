import { arithmeticLines } from "./arithmetic.ts";
import { bcdLines } from "./bcd.ts";
import { bitLines } from "./bits.ts";
import { controlLines } from "./control.ts";
import { eflagsLines } from "./eflags.ts";
import { exchangeLines } from "./exchange.ts";
import type { OpcodeLine } from "./line.ts";
import { logicLines } from "./logic.ts";
import { moveLines } from "./moves.ts";
import { multiplyLines } from "./multiply.ts";
import { packedLines } from "./packed/index.ts";
import { shiftLines } from "./shifts.ts";
import { stackLines } from "./stack.ts";
import { systemLines } from "./system.ts";

/** Every opcode of an IA-32 processor up to SSE2. The order has no meaning; the index of a line is its number. */
export const OPCODE_LINES: readonly OpcodeLine[] = [
  ...arithmeticLines,
  ...logicLines,
  ...shiftLines,
  ...moveLines,
  ...stackLines,
  ...bitLines,
  ...controlLines,
  ...multiplyLines,
  ...exchangeLines,
  ...bcdLines,
  ...eflagsLines,
  ...systemLines,
  ...packedLines,
];
