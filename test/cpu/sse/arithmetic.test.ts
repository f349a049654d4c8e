import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { binary, extreme, judge, OPERATIONS, root } from "../../../src/cpu/sse/arithmetic.ts";
import { type Bits, DOUBLE, SINGLE } from "../../../src/cpu/sse/format.ts";

const NAME_BYTES = 48;
const ROW = 28;
const NAMES = ["add", "subtract", "multiply", "divide", "root", "min", "max"] as const;
const HEX = 16;

const file = gunzipSync(readFileSync(new URL("fixtures/arithmetic.bin.gz", import.meta.url)));
const rows = new DataView(file.buffer, file.byteOffset + NAME_BYTES, file.byteLength - NAME_BYTES);

function bitsAt(at: number, double: boolean): Bits {
  return { lo: rows.getInt32(at, true), hi: double ? rows.getInt32(at + 4, true) : 0 };
}

function text({ lo, hi }: Bits): string {
  return `${(hi >>> 0).toString(HEX)}:${(lo >>> 0).toString(HEX)}`;
}

/** What the engine makes of a row, and what the processor did. */
function replay(at: number): { name: string; ours: string; theirs: string } {
  const operation = rows.getUint8(at);
  const met = rows.getUint8(at + 1);
  const mxcsr = rows.getUint16(at + 2, true);
  const format = operation & 1 ? DOUBLE : SINGLE;
  const a = bitsAt(at + 4, format.double);
  const b = bitsAt(at + 12, format.double);
  const name = NAMES[operation >>> 1] as (typeof NAMES)[number];
  const out = { lo: 0, hi: 0 };
  let raised: number;
  if (name === "root") raised = root(format, mxcsr, b, out);
  else if (name === "min" || name === "max") raised = extreme(format, mxcsr, a, b, name === "min", out);
  else raised = binary(OPERATIONS[name], format, mxcsr, a, b, out);
  const { flags, faults } = judge(mxcsr, raised);
  return {
    name: `${name} ${text(a)} ${text(b)} mxcsr ${mxcsr.toString(HEX)}`,
    ours: `${text(faults ? a : out)} flags ${flags.toString(HEX)} ${faults}`,
    theirs: `${text(bitsAt(at + 20, format.double))} flags ${(met & 0x3f).toString(HEX)} ${met >= 0x80}`,
  };
}

test("scalar arithmetic does what a real processor did", () => {
  const wrong: string[] = [];
  let cases = 0;
  for (let at = 0; at + ROW <= rows.byteLength; at += ROW) {
    const { name, ours, theirs } = replay(at);
    cases++;
    if (ours !== theirs) wrong.push(`${name}: ${ours}, not ${theirs}`);
  }
  expect(wrong.slice(0, 10)).toEqual([]);
  expect(wrong.length).toBe(0);
  expect(cases).toBeGreaterThanOrEqual(20_000);
});
