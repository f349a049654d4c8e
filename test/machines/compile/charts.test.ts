import { describe, expect, it } from "vitest";
import { collectUses } from "../../../src/machines/compile/collect.ts";
import { ALL_CHARTS } from "../../../src/machines/index.ts";
import { proveEquivalent } from "./equivalence.ts";

describe.each(Object.entries(ALL_CHARTS))("the chart of %s", (_name, chart) => {
  it("does compiled what it does interpreted, in every state, on every event, whatever its guards say", () => {
    const proof = proveEquivalent(chart);
    expect(proof.transitions).toBeGreaterThan(0);
    expect(proof.unreached, "states that no event leads to").toEqual([]);
    expect(
      [...collectUses(chart).actions].filter((name) => !proof.acted.has(name)),
      "actions that never run",
    ).toEqual([]);
  });
});
