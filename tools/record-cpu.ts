/**
 * `npm run record:cpu`: executes the cases of every form on this machine's processor and writes test/cpu/recorded/fixtures, the stretches of
 * code of test/cpu/engine, and what the accuracy table of test/cpu/fpu compares with. With `-- --missing` only what has no usable fixtures is recorded; with `-- NAME…` only forms whose names begin so. Needs gcc; 32-bit programs that the kernel
 * does not run need qemu-i386 (Debian: qemu-user).
 */

import {
  isRecorded,
  PROGRAM,
  record as recordStretches,
} from "../test/cpu/engine/support/recorded-stretches.ts";
import { recordAccuracy } from "../test/cpu/fpu/accuracy/record.ts";
import type { Fixture } from "../test/cpu/recorded/fixture-folder.ts";
import {
  fingerprint,
  fixtures as fixtureFolder,
  fixtureOf,
  makeFixture,
} from "../test/cpu/recorded/fixtures.ts";
import { type Form, groupOf } from "../test/cpu/recorded/forms.ts";
import { NativePrograms } from "../test/cpu/recorded/native-programs.ts";
import { Oracles } from "../test/cpu/recorded/oracle.ts";
import { casesFor, RECORDED_FORMS } from "../test/cpu/recorded/selection.ts";

const wanted = process.argv.slice(2);
const missingOnly = wanted.includes("--missing");
const names = wanted.filter((word) => !word.startsWith("--"));

const oracles = new Oracles();
const { processor64, program32 } = oracles;
if (!processor64) {
  console.error("record:cpu: gcc cannot build 64-bit programs that run here; install gcc");
  process.exit(1);
}

function record(form: Form): Fixture | undefined {
  const known = fixtureOf(form);
  if (names.length > 0 && !names.some((name) => form.name.startsWith(name))) return known;
  const cases = casesFor(form);
  if (
    missingOnly &&
    known &&
    known.record.cases === cases.length &&
    known.record.inputs === fingerprint(cases)
  )
    return known;
  const oracle = [processor64, program32].find((one) => one && cases.every((c) => one.code(c) !== undefined));
  if (!oracle) {
    console.error(`${form.name}: nothing here can execute it (for 32-bit code install qemu-user)`);
    process.exitCode = 1;
    return known;
  }
  try {
    return makeFixture(form, cases, oracle.run(cases), oracle.name);
  } catch (error) {
    throw new Error(`${form.name}: ${error instanceof Error ? error.message : error}`);
  }
}

function recordSequences(): void {
  if (names.length > 0 || (missingOnly && isRecorded())) return;
  const programs = new NativePrograms();
  try {
    const program = programs.build32(PROGRAM);
    if (program) {
      recordStretches(program);
      return;
    }
    console.error("stretches of code: no 32-bit program runs here (install gcc-multilib and qemu-user)");
    process.exitCode = 1;
  } finally {
    programs.dispose();
  }
}

const groups = new Map<string, Form[]>();
for (const form of RECORDED_FORMS) {
  const group = groupOf(form);
  groups.set(group, [...(groups.get(group) ?? []), form]);
}
let cases = 0;
try {
  for (const [group, forms] of groups) {
    const fixtures = forms.flatMap((form) => record(form) ?? []);
    cases += fixtures.reduce((sum, { record: { cases: n } }) => sum + n, 0);
    fixtureFolder.write(group, fixtures);
  }
  fixtureFolder.removeOthers(new Set(groups.keys()));
} finally {
  oracles.dispose();
}
recordSequences();
if (names.length === 0 && !missingOnly) {
  const programs = new NativePrograms();
  try {
    if (!recordAccuracy(programs)) process.exitCode = 1;
  } finally {
    programs.dispose();
  }
}
console.log(`${cases} cases of ${groups.size} opcodes recorded`);
