import { join } from "node:path";
import { crc32 } from "node:zlib";
import { asSystemCode } from "../elsewhere.ts";
import { type Fixture, FixtureFolder } from "../fixture-folder.ts";
import { FORMS, type Form, groupOf } from "../forms.ts";
import { caseOf, GENERATOR_VERSION } from "./cases.ts";
import { At, SystemRecord } from "./record.ts";

/** Recorded outcomes of system code: a file for every opcode, of a head in JSON and what the forms' cases have changed, compressed. */

export const systemFixtures = new FixtureFolder(join(import.meta.dirname, "fixtures"), GENERATOR_VERSION);
const THROUGH = 3;

/** Forms that have cases of system code: many of them recorded of user programs, too. */
export const SYSTEM_FORMS: readonly Form[] = FORMS.filter(asSystemCode);

/** One of so many cases is made and tried by the quick tests. */
export const STRIDE = 8;

/** What the cases of a form are known by: those that the quick tests make. */
function fingerprint(every: readonly SystemRecord[]): number {
  return every.reduce((sum, { bytes }) => crc32(bytes, sum), 0);
}

/** Runs of bytes in which an outcome differs from its case: number of runs, and of each offset, length and bytes. */
function encode(before: Uint8Array, after: Uint8Array): number[] {
  const out: number[] = [];
  let runs = 0;
  for (let at = 0; at < after.length; ) {
    if (before[at] === after[at]) {
      at++;
      continue;
    }
    let end = at + 1;
    for (let k = end; k < after.length && k < end + 4 && k - at < 255; k++)
      if (before[k] !== after[k]) end = k + 1;
    out.push(at & 0xff, at >> 8, end - at, ...after.subarray(at, end));
    runs++;
    at = end;
  }
  return [runs & 0xff, runs >> 8, ...out];
}

export function makeFixture(
  form: Form,
  cases: readonly SystemRecord[],
  outcomes: readonly SystemRecord[],
  oracle: string,
): Fixture {
  const bytes = Uint8Array.from(
    cases.flatMap(({ bytes: before }, n) => encode(before, (outcomes[n] as SystemRecord).bytes)),
  );
  const faults = outcomes.filter((record) => record.get(At.vector) !== THROUGH).length;
  const record = {
    form: form.name,
    cases: cases.length,
    faults,
    oracle,
    inputs: fingerprint(cases.filter((_, n) => n % STRIDE === 0)),
    bytes: bytes.length,
  };
  return { record, outcomes: bytes };
}

export const systemFixtureOf = (form: Form): Fixture | undefined =>
  systemFixtures.of(groupOf(form)).get(form.name);

/** Every `stride`-th case with what the oracle made of it. Throws when the generator makes other cases than were recorded. */
export function recordedSystemCases(
  form: Form,
  fixture: Fixture,
  stride: 1 | typeof STRIDE,
): { cases: SystemRecord[]; outcomes: SystemRecord[] } {
  const { outcomes: bytes, record } = fixture;
  const cases: SystemRecord[] = [];
  const outcomes: SystemRecord[] = [];
  let at = 0;
  const word = () => {
    at += 2;
    return (bytes[at - 2] as number) | ((bytes[at - 1] as number) << 8);
  };
  for (let n = 0; n < record.cases; n++) {
    const one = n % stride === 0 ? caseOf(form, n) : undefined;
    const after = one?.bytes.slice();
    for (let runs = word(); runs > 0; runs--) {
      const from = word();
      const length = bytes[at++] as number;
      after?.set(bytes.subarray(at, at + length), from);
      at += length;
    }
    if (one === undefined) continue;
    cases.push(one);
    outcomes.push(new SystemRecord(after));
  }
  if (at !== bytes.length) throw new Error(`${form.name}: an outcome's bytes do not end where they should`);
  if (fingerprint(cases.filter((_, n) => (n * stride) % STRIDE === 0)) !== record.inputs)
    throw new Error(
      `${form.name}: the generator makes other cases than were recorded; run "npm run record:system"`,
    );
  return { cases, outcomes };
}

/** Whether what is recorded of a form is what these cases need. */
export function isCurrent(form: Form, cases: readonly SystemRecord[]): boolean {
  const { record } = systemFixtureOf(form) ?? {};
  return (
    record?.cases === cases.length && record.inputs === fingerprint(cases.filter((_, n) => n % STRIDE === 0))
  );
}
