import * as fc from "fast-check";
import { expect, test } from "vitest";
import { restoreInto, snapshotOf } from "../../src/devices/device.ts";
import { TimerWheel } from "../../src/devices/timer-wheel.ts";

test("alarms fire in the order of their times", () => {
  const wheel = new TimerWheel();
  wheel.arm("b", 20);
  wheel.arm("a", 10);
  wheel.arm("c", 30);
  expect(wheel.next()).toBe(10);
  expect(wheel.popDue(25)).toEqual({ key: "a", atNs: 10 });
  expect(wheel.popDue(25)).toEqual({ key: "b", atNs: 20 });
  expect(wheel.popDue(25)).toBeUndefined();
  expect(wheel.next()).toBe(30);
});

test("alarms of one time fire in the order of arming", () => {
  const wheel = new TimerWheel();
  for (const key of ["first", "second", "third"]) wheel.arm(key, 5);
  expect([wheel.popDue(5), wheel.popDue(5), wheel.popDue(5)].map((alarm) => alarm?.key)).toEqual([
    "first",
    "second",
    "third",
  ]);
});

test("arming again replaces the alarm and queues it behind its equals", () => {
  const wheel = new TimerWheel();
  wheel.arm("a", 5);
  wheel.arm("b", 5);
  wheel.arm("a", 5);
  expect(wheel.popDue(5)?.key).toBe("b");
  expect(wheel.popDue(5)?.key).toBe("a");
  expect(wheel.next()).toBeUndefined();
});

test("a cancelled alarm does not fire, and cancelling tells whether there was one", () => {
  const wheel = new TimerWheel();
  wheel.arm("a", 5);
  expect(wheel.dueAt("a")).toBe(5);
  expect(wheel.cancel("a")).toBe(true);
  expect(wheel.cancel("a")).toBe(false);
  expect(wheel.popDue(100)).toBeUndefined();
});

test("a restored wheel fires what the saved one would have fired", () => {
  const wheel = new TimerWheel();
  wheel.arm("a", 5);
  wheel.arm("b", 5);
  const saved = snapshotOf(wheel);
  wheel.popDue(5);
  wheel.arm("c", 1);
  restoreInto(wheel, saved);
  expect([wheel.popDue(9)?.key, wheel.popDue(9)?.key, wheel.popDue(9)]).toEqual(["a", "b", undefined]);
});

test("any sequence of arming, cancelling and firing agrees with a stable-sorted list", () => {
  const key = fc.constantFrom("a", "b", "c", "d", "e");
  const operation = fc.oneof(
    fc.record({ what: fc.constant("arm" as const), key, at: fc.integer({ min: 0, max: 8 }) }),
    fc.record({ what: fc.constant("cancel" as const), key, at: fc.constant(0) }),
    fc.record({ what: fc.constant("pop" as const), key, at: fc.integer({ min: 0, max: 8 }) }),
  );
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
      const wheel = new TimerWheel();
      let list: { key: string; atNs: number }[] = [];
      for (const { what, key, at } of operations) {
        if (what === "arm") {
          wheel.arm(key, at);
          list = [...list.filter((alarm) => alarm.key !== key), { key, atNs: at }];
          list.sort((a, b) => a.atNs - b.atNs);
        } else if (what === "cancel") {
          expect(wheel.cancel(key)).toBe(list.some((alarm) => alarm.key === key));
          list = list.filter((alarm) => alarm.key !== key);
        } else {
          const expected = list[0] !== undefined && list[0].atNs <= at ? list.shift() : undefined;
          expect(wheel.popDue(at)).toEqual(expected);
        }
        expect(wheel.next()).toBe(list[0]?.atNs);
      }
    }),
  );
});
