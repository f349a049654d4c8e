/** The JSON form of SingleStepTests for the x86 family: an array of tests. */
import { CaseFileError, type RecordedCase, type RecordedFile, type RecordedState } from "./cases.ts";

interface JsonState {
  readonly regs?: Readonly<Record<string, number>>;
  readonly ram?: readonly (readonly [number, number])[];
}

interface JsonCase {
  readonly idx?: number;
  readonly name?: string;
  readonly bytes?: readonly number[];
  readonly initial?: JsonState;
  readonly final?: JsonState;
  readonly exception?: { readonly number: number; readonly flag_address: number };
  readonly hash?: string;
  readonly test_hash?: string;
  /** A state of the bus each; those of 16-bit and 32-bit processors have eight parts, those of older ones eleven. */
  readonly cycles?: readonly (readonly unknown[])[];
}

const PARTS_OF_LATER_CYCLES = 8;

/** @throws CaseFileError */
export function readJson(text: string): RecordedFile {
  let tests: unknown;
  try {
    tests = JSON.parse(text);
  } catch (error) {
    throw new CaseFileError(`no JSON: ${(error as Error).message}`);
  }
  if (!Array.isArray(tests) || tests.length === 0) throw new CaseFileError("no array of tests");
  const cases = (tests as JsonCase[]).map(caseOf);
  const [first] = tests as [JsonCase];
  const isWide = first.initial?.regs?.["eax"] !== undefined;
  const isLater = isWide || first.cycles?.[0]?.length === PARTS_OF_LATER_CYCLES;
  const cpu = isWide ? "80386" : isLater ? "80286" : "8086";
  return { cpu, cpuName: cpu, untilHalt: isLater, cases, masks: {} };
}

function caseOf(test: JsonCase, position: number): RecordedCase {
  const { idx: index = position, name = "", bytes = [], exception } = test;
  const hash = test.hash ?? test.test_hash;
  if (test.initial?.regs === undefined || test.final === undefined)
    throw new CaseFileError(`test ${index} lacks its state before or after`);
  return {
    index,
    name,
    bytes,
    before: stateOf(test.initial),
    after: stateOf(test.final),
    ...(exception && { exception: { vector: exception.number, flagsAddress: exception.flag_address } }),
    ...(hash !== undefined && { hash }),
  };
}

const stateOf = ({ regs = {}, ram = [] }: JsonState): RecordedState => ({ registers: regs, memory: ram });
