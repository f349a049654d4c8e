import { add, i32, sub } from "../ir/expr.ts";
import type { Semantics, SemanticsContext } from "./context.ts";
import { hex, line } from "./define.ts";
import { FLAGS_ALL, type OpcodeLine } from "./line.ts";

const ESP = 4;
const EBP = 5;

/** Operand size of an instruction that works on the stack: never 8. */
export const stackWidth = (c: SemanticsContext): 16 | 32 => (c.width === 16 ? 16 : 32);
/** Bytes that it moves. */
export const stackBytes = (c: SemanticsContext): number => stackWidth(c) / 8;

/** PUSH: the operand is read before ESP moves, so PUSH ESP stores the old value. */
export const push: Semantics = (c) => c.push(stackWidth(c), c.read(0));

/** POP to a register: ESP moves first, so POP ESP leaves the popped value. */
export const pop: Semantics = (c) => {
  const value = c.let(c.peek(stackWidth(c)));
  c.adjustStack(i32(stackBytes(c)));
  c.write(0, value);
};

/** LEAVE: the saved frame pointer is read at SS:(E)BP before anything changes. */
export const leave: Semantics = (c) => {
  const frame = c.let(c.reg(EBP, 32));
  const saved = c.let(c.peekAt(frame, stackWidth(c)));
  c.adjustStack(add(sub(frame, c.reg(ESP, 32)), i32(stackBytes(c))));
  c.setReg(EBP, c.width, saved);
};

const REGISTERS = [0, 1, 2, 3, 4, 5, 6, 7] as const;
const PUSH_SEGMENT = { helper: "push_seg" } as const;
const POP_SEGMENT = { helper: "pop_seg", endsBlock: true } as const;

export const stackLines: readonly OpcodeLine[] = [
  ...REGISTERS.map((r) => line("push", hex(0x50 + r), "Zv", { semantics: push })),
  ...REGISTERS.map((r) => line("pop", hex(0x58 + r), "Zv:w", { semantics: pop })),
  line("push", "68", "Iz", { semantics: push }),
  line("push", "6A", "Ibs", { semantics: push }),
  line("push", "FF /6", "Ev", { semantics: push }),
  line("pop", "8F /0 reg", "Ev:w", { semantics: pop }),
  // The address counts from the incremented ESP, which only the helper can arrange without changing ESP too early.
  line("pop", "8F /0 mem", "Ev:w", { helper: "pop_memory" }),
  line("leave", "C9", "", { semantics: leave }),
  line("enter", "C8", "Iw Ib", { helper: "enter" }),
  line("pusha", "60", "", { helper: "pusha", before486: "pusha_before_486" }),
  line("popa", "61", "", { helper: "popa", before486: "popa_before_486" }),
  line("pushf", "9C", "", { helper: "pushf", readsFlags: FLAGS_ALL }),
  line("popf", "9D", "", { helper: "popf", endsBlock: true, readsFlags: FLAGS_ALL, writesFlags: FLAGS_ALL }),
  ...["06", "0E", "16", "1E", "0F A0", "0F A8"].map((where) => line("push", where, "", PUSH_SEGMENT)),
  ...["07", "17", "1F", "0F A1", "0F A9"].map((where) => line("pop", where, "", POP_SEGMENT)),
];
