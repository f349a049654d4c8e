import { describe, expect, test } from "vitest";
import { ApicTimer, TimerMode } from "../../src/devices/apic-timer.ts";
import { FakeClock } from "./fake-clock.ts";

function bed(tscMHz = 1000) {
  const clock = new FakeClock();
  const expiries: number[] = [];
  const timer = new ApicTimer(clock, tscMHz, () => expiries.push(clock.nowNs()));
  clock.device = timer;
  return { clock, timer, expiries };
}

/** Intel SDM vol. 3, 10.5.4.1. */
describe("with a deadline", () => {
  function armed(deadline: bigint, tscMHz?: number) {
    const parts = bed(tscMHz);
    parts.timer.setMode(TimerMode.deadline);
    parts.timer.setDeadline(deadline);
    return parts;
  }

  test("it expires once, when the time-stamp counter is there, and the register is 0 then", () => {
    const { clock, timer, expiries } = armed(5000n);
    clock.runTo(4999);
    expect([expiries, timer.state.deadline]).toEqual([[], 5000n]);
    clock.runTo(100_000);
    expect([expiries, timer.state.deadline]).toEqual([[5000], 0n]);
  });
  test.each([
    [2400, 12_001n, 5001],
    [7, 5n, 715],
    [1000, 2n ** 63n, undefined],
  ])("a counter of %i MHz is at %i after %s ns", (tscMHz, deadline, ns) => {
    const { clock, expiries } = armed(deadline, tscMHz);
    clock.runTo(1e9);
    expect(expiries).toEqual(ns === undefined ? [] : [ns]);
  });
  test("one that has passed is met at once, 0 is none, and outside of the mode it is ignored", () => {
    const { clock, timer, expiries } = armed(0n);
    clock.runTo(700);
    timer.setDeadline(700n);
    expect(expiries).toEqual([700]);
    timer.setDeadline(900n);
    timer.setDeadline(0n);
    timer.setMode(TimerMode.once);
    timer.setDeadline(1000n);
    clock.runTo(2000);
    expect([expiries, timer.state.deadline]).toEqual([[700], 0n]);
  });
  test("there is no count, and leaving the mode disarms", () => {
    const { clock, timer, expiries } = armed(1000n);
    timer.setInitialCount(10);
    expect([timer.state.initialCount, timer.currentCount()]).toEqual([0, 0]);
    timer.setMode(TimerMode.periodic);
    clock.runTo(5000);
    expect([expiries, timer.state.deadline]).toEqual([[], 0n]);
  });
  test("a counter that software moves takes the deadline along, to and fro", () => {
    const { clock, timer, expiries } = armed(10_000n);
    clock.runTo(1000);
    timer.setTimestamp(9_000n);
    clock.runTo(1999);
    expect(expiries).toEqual([]);
    clock.runTo(2000);
    timer.setDeadline(20_000n);
    timer.setTimestamp(0n);
    clock.runTo(21_999);
    timer.setTimestamp(20_000n);
    expect(expiries).toEqual([2000, 21_999]);
  });
});

test("once and periodic go over into each other without a stop of the count", () => {
  const { clock, timer, expiries } = bed();
  timer.setDivide(0xb);
  timer.setInitialCount(100);
  clock.runTo(600);
  timer.setMode(TimerMode.periodic);
  expect(timer.currentCount()).toBe(40);
  clock.runTo(1600);
  expect([timer.currentCount(), expiries]).toEqual([40, [1000]]);
  timer.setMode(TimerMode.once);
  clock.runTo(9000);
  timer.setMode(TimerMode.periodic);
  expect([timer.currentCount(), timer.state.initialCount, expiries]).toEqual([0, 100, [1000, 2000]]);
});
