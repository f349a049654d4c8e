import { join } from "node:path";
import { crc32 } from "node:zlib";
import { type Case, INPUT_BYTES, type Outcome, writeInput } from "./case.ts";
import { casesOf, GENERATOR_VERSION } from "./cases.ts";
import { type Fixture, FixtureFolder } from "./fixture-folder.ts";
import { type Form, groupOf } from "./forms.ts";
import { decodeOutcomes, encodeOutcomes } from "./outcome-codec.ts";

export const fixtures = new FixtureFolder(join(import.meta.dirname, "fixtures"), GENERATOR_VERSION);

/** What the cases of a form are known by. */
export function fingerprint(cases: readonly Case[]): number {
  const bytes = new Uint8Array(cases.length * INPUT_BYTES);
  const view = new DataView(bytes.buffer);
  cases.forEach((one, n) => {
    writeInput(one, one.code, view, n * INPUT_BYTES);
  });
  return crc32(bytes);
}

export const fixtureOf = (form: Form): Fixture | undefined => fixtures.of(groupOf(form)).get(form.name);

export function makeFixture(
  form: Form,
  cases: readonly Case[],
  outcomes: readonly Outcome[],
  oracle: string,
): Fixture {
  const bytes = encodeOutcomes(cases, outcomes);
  const faults = outcomes.filter(({ vector }) => vector !== 3).length;
  return {
    record: {
      form: form.name,
      cases: cases.length,
      faults,
      oracle,
      inputs: fingerprint(cases),
      bytes: bytes.length,
    },
    outcomes: bytes,
  };
}

/** Cases with what the oracle made of them. Throws when the generator makes other cases than were recorded. */
export function recordedCases(form: Form, fixture: Fixture): { cases: Case[]; outcomes: Outcome[] } {
  const cases = casesOf(form, fixture.record.cases);
  if (fingerprint(cases) !== fixture.record.inputs)
    throw new Error(
      `${form.name}: the generator makes other cases than were recorded; run "npm run record:cpu"`,
    );
  return { cases, outcomes: decodeOutcomes(cases, fixture.outcomes) };
}
