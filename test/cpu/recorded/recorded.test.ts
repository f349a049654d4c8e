import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { describeCase, differences } from "./compare.ts";
import { testedElsewhere } from "./elsewhere.ts";
import { fixtureOf, recordedCases } from "./fixtures.ts";
import { FORMS, type Form, groupOf } from "./forms.ts";
import { Replay } from "./replay.ts";
import { RECORDED_FORMS } from "./selection.ts";

const MOST_TOLD = 3;
const replay = new Replay();

/** The first differences between what was recorded of a form and what the engine does. */
function differencesOf(form: Form): string[] {
  const fixture = fixtureOf(form);
  if (!fixture) return [`${form.name}: nothing is recorded; run "npm run record:cpu -- --missing"`];
  const { cases, outcomes } = recordedCases(form, fixture);
  const found: string[] = [];
  for (const [n, one] of cases.entries()) {
    const differ = differences(
      form,
      one,
      outcomes[n] as (typeof outcomes)[0],
      replay.run(one),
      fixture.record.oracle,
    );
    if (differ.length > 0) found.push([describeCase(form, n, one), ...differ].join("\n    "));
    if (found.length === MOST_TOLD) break;
  }
  return found;
}

const groups = new Map<string, Form[]>();
for (const form of RECORDED_FORMS) groups.set(groupOf(form), [...(groups.get(groupOf(form)) ?? []), form]);

describe("the engine does what was recorded", () => {
  test.each([...groups.keys()].sort())("opcode %s", (group) => {
    const found = (groups.get(group) ?? []).flatMap(differencesOf);
    expect(found.length, found.join("\n\n")).toBe(0);
  });
});

describe("the recorded cases", () => {
  test("are at least 100,000", () => {
    const counts = RECORDED_FORMS.map((form) => fixtureOf(form)?.record.cases ?? 0);
    expect(counts.reduce((sum, n) => sum + n, 0)).toBeGreaterThanOrEqual(100_000);
  });

  test("are there for every form that no other test has, and those tests exist", () => {
    const untested = FORMS.filter((form) => {
      const elsewhere = testedElsewhere(form);
      if (elsewhere === undefined) return fixtureOf(form) === undefined;
      return !existsSync(new URL(`../${elsewhere}`, import.meta.url));
    });
    expect(untested.map(({ name }) => name)).toEqual([]);
  });

  test("have names of their own", () => {
    const names = FORMS.map(({ name }) => name);
    expect(names.filter((name, n) => names.indexOf(name) !== n)).toEqual([]);
  });

  test("include ones that raise exceptions, of every form that can", () => {
    const faulting = RECORDED_FORMS.filter((form) => (fixtureOf(form)?.record.faults ?? 0) > 0);
    const inMemory = RECORDED_FORMS.filter(
      ({ rm, line }) => rm === "mem" && !/^(lea|nop)$/.test(line.mnemonic),
    );
    expect(inMemory.filter((form) => !faulting.includes(form)).map(({ name }) => name)).toEqual([]);
  });
});
