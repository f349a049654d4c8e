import { afterAll, describe, expect, it } from "vitest";
import { FLAGS_ALL } from "../../../src/cpu/instructions/line.ts";
import { Flag } from "../../../src/cpu/state.ts";
import { decodeWhole, type Executed, execute } from "./support/execute.ts";
import { nameOf, randomCase, straightLines } from "./support/forms.ts";
import { type NativeCase, NativeProcessor, type NativeResult } from "./support/native.ts";
import { Random } from "./support/random.ts";
import { followsUndefinedFlags, undefinedFlags, undefinedResult } from "./support/undefined.ts";

const SIGFPE = 8;
const CASES_PER_LINE = 120;

const native = NativeProcessor.build();
const exact = followsUndefinedFlags();
if (!native) console.warn("gcc -m32 is not usable here: semantics are not compared with the processor");
afterAll(() => native?.dispose());

/** Count of a shift as the processor masks it; 1 for other instructions. */
function shiftCount(one: NativeCase): number {
  const { line, immediate } = decodeWhole(one.code);
  if (line.operands.some(({ code }) => code === "CL")) return (one.regs[1] as number) & 31;
  return line.operands.some(({ code }) => code === "Ib") ? immediate & 31 : 1;
}

/** What of an outcome can be compared, as text that reads well in a failure. */
function summary(one: NativeCase, outcome: Executed | NativeResult): string {
  const instruction = decodeWhole(one.code);
  const count = shiftCount(one);
  const ignored = exact ? 0 : undefinedFlags(instruction, count);
  const hex = (value: number) => (value >>> 0).toString(16);
  const raised = "signal" in outcome ? outcome.signal === SIGFPE : outcome.vector === 0;
  const failed = "signal" in outcome ? outcome.signal !== 0 : outcome.vector >= 0 || outcome.fault >= 0;
  if (failed) return raised ? "#DE" : `failed ${"signal" in outcome ? outcome.signal : outcome.fault}`;
  const flags = hex(outcome.eflags & (FLAGS_ALL | Flag.DF) & ~ignored);
  if (!exact && undefinedResult(instruction, count)) return `flags ${flags}`;
  return `flags ${flags} regs ${outcome.regs.map(hex).join(" ")} data ${outcome.data.map(hex).join(" ")}`;
}

function describeCase(one: NativeCase): string {
  const bytes = one.code.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const regs = one.regs.map((value) => value.toString(16)).join(" ");
  return `${bytes} with registers ${regs}, flags ${one.eflags.toString(16)}`;
}

/** Of the hint NOPs, newer AMD processors refuse 0F 0D with a register. */
const COMPARED = straightLines.filter(({ map, opcode }) => map === "one" || opcode !== 0x0d);

describe.skipIf(!native)("integer semantics agree with this machine's processor", () => {
  it.each(COMPARED.map((line, n) => ({ line, n, name: nameOf(line) })))("$name", ({ line, n }) => {
    const random = new Random(0x9e3779b9 + n);
    const cases = Array.from({ length: CASES_PER_LINE }, () => randomCase(line, random));
    const results = (native as NativeProcessor).run(cases);
    const differences = cases.flatMap((one, k) => {
      const processor = summary(one, results[k] as NativeResult);
      return (["at-call", "at-use"] as const).flatMap((registerReads) => {
        const semantics = summary(one, execute(one, registerReads));
        return semantics === processor
          ? []
          : [{ of: describeCase(one), registerReads, semantics, processor }];
      });
    });
    expect(differences).toEqual([]);
  });
});
