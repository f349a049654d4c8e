import * as fc from "fast-check";
import { expect, test } from "vitest";
import { nsOfTick, ticksAt } from "../../src/devices/ticks.ts";

const frequency = fc.constantFrom(1_193_182, 32_768, 115_200, 1, 9_000_000);

test("a whole second has exactly the frequency's ticks, also after a hundred days", () => {
  expect(ticksAt(1_000_000_000, 1_193_182)).toBe(1_193_182);
  expect(ticksAt(999_999_999, 1_193_182)).toBe(1_193_181);
  expect(ticksAt(8_640_000 * 1_000_000_000, 1_193_182)).toBe(8_640_000 * 1_193_182);
});

test("ticks agree with unlimited integers", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 53 - 1 }), frequency, (ns, hz) => {
      expect(BigInt(ticksAt(ns, hz))).toBe((BigInt(ns) * BigInt(hz)) / 1_000_000_000n);
    }),
  );
});

test("a tick's time is the first nanosecond of that tick", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 40 }), frequency, (tick, hz) => {
      fc.pre(tick / hz < 9_000_000);
      const ns = nsOfTick(tick, hz);
      expect(ticksAt(ns, hz)).toBe(tick);
      expect(ticksAt(ns - 1, hz)).toBe(tick - 1);
    }),
  );
});
