import type { Expr } from "../ir/expr.ts";
import { and as both, xor as differ, or as either, not as invert } from "../ir/expr.ts";
import { aluLines } from "./arithmetic.ts";
import type { Semantics, SemanticsContext } from "./context.ts";
import { line } from "./define.ts";
import { flagsLogic } from "./flags.ts";
import { FLAGS_ALL, type OpcodeLine } from "./line.ts";

const logic =
  (operation: (a: Expr, b: Expr) => Expr): Semantics =>
  (c: SemanticsContext) => {
    const result = c.let(operation(c.read(0), c.read(1)));
    c.write(0, result);
    flagsLogic(c, result);
  };

export const and = logic(both);
export const or = logic(either);
export const xor = logic(differ);

export const test: Semantics = (c) => flagsLogic(c, c.let(both(c.read(0), c.read(1))));

/** NOT changes no flag. */
export const not: Semantics = (c) => c.write(0, invert(c.read(0)));

const TEST = { semantics: test, writesFlags: FLAGS_ALL } as const;

export const logicLines: readonly OpcodeLine[] = [
  ...aluLines("or", 0x08, or, { writesDestination: true }),
  ...aluLines("and", 0x20, and, { writesDestination: true }),
  ...aluLines("xor", 0x30, xor, { writesDestination: true }),
  line("test", "84", "Eb Gb", TEST),
  line("test", "85", "Ev Gv", TEST),
  line("test", "A8", "AL Ib", TEST),
  line("test", "A9", "AX Iz", TEST),
  // /1 is an undocumented twin of /0 on every processor.
  ...["0", "1"].flatMap((reg) => [
    line("test", `F6 /${reg}`, "Eb Ib", TEST),
    line("test", `F7 /${reg}`, "Ev Iz", TEST),
  ]),
  line("not", "F6 /2", "Eb:rw", { semantics: not, lockable: true }),
  line("not", "F7 /2", "Ev:rw", { semantics: not, lockable: true }),
];
