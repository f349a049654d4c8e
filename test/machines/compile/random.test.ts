import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Pair } from "./equivalence.ts";
import { randomChart, randomWalk } from "./random-charts.ts";

describe("random charts", () => {
  it("do compiled what they do interpreted, all along a random walk", () => {
    let steps = 0;
    let moves = 0;
    fc.assert(
      fc.property(randomChart, randomWalk, (chart, walk) => {
        const pair = new Pair(chart, { maxYes: 2 });
        let at = pair.compareInitial([], undefined);
        for (const { type, answers } of walk) {
          if (at === null || at.interpreted.status !== "active") break;
          const before = at.interpreted;
          at = pair.compare(at, { type }, answers);
          steps++;
          if (at !== null && at.interpreted !== before) moves++;
        }
      }),
      { numRuns: Number(process.env["UMBRA_RANDOM_CHARTS"] ?? 400) },
    );
    // The walks are worth something only if they move.
    expect(steps).toBeGreaterThan(1000);
    expect(moves / steps).toBeGreaterThan(0.2);
  });
});
