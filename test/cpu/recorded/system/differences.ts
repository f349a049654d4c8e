import { type Form, groupOf } from "../forms.ts";
import { recordedSystemCases, type STRIDE, SYSTEM_FORMS, systemFixtureOf } from "./fixtures.ts";
import { SystemReplay } from "./replay.ts";
import { describeSystemCase, systemDifferences } from "./rules.ts";

let replay: SystemReplay | undefined;

/** Differences between what was recorded of a form and what the engine does, in every `stride`-th case. */
function differencesOf(form: Form, stride: 1 | typeof STRIDE): string[] {
  const fixture = systemFixtureOf(form);
  if (!fixture) return [`${form.name}: nothing is recorded; run "npm run record:system"`];
  const { cases, outcomes } = recordedSystemCases(form, fixture, stride);
  replay ??= new SystemReplay();
  const actual = replay.run(cases);
  return cases.flatMap((one, n) => {
    const [expected, got] = [outcomes[n], actual[n]];
    const differ = expected && got ? systemDifferences(form, one, expected, got) : ["there is no outcome"];
    return differ.length > 0 ? [[describeSystemCase(form, n * stride, one), ...differ].join("\n    ")] : [];
  });
}

/** Forms with cases of system code, by opcode. */
export const SYSTEM_GROUPS: ReadonlyMap<string, readonly Form[]> = byGroup();

function byGroup(): Map<string, Form[]> {
  const groups = new Map<string, Form[]>();
  for (const form of SYSTEM_FORMS) groups.set(groupOf(form), [...(groups.get(groupOf(form)) ?? []), form]);
  return groups;
}

export const replayGroup = (group: string, stride: 1 | typeof STRIDE): string[] =>
  (SYSTEM_GROUPS.get(group) ?? []).flatMap((form) => differencesOf(form, stride));
