import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32, deflateRawSync, inflateRawSync } from "node:zlib";
import { type Case, INPUT_BYTES, type Outcome, writeInput } from "./case.ts";
import { casesOf, GENERATOR_VERSION } from "./cases.ts";
import { type Form, groupOf } from "./forms.ts";
import { decodeOutcomes, encodeOutcomes } from "./outcome-codec.ts";

/** Recorded outcomes: a file for every opcode, of a head in JSON and the forms' outcomes one after the other, compressed. */

const FOLDER = join(import.meta.dirname, "fixtures");

export interface FormRecord {
  readonly form: string;
  readonly cases: number;
  /** Cases that ended in an exception. */
  readonly faults: number;
  readonly oracle: string;
  /** CRC-32 of the cases as the generator made them then. */
  readonly inputs: number;
  readonly bytes: number;
}

interface Head {
  readonly generator: number;
  readonly forms: FormRecord[];
}

export interface Fixture {
  readonly record: FormRecord;
  readonly outcomes: Uint8Array;
}

/** What the cases of a form are known by. */
export function fingerprint(cases: readonly Case[]): number {
  const bytes = new Uint8Array(cases.length * INPUT_BYTES);
  const view = new DataView(bytes.buffer);
  cases.forEach((one, n) => {
    writeInput(one, one.code, view, n * INPUT_BYTES);
  });
  return crc32(bytes);
}

const files = new Map<string, Map<string, Fixture>>();

/** Fixtures of one opcode, by the form's name. */
export function fixturesOf(group: string): ReadonlyMap<string, Fixture> {
  const known = files.get(group);
  if (known) return known;
  const read = new Map<string, Fixture>();
  files.set(group, read);
  const file = join(FOLDER, `${group}.bin`);
  if (!existsSync(file)) return read;
  const bytes = inflateRawSync(readFileSync(file));
  const end = bytes.indexOf(10);
  const head = JSON.parse(bytes.toString("utf8", 0, end)) as Head;
  let at = end + 1;
  for (const record of head.forms) {
    if (head.generator === GENERATOR_VERSION)
      read.set(record.form, { record, outcomes: bytes.subarray(at, at + record.bytes) });
    at += record.bytes;
  }
  return read;
}

export const fixtureOf = (form: Form): Fixture | undefined => fixturesOf(groupOf(form)).get(form.name);

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

export function writeFixtures(group: string, fixtures: readonly Fixture[]): void {
  mkdirSync(FOLDER, { recursive: true });
  const head: Head = { generator: GENERATOR_VERSION, forms: fixtures.map(({ record }) => record) };
  const parts = [Buffer.from(`${JSON.stringify(head)}\n`), ...fixtures.map(({ outcomes }) => outcomes)];
  writeFileSync(join(FOLDER, `${group}.bin`), deflateRawSync(Buffer.concat(parts), { level: 9 }));
  files.delete(group);
}

/** Removes files of opcodes that have no form any more. */
export function removeOthers(groups: ReadonlySet<string>): void {
  for (const file of readdirSync(FOLDER))
    if (!groups.has(file.replace(/\.bin$/, ""))) rmSync(join(FOLDER, file));
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
