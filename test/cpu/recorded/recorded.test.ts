import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { asSystemCode, type Elsewhere, onlyAsSystemCode, testedElsewhere } from "./elsewhere.ts";
import { fixtureOf } from "./fixtures.ts";
import { FORMS } from "./forms.ts";
import { recordedDifferences, recordedGroups } from "./recorded-differences.ts";
import { Replay } from "./replay.ts";
import { RECORDED_FORMS } from "./selection.ts";
import { systemFixtureOf } from "./system/fixtures.ts";

/** Here one case of so many is tried; recorded.long.test.ts, and so `npm run test:cpu`, tries all. */
const STRIDE = 4;
const replay = new Replay();
const groups = recordedGroups();

describe("the engine does what was recorded", () => {
  test.each([...groups.keys()].sort())("opcode %s", (group) => {
    const found = (groups.get(group) ?? []).flatMap((form) => recordedDifferences(form, replay, STRIDE));
    expect(found.length, found.join("\n\n")).toBe(0);
  });
});

function exists({ file, test: name }: Elsewhere): boolean {
  const url = new URL(`../${file}`, import.meta.url);
  return existsSync(url) && readFileSync(url, "utf8").includes(name);
}

describe("the recorded cases", () => {
  test("are at least 100,000", () => {
    const counts = RECORDED_FORMS.map((form) => fixtureOf(form)?.record.cases ?? 0);
    expect(counts.reduce((sum, n) => sum + n, 0)).toBeGreaterThanOrEqual(100_000);
  });

  test("are there for every form that no other test has, and those tests exist by name", () => {
    const untested = FORMS.filter((form) => {
      const elsewhere = testedElsewhere(form);
      if (elsewhere !== undefined) return !exists(elsewhere);
      if (asSystemCode(form) && systemFixtureOf(form) === undefined) return true;
      return !onlyAsSystemCode(form) && fixtureOf(form) === undefined;
    });
    expect(untested.map(({ name }) => name)).toEqual([]);
  });

  test("have names of their own", () => {
    const names = FORMS.map(({ name }) => name);
    expect(names.filter((name, n) => names.indexOf(name) !== n)).toEqual([]);
  });

  test("include ones that raise exceptions, of every form that can", () => {
    const faulting = RECORDED_FORMS.filter((form) => (fixtureOf(form)?.record.faults ?? 0) > 0);
    const inMemory = RECORDED_FORMS.filter(
      ({ rm, line }) => rm === "mem" && !/^(lea|nop)$/.test(line.mnemonic),
    );
    expect(inMemory.filter((form) => !faulting.includes(form)).map(({ name }) => name)).toEqual([]);
  });
});
