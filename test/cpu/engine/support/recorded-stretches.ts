import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { crc32, deflateRawSync, inflateRawSync } from "node:zlib";
import { Random } from "../../instructions/support/random.ts";
import { answerOf, type NativeProgram } from "../../recorded/native-programs.ts";
import { PLAIN_LINES, randomStretch } from "./programs.ts";
import { inputOf, OUTCOME_WORDS, type Outcome, outcomeAt, type Stretch, toggleMemory } from "./stretch.ts";

/** Random stretches of code with recorded outcomes: a head in JSON, a line, and their words. */

const FILE = join(import.meta.dirname, "../fixtures/sequences.bin");
export const PROGRAM = join(import.meta.dirname, "stretches.c");
const SEED = 0xbeef;
const COUNT = 1200;

interface Head {
  /** CRC-32 of the stretches as the generator made them then. */
  readonly inputs: number;
  readonly oracle: string;
}

/** The same for ever, by the seed. */
export function stretches(seed: number, count: number): Stretch[] {
  const random = new Random(seed);
  // Lines that share registers and flags with their neighbours more than all lines at random would.
  const simple = PLAIN_LINES.filter((line) => line.map === "one" && line.opcode < 0x60);
  return Array.from({ length: count }, (_, n) =>
    randomStretch(random, {
      lines: n % 3 === 0 ? simple : PLAIN_LINES,
      count: 5 + random.below(26),
      transfers: n % 2 === 0,
    }),
  );
}

/** Whether what is recorded is of the stretches that the generator makes now. */
export function isRecorded(): boolean {
  return existsSync(FILE) && read().head.inputs === crc32(inputOf(stretches(SEED, COUNT)));
}

export function record(program: NativeProgram): void {
  const cases = stretches(SEED, COUNT);
  const input = inputOf(cases);
  const answer = answerOf(program, input, COUNT * OUTCOME_WORDS * 4);
  const words = new Uint32Array(Uint8Array.from(answer).buffer);
  toggleMemory(words, cases);
  const head: Head = { inputs: crc32(input), oracle: program.executor };
  const parts = [Buffer.from(`${JSON.stringify(head)}\n`), new Uint8Array(words.buffer)];
  mkdirSync(dirname(FILE), { recursive: true });
  writeFileSync(FILE, deflateRawSync(Buffer.concat(parts), { level: 9 }));
}

function read(): { head: Head; words: Uint32Array } {
  const bytes = inflateRawSync(readFileSync(FILE));
  const end = bytes.indexOf(10);
  const head = JSON.parse(bytes.toString("utf8", 0, end)) as Head;
  return { head, words: new Uint32Array(Uint8Array.from(bytes.subarray(end + 1)).buffer) };
}

/** Stretches with what was recorded of them. Throws when the generator makes other ones by now. */
export function recordedStretches(): { stretch: Stretch; outcome: Outcome }[] {
  if (!isRecorded())
    throw new Error(
      'the generator makes other stretches of code than were recorded; run "npm run record:cpu"',
    );
  const { words } = read();
  const cases = stretches(SEED, COUNT);
  toggleMemory(words, cases);
  return cases.map((stretch, n) => ({ stretch, outcome: outcomeAt(words, n) }));
}
