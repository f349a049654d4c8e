/**
 * Records the cases of system code (test/cpu/recorded/system): assembles their guest, has qemu-system-i386 execute the cases of every form, and
 * writes the guest and the fixtures. Needs nasm and qemu-system-i386; the tests need neither. Part of `npm run record:system`;
 * with `-- --missing` only what a new line of the table or a change of the generator brings.
 */
import { writeFileSync } from "node:fs";
import type { Fixture } from "../test/cpu/recorded/fixture-folder.ts";
import { type Form, groupOf } from "../test/cpu/recorded/forms.ts";
import { casesOf } from "../test/cpu/recorded/system/cases.ts";
import {
  isCurrent,
  makeFixture,
  SYSTEM_FORMS,
  systemFixtureOf,
  systemFixtures,
} from "../test/cpu/recorded/system/fixtures.ts";
import { SystemOracle } from "../test/cpu/recorded/system/qemu.ts";
import type { SystemRecord } from "../test/cpu/recorded/system/record.ts";
import { IMAGE_FILE } from "../test/cpu/recorded/system/replay.ts";

/** So many forms' cases fit into the 4 MiB that the guest maps. */
const FORMS_A_RUN = 5;

const oracle = new SystemOracle();
const fixtures = new Map<Form, Fixture>();
try {
  const image = Buffer.from(oracle.image).toString("base64");
  writeFileSync(IMAGE_FILE, `${JSON.stringify({ image }, undefined, 2)}\n`);
  const missingOnly = process.argv.includes("--missing");
  const wanted = SYSTEM_FORMS.filter((form) => {
    const known = systemFixtureOf(form);
    if (!missingOnly || !known || !isCurrent(form, casesOf(form))) return true;
    fixtures.set(form, known);
    return false;
  });
  for (let n = 0; n < wanted.length; n += FORMS_A_RUN) {
    const forms = wanted.slice(n, n + FORMS_A_RUN);
    const cases = forms.map((form) => casesOf(form));
    const outcomes = outcomesOf(forms[0] as Form, cases.flat());
    for (const [k, form] of forms.entries()) {
      const mine = cases[k] as SystemRecord[];
      fixtures.set(form, makeFixture(form, mine, outcomes.splice(0, mine.length), oracle.name));
    }
    process.stderr.write(`${n + forms.length} of ${wanted.length} forms\n`);
  }
} finally {
  oracle.dispose();
}
const groups = new Map<string, Fixture[]>();
for (const form of SYSTEM_FORMS)
  groups.set(groupOf(form), [...(groups.get(groupOf(form)) ?? []), fixtures.get(form) as Fixture]);
for (const [group, list] of groups) systemFixtures.write(group, list);
systemFixtures.removeOthers(new Set(groups.keys()));
const sum = [...fixtures.values()].reduce((total, { record }) => total + record.cases, 0);
console.log(`${sum} cases of system code recorded`);

function outcomesOf(first: Form, cases: readonly SystemRecord[]): SystemRecord[] {
  try {
    return oracle.run(cases);
  } catch (error) {
    throw new Error(
      `${first.name}, or one of those behind it: ${error instanceof Error ? error.message : error}`,
    );
  }
}
