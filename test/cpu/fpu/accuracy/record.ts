import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { answerOf, type NativePrograms } from "../../recorded/native-programs.ts";
import { INSTRUCTIONS, RECORDED_FILE, type Recorded, samplesOf } from "./table.ts";

const INPUT_BYTES = 24;
const RESULT_BYTES = 10;

/** Has the processor execute the samples of the accuracy table, and writes its fixture. False when nothing here can. */
export function recordAccuracy(programs: NativePrograms): boolean {
  const program = programs.build64(join(import.meta.dirname, "processor.c"));
  if (!program) return false;
  const results: Record<string, string> = {};
  for (const one of INSTRUCTIONS) {
    const samples = samplesOf(one);
    const input = Buffer.alloc(samples.length * INPUT_BYTES);
    samples.forEach(({ a, b }, n) => {
      const at = n * INPUT_BYTES;
      input.writeUInt32LE(one.code, at);
      input.writeBigUInt64LE(a.significand, at + 4);
      input.writeUInt16LE(a.se, at + 12);
      input.writeBigUInt64LE(b.significand, at + 14);
      input.writeUInt16LE(b.se, at + 22);
    });
    results[one.name] = answerOf(program, input, samples.length * RESULT_BYTES).toString("base64");
  }
  const record: Recorded = { processor: program.executor.replace(/, 64-bit mode$/, ""), results };
  writeFileSync(RECORDED_FILE, `${JSON.stringify(record, undefined, 2)}\n`);
  return true;
}
