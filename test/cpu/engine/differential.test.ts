import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nameOf } from "../instructions/support/forms.ts";
import { Random } from "../instructions/support/random.ts";
import { followsUndefinedFlags } from "../instructions/support/undefined.ts";
import { Bench, describeStretch, SETTINGS, summary } from "./support/bench.ts";
import { NativeProcessor, type Outcome, type Stretch } from "./support/native.ts";
import { PLAIN_LINES, randomStretch } from "./support/programs.ts";

const CASES_PER_LINE = 60;

const native = NativeProcessor.build();
const definedOnly = !followsUndefinedFlags();
if (!native) console.warn("gcc -m32 is not usable here: the engine is not compared with the processor");
afterAll(() => native?.dispose());

describe.skipIf(!native)("single instructions end on the engine as on this machine's processor", () => {
  const bench = new Bench();
  const casesOf = PLAIN_LINES.map((line, n) => {
    const random = new Random(0x1234567 + 7 * n);
    return Array.from({ length: CASES_PER_LINE }, () =>
      randomStretch(random, { definedOnly, lines: [line], count: 1, transfers: false }),
    );
  });
  let outcomes: Outcome[] = [];
  beforeAll(() => {
    outcomes = (native as NativeProcessor).run(casesOf.flat());
  });

  it.each(PLAIN_LINES.map((line, n) => ({ n, name: nameOf(line) })))("$name", ({ n }) => {
    const cases = casesOf[n] as Stretch[];
    const expected = outcomes.slice(n * CASES_PER_LINE, (n + 1) * CASES_PER_LINE);
    const differences = cases.flatMap((one, k) =>
      SETTINGS.flatMap((setting) => {
        bench.load(one, setting);
        bench.guest.runToExit();
        const engine = summary(bench.outcome(), one);
        const processor = summary(expected[k] as Outcome, one);
        return engine === processor
          ? []
          : [{ of: describeStretch(one), in: setting.name, engine, processor }];
      }),
    );
    expect(differences.slice(0, 3)).toEqual([]);
  });
});
