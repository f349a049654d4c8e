import { existsSync } from "node:fs";
import { Decoder, Formatter, FormatterSyntax } from "iced-x86";
import { describe, expect, test } from "vitest";
import { OPCODE_LINES } from "../../../src/cpu/instructions/table.ts";
import { CASES_PER_FORM, casesOf, nameOf, RECORDED_FORMS } from "./cases.ts";
import { testedElsewhere } from "./elsewhere.ts";
import { COMPARED_FLAGS, FixtureReader, readHeader } from "./fixture.ts";
import { type Case, CODE, type Outcome } from "./native.ts";
import { Replay } from "./replay.ts";

const HEADER = readHeader();

describe(`what ${HEADER.processor} did with the cases`, () => {
  test("was recorded for exactly these forms", () => {
    expect(HEADER.casesPerForm, "the cases have changed: npm run record:cpu").toBe(CASES_PER_FORM);
    expect(HEADER.forms.map(({ name }) => name)).toEqual(RECORDED_FORMS.map(({ name }) => name));
    expect(HEADER.forms.length * HEADER.casesPerForm).toBeGreaterThanOrEqual(100_000);
  });

  const reader = new FixtureReader();
  const replay = new Replay();
  test.each(RECORDED_FORMS)("the engine does with $name", (form) => {
    const cases = casesOf(form);
    const differences = reader.next(cases).flatMap((processor, n) => {
      const one = cases[n] as Case;
      const [expected, got] = [processor, replay.run(one)].map(asText);
      return expected === got ? [] : [{ case: describeCase(one), processor: expected, engine: got }];
    });
    expect(differences.slice(0, 5)).toEqual([]);
  });
  test("and nothing is left over", () => expect(reader.isAtEnd).toBe(true));
});

test("no form of the opcode table is without cases or a test that is named", () => {
  const recorded = new Set(RECORDED_FORMS.map(({ name }) => name));
  const elsewhere = OPCODE_LINES.filter((line) => !recorded.has(nameOf(line))).map(
    (line) => [nameOf(line), testedElsewhere(line)] as const,
  );
  const missing = elsewhere.filter(
    ([, where]) =>
      where === undefined || (where.endsWith(".ts") && !existsSync(new URL(`../${where}`, import.meta.url))),
  );
  expect(missing).toEqual([]);
});

const hex = (value: number): string => (value >>> 0).toString(16);

function asText({ vector, taken, address, regs, eflags, data }: Outcome): string {
  const exception = vector < 0 ? "" : `exception ${vector}${address === 0 ? "" : ` at ${hex(address)}`} `;
  return `${exception}${taken ? "taken " : ""}flags ${hex(eflags & COMPARED_FLAGS)} regs ${regs.map(hex).join(" ")} data ${data.map(hex).join(" ")}`;
}

function describeCase({ code, regs, eflags, offset }: Case): string {
  const decoder = new Decoder(32, Uint8Array.from(code), 0);
  decoder.ip = BigInt(CODE);
  const formatter = new Formatter(FormatterSyntax.Intel);
  const instruction = decoder.decode();
  const text = formatter.format(instruction);
  for (const each of [instruction, formatter, decoder]) each.free();
  const bytes = code.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return `${text} (${bytes}) registers ${regs.map(hex).join(" ")} flags ${hex(eflags)} data at ${hex(offset)}`;
}
