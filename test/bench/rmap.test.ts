import { describe, expect, test } from "vitest";
import { expected } from "../../bench/rmap/expected.ts";
import { Ledger } from "../../bench/rmap/ledger.ts";
import { descriptorRemovals, siblingRemovals } from "../../bench/rmap/model.ts";
import { renderPlots } from "../../bench/rmap/svg.ts";
import { logLogSlope } from "../../bench/rmap/timing.ts";

describe("bench:rmap expects what the design note says", () => {
  test("of walks", () => {
    const lengths = [1, 2, 4, 5, 10, 100, 1000, 10_000, 100_000];
    expect(lengths.map(expected.walkVisits)).toEqual([
      0, 5, 14, 20, 65, 5150, 501_500, 50_015_000, 5_000_150_000,
    ]);
    expect(expected.walkLoads(130_072)).toBe(130_073);
    expect(expected.walkVisits(130_072)).toBeCloseTo(8.46e9, -7);
  });

  test("of building", () => {
    expect([1000, 10_000, 100_000].map(expected.buildHops)).toEqual([124_251, 12_492_501, 1_249_925_001]);
    const posted = [1000, 10_000, 100_000].map((n) => expected.buildLoads(n, Number.POSITIVE_INFINITY));
    expect(posted).toEqual([500_500, 50_005_000, 5_000_050_000]);
    expect(expected.buildLoads(1000, 0)).toBe(1000);
    expect([1, 2, 4, 5, 8, 9].map(expected.descriptors)).toEqual([0, 1, 1, 2, 2, 3]);
  });

  test("of removals, zaps and restarts", () => {
    expect(expected.oldestFirstVisits(1000)).toBe(1500);
    expect(expected.worstRemovals(1000)).toBe(500_500);
    expect(expected.worstRemovalHops(1000)).toBe(124_500);
    expect([1, 10, 100].map(expected.zapLoads)).toEqual([512, 2816, 25_856]);
    expect(expected.restartVisits(1000)).toBe(125_750);
    expect(expected.restartRemovals(1000)).toBe(125_250);
  });

  test("and the model without lists agrees with the formulas", () => {
    for (const n of [1, 2, 3, 4, 5, 6, 7, 8, 99]) {
      const entries = Array.from({ length: n }, (_, i) => i);
      const oldest = descriptorRemovals(entries, entries);
      expect(oldest).toEqual({ visits: expected.oldestFirstVisits(n), hops: 0 });
      expect(descriptorRemovals(entries, entries.toReversed())).toEqual({
        visits: expected.worstRemovals(n),
        hops: expected.worstRemovalHops(n),
      });
      expect(siblingRemovals(entries, entries)).toBe(expected.worstRemovals(n));
      expect(siblingRemovals(entries, entries.toReversed())).toBe(n);
    }
  });
});

test("a count that is not the expected one fails, one that was left out does not", () => {
  const ledger = new Ledger();
  expect(ledger.check("right", 1000, 1000)).toBe("1,000");
  expect(ledger.check("wrong", 1000, 1001)).toBe("1,001 (EXPECTED 1,000)");
  expect(ledger.calculated("left out", 5000)).toBe("5,000*");
  expect(ledger.failures.map(({ what }) => what)).toEqual(["wrong"]);
  expect(ledger.counted).toBe(2);
});

test("the slope of a square is 2", () => {
  expect(logLogSlope([1, 10, 100].map((n) => [n, 3 * n * n]))).toBeCloseTo(2, 12);
});

test("a plot has a mark for each point, hollow ones for what was calculated, and escapes its text", () => {
  const points = [
    { x: 1, y: 2, hollow: false },
    { x: 1000, y: 2_000_000, hollow: true },
  ];
  const svg = renderPlots(
    [
      {
        title: "a < b",
        xLabel: "N",
        series: [{ name: "one", mark: "square", points }],
        yTick: (exponent) => `1e${exponent}`,
      },
    ],
    "seen & told",
  );
  expect(svg.match(/<rect class="mark/g)).toHaveLength(3);
  expect(svg.match(/class="mark hollow"/g)).toHaveLength(1);
  expect(svg).toContain('points="62.0,337.7 440.0,92.6"');
  expect(svg).toContain("a &lt; b");
  expect(svg).toContain("<title>seen &amp; told</title>");
  expect(svg).toContain("prefers-color-scheme: dark");
});
