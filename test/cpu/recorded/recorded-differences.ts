import { describeCase, differences } from "./compare.ts";
import { fixtureOf, recordedCases } from "./fixtures.ts";
import { type Form, groupOf } from "./forms.ts";
import type { Replay } from "./replay.ts";
import { RECORDED_FORMS } from "./selection.ts";

const MOST_TOLD = 3;

/** The first differences between what was recorded of a form and what the engine does, in every `stride`-th case. */
export function recordedDifferences(form: Form, replay: Replay, stride = 1): string[] {
  const fixture = fixtureOf(form);
  if (!fixture) return [`${form.name}: nothing is recorded; run "npm run record:cpu -- --missing"`];
  const { cases, outcomes } = recordedCases(form, fixture);
  const found: string[] = [];
  for (const [n, one] of cases.entries()) {
    if (n % stride !== 0) continue;
    const expected = outcomes[n] as (typeof outcomes)[0];
    const differ = differences(form, one, expected, replay.run(one), fixture.record.oracle);
    if (differ.length > 0) found.push([describeCase(form, n, one), ...differ].join("\n    "));
    if (found.length === MOST_TOLD) break;
  }
  return found;
}

/** Recorded forms by opcode. */
export function recordedGroups(): ReadonlyMap<string, readonly Form[]> {
  const groups = new Map<string, Form[]>();
  for (const form of RECORDED_FORMS) groups.set(groupOf(form), [...(groups.get(groupOf(form)) ?? []), form]);
  return groups;
}
