/**
 * Runs the cases of test/cpu/recorded on this machine's processor and writes what it did, for the tests to compare the engine with. Needs gcc
 * and an x86-64 processor; the tests need neither.
 *
 *     npm run record:cpu
 */
import { casesOf, RECORDED_FORMS } from "../test/cpu/recorded/cases.ts";
import { writeFixture } from "../test/cpu/recorded/fixture.ts";
import { processorName, runOnProcessor } from "../test/cpu/recorded/native.ts";

const cases = RECORDED_FORMS.map(casesOf);
const outcomes = runOnProcessor(cases.flat());
let next = 0;
const recorded = RECORDED_FORMS.map((form, n) => {
  const count = cases[n]?.length ?? 0;
  next += count;
  return { form, outcomes: outcomes.slice(next - count, next) };
});
writeFixture(processorName(), recorded);
process.stdout.write(`${outcomes.length} cases of ${RECORDED_FORMS.length} forms by ${processorName()}\n`);
