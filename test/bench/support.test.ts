import { describe, expect, it } from "vitest";
import { BenchUsageError, benchOptions, chosenFrom, countOption } from "../../bench/support/options.ts";
import { median, medianOf } from "../../bench/support/statistics.ts";
import { renderTable } from "../../bench/support/table.ts";

describe("the median", () => {
  it("is the middle of an odd number of values, in any order", () => {
    expect(median([9, 1, 5])).toBe(5);
  });

  it("is the mean of the two in the middle of an even number", () => {
    expect(median([10, 1, 2, 4])).toBe(3);
  });

  it("does not change the list", () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
  });

  it("of nothing is an error", () => {
    expect(() => median([])).toThrow(RangeError);
  });

  it("of a property leaves out items that do not have it", () => {
    const items = [{ ms: 1 }, {}, { ms: 4 }];
    expect(medianOf(items, (item) => item.ms)).toBe(2.5);
    expect(medianOf([{}], () => undefined)).toBeUndefined();
  });
});

describe("a table", () => {
  it("has its first column to the left and the others to the right, and dashes for what is missing", () => {
    const rows = [
      ["sieve", 12.5, undefined],
      ["sha", 3, "1.00"],
    ];
    expect(renderTable(["kernel", "MIPS", "ratio"], rows)).toBe(
      ["kernel  MIPS  ratio", "------  ----  -----", "sieve   12.5      -", "sha        3   1.00"].join("\n"),
    );
  });
});

describe("a benchmark's options", () => {
  const command = { usage: "usage\n", values: { rounds: "3", only: undefined } };

  it("are their defaults when not given", () => {
    expect(benchOptions(command, ["--only", "a"])).toEqual({ rounds: "3", only: "a" });
  });

  it("that are not known are an error of use", () => {
    expect(() => benchOptions(command, ["--round", "4"])).toThrow(BenchUsageError);
  });

  it("that count must be whole and at least 1", () => {
    expect(countOption("rounds", "7")).toBe(7);
    for (const text of ["0", "-1", "1.5", "many", ""])
      expect(() => countOption("rounds", text)).toThrow(BenchUsageError);
  });

  it("that choose must name what there is", () => {
    expect(chosenFrom("only", undefined, ["a", "b"])).toEqual(["a", "b"]);
    expect(chosenFrom("only", "b", ["a", "b"])).toEqual(["b"]);
    expect(() => chosenFrom("only", "a,c", ["a", "b"])).toThrow(/no "c"; there are: a, b/);
  });
});
