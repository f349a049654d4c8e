import { expect, test } from "vitest";
import { accuracyRows, INSTRUCTIONS, reductionLoss } from "./accuracy/table.ts";

const rows = accuracyRows();

test.each(INSTRUCTIONS.map(({ name }) => name))("%s is rounded as an exact result would be", (name) => {
  // Half a unit, and the thousandth by which distances are told.
  expect(rows.find((row) => row.name === name)?.engine).toBeLessThanOrEqual(0.501);
});

test.each(INSTRUCTIONS.map(({ name }) => name))(
  "%s of a real processor is the same, or one unit off",
  (name) => {
    const row = rows.find((one) => one.name === name);
    expect((row?.same ?? 0) + (row?.oneOff ?? 0)).toBe(row?.all);
  },
);

test("arguments are reduced by 66 bits of \u03c0: large ones lose what Intel's processors lose", () => {
  expect(reductionLoss(-3)).toBeLessThanOrEqual(0.501);
  expect(reductionLoss(20)).toBeGreaterThan(2 ** 16);
});
