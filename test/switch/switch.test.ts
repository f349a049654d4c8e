import { describe, expect, it } from "vitest";
import { RunQueue } from "../../src/switch/run-queue.ts";
import { Vcpu } from "../../src/switch/vcpu.ts";
import { TimeScaleError, VirtualTime } from "../../src/switch/virtual-time.ts";

const SCALE = { nsPerInstruction: 10, ioNs: 1000, tscMHz: 1000 };

function vcpu(index: number, alarm?: number): Vcpu {
  const made = new Vcpu({
    index,
    name: `v${index}`,
    scale: SCALE,
    alarms: { next: () => alarm },
    maxInstructions: Number.POSITIVE_INFINITY,
  });
  made.ready = true;
  return made;
}

describe("virtual time", () => {
  it("is retired instructions, port accesses and idle jumps", () => {
    let retired = 0;
    const time = new VirtualTime(() => retired, SCALE);
    retired = 7;
    time.spendIo(1);
    expect(time.nowNs()).toBe(1070);
    time.jumpTo(5000);
    expect(time.nowNs()).toBe(5000);
    time.jumpTo(4000);
    expect(time.nowNs()).toBe(5000);
  });

  it("tells exactly how many instructions are left until a moment", () => {
    const time = new VirtualTime(() => 5, SCALE);
    expect([40, 50, 51, 60, 61].map((ns) => time.instructionsUntil(ns))).toEqual([-1, 0, 1, 1, 2]);
  });

  it("gives a time-stamp counter of the set frequency, exact beyond 2^53", () => {
    const time = new VirtualTime(() => 0, { nsPerInstruction: 1, ioNs: 0, tscMHz: 3333 });
    expect(time.timestamp(1000)).toBe(3333n);
    const late = 2 ** 52;
    expect(time.timestamp(late)).toBe((BigInt(late) * 3333n) / 1000n);
  });

  it.each([
    [{ ...SCALE, nsPerInstruction: 0 }],
    [{ ...SCALE, nsPerInstruction: 0.5 }],
    [{ ...SCALE, ioNs: -1 }],
    [{ ...SCALE, tscMHz: 0 }],
  ])("refuses %j", (scale) => {
    expect(() => new VirtualTime(() => 0, scale)).toThrow(TimeScaleError);
  });
});

describe("the budget of a burst", () => {
  it("ends at whatever comes first: slice, alarm, limit or the embedder's pause", () => {
    const one = vcpu(0, 770);
    one.sliceEnd = 1000;
    expect(one.burstBudget()).toBe(77);
    one.set.maxInstructions = 50;
    expect(one.burstBudget()).toBe(50);
    one.set.pauseAt = 20;
    expect(one.burstBudget()).toBe(20);
    one.sliceEnd = 10;
    expect(one.burstBudget()).toBe(10);
  });

  it("is none when an alarm is due", () => {
    const one = vcpu(0, 0);
    one.sliceEnd = 1000;
    expect(one.burstBudget()).toBeLessThanOrEqual(0);
    expect(one.alarmDue).toBe(true);
  });

  it("never exceeds what the engine takes", () => {
    const one = vcpu(0);
    one.sliceEnd = 2 ** 40;
    expect(one.burstBudget()).toBe(2 ** 30);
  });
});

describe("the run queue", () => {
  it("goes round, whoever came when", () => {
    const queue = new RunQueue(100);
    const [a, b, c] = [vcpu(0), vcpu(1), vcpu(2)] as const;
    queue.add(a);
    expect(queue.choose()).toBe(a);
    queue.add(b);
    queue.add(c);
    expect([1, 2, 3, 4].map(() => queue.choose()?.index)).toEqual([1, 2, 0, 1]);
  });

  it("passes over those that cannot run", () => {
    const queue = new RunQueue(100);
    const all = [vcpu(0), vcpu(1), vcpu(2), vcpu(3)] as const;
    for (const one of all) queue.add(one);
    all[0].set.asleep = true;
    all[1].stopped = true;
    all[2].ready = false;
    expect([queue.choose(), queue.choose()]).toEqual([all[3], all[3]]);
    expect(queue.othersRunnable(all[3])).toBe(false);
    all[0].set.asleep = false;
    expect(queue.othersRunnable(all[3])).toBe(true);
  });

  it("keeps its turn when one is removed", () => {
    const queue = new RunQueue(100);
    const all = [vcpu(0), vcpu(1), vcpu(2)] as const;
    for (const one of all) queue.add(one);
    queue.choose();
    queue.choose();
    queue.remove(all[0]);
    expect(queue.choose()).toBe(all[2]);
    queue.remove(all[1]);
    queue.remove(all[2]);
    expect(queue.choose()).toBeUndefined();
    expect(queue.hasRunnable).toBe(false);
  });

  it("refuses a slice that is no number of instructions", () => {
    expect(() => new RunQueue(0)).toThrow(RangeError);
  });
});
