import { describe, expect, test } from "vitest";
import { replayGroup, SYSTEM_GROUPS } from "./differences.ts";
import { STRIDE, SYSTEM_FORMS, systemFixtureOf } from "./fixtures.ts";

/** Instructions of system code, each with tables, rings, stacks and modes of its own. One case of so many; system.long.test.ts, and so `npm run test:cpu`, tries all. */

describe("the engine does what was recorded of system code", () => {
  test.each([...SYSTEM_GROUPS.keys()].sort())("opcode %s", (group) => {
    const found = replayGroup(group, STRIDE);
    expect(found.length, found.slice(0, 3).join("\n\n")).toBe(0);
  });
});

describe("the recorded cases of system code", () => {
  const records = SYSTEM_FORMS.flatMap((form) => systemFixtureOf(form)?.record ?? []);
  test("are at least 100 for every form", () => {
    expect(records.length).toBe(SYSTEM_FORMS.length);
    expect(records.filter(({ cases }) => cases < 100)).toEqual([]);
  });

  test("include ones that raise exceptions and ones that do not, of nearly every form", () => {
    const one = records.filter(({ faults, cases }) => faults === 0 || faults === cases);
    // Stores of a selector in a register: nothing can be refused.
    expect(
      one.filter(({ form }) => !/^(8C|0F 20 \/|0F 0[89]|FA|FB|9C)/.test(form)).map(({ form }) => form),
    ).toEqual([]);
  });
});
