import * as fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { restoreInto, snapshotOf } from "../../src/devices/device.ts";
import { Mc146818 } from "../../src/devices/mc146818.ts";
import { decodeTime, encodeTime, secondsToAlarm } from "../../src/devices/rtc-calendar.ts";
import { nsOfTick } from "../../src/devices/ticks.ts";
import { FakeClock, Probe } from "./fake-clock.ts";

const A = 0x0a;
const B = 0x0b;
const C = 0x0c;
const D = 0x0d;
const SECOND = 1e9;
const MIB = 1024 * 1024;

let clock: FakeClock;
let irq: Probe;
let rtc: Mc146818;

const make = (options: { epochSeconds?: number; memoryBytes?: number } = {}) => {
  clock = new FakeClock();
  irq = new Probe(clock);
  rtc = new Mc146818({ irq, clock, memoryBytes: 128 * MIB, ...options });
  clock.device = rtc;
};
const read = (index: number) => {
  rtc.writePort(0x70, 1, index);
  return rtc.readPort(0x71, 1);
};
const write = (index: number, byte: number) => {
  rtc.writePort(0x70, 1, index);
  rtc.writePort(0x71, 1, byte);
};
/** Seconds, minutes, hours, weekday, day, month, year, century. */
const time = () => [0, 2, 4, 6, 7, 8, 9, 0x32].map(read);
const epoch = (text: string) => Date.parse(`${text}Z`) / 1000;

beforeEach(() => make());

describe("time", () => {
  test("begins at the start of 2026 in BCD and 24 hours, a Thursday", () => {
    expect(time()).toEqual([0x00, 0x00, 0x00, 5, 0x01, 0x01, 0x26, 0x20]);
  });

  test("follows virtual time", () => {
    clock.runTo((86_400 * 58 + 3600 * 13 + 60 * 59 + 58) * SECOND + 999_999_999);
    expect(time()).toEqual([0x58, 0x59, 0x13, 7, 0x28, 0x02, 0x26, 0x20]);
  });

  test("a leap year has its day", () => {
    make({ epochSeconds: epoch("2024-02-28T23:59:59") });
    clock.runTo(SECOND);
    expect(time()).toEqual([0, 0, 0, 5, 0x29, 0x02, 0x24, 0x20]);
  });

  test("the century turns with its year", () => {
    make({ epochSeconds: epoch("1999-12-31T23:59:59") });
    expect(time().slice(6)).toEqual([0x99, 0x19]);
    clock.runTo(SECOND);
    expect(time()).toEqual([0, 0, 0, 7, 0x01, 0x01, 0x00, 0x20]);
  });

  test("in binary and twelve hours it reads so, with midnight and noon as 12", () => {
    make({ epochSeconds: epoch("2026-10-11T00:30:45") });
    write(B, 0x04);
    expect(time()).toEqual([45, 30, 12, 1, 11, 10, 26, 20]);
    clock.runTo(12 * 3600 * SECOND);
    expect(read(4)).toBe(12 | 0x80);
    clock.runTo(23 * 3600 * SECOND);
    expect(read(4)).toBe(11 | 0x80);
    write(B, 0x00);
    expect(read(4)).toBe(0x11 | 0x80);
  });

  test("setting the time as Linux does, with SET and the divider in reset, starts it half a second before an update", () => {
    clock.runTo(12.3 * SECOND);
    write(B, 0x82);
    write(A, 0x76);
    const values: [number, number][] = [
      [0, 0x56],
      [2, 0x34],
      [4, 0x12],
      [7, 0x17],
      [8, 0x08],
      [9, 0x31],
    ];
    for (const [index, byte] of values) write(index, byte);
    clock.run(5 * SECOND);
    expect(read(0)).toBe(0x56);
    write(B, 0x02);
    write(A, 0x26);
    expect(time()).toEqual([0x56, 0x34, 0x12, 5, 0x17, 0x08, 0x31, 0x20]);
    clock.run(0.5 * SECOND - 1);
    expect(read(0)).toBe(0x56);
    clock.run(1);
    expect(read(0)).toBe(0x57);
    clock.run(SECOND);
    expect(read(0)).toBe(0x58);
  });

  test("SET alone stops the registers but not the phase of the seconds", () => {
    clock.runTo(1.25 * SECOND);
    write(B, 0x82);
    clock.runTo(7.5 * SECOND);
    expect(read(0)).toBe(0x01);
    write(B, 0x02);
    expect(read(0)).toBe(0x01);
    clock.runTo(8 * SECOND);
    expect(read(0)).toBe(0x02);
  });

  test("a register written while the clock runs changes only that part", () => {
    clock.runTo(10.5 * SECOND);
    write(4, 0x23);
    expect(time()).toEqual([0x10, 0x00, 0x23, 5, 0x01, 0x01, 0x26, 0x20]);
    write(6, 1);
    expect(read(6)).toBe(1);
    clock.runTo(3600 * SECOND);
    expect(read(6)).toBe(2);
  });

  test("nonsense in the registers carries over instead of failing", () => {
    write(B, 0x82);
    write(8, 0xff);
    write(7, 0x00);
    write(4, 0x99);
    write(6, 0xff);
    write(B, 0x02);
    for (const value of time()) expect(value).toBeLessThan(0x100);
    expect(Number.isFinite(rtc.seconds())).toBe(true);
  });

  test("an update is announced 2228 us before the second turns, and not while the clock is stopped", () => {
    clock.ns = SECOND - 2_228_001;
    expect(read(A)).toBe(0x26);
    clock.ns = SECOND - 2_228_000;
    expect(read(A)).toBe(0xa6);
    write(B, 0x82);
    expect(read(A)).toBe(0x26);
    write(B, 0x02);
    clock.ns = SECOND;
    expect(read(A)).toBe(0x26);
    expect(read(0)).toBe(0x01);
  });
});

describe("interrupts", () => {
  test("the update-ended interrupt comes with each second, once until register C is read", () => {
    clock.runTo(0.5 * SECOND);
    write(B, 0x12);
    clock.runTo(3.5 * SECOND);
    expect(irq.rises()).toEqual([SECOND]);
    expect(read(C) & 0xf0).toBe(0xd0);
    expect(irq.level).toBe(false);
    expect(read(C)).toBe(0);
    clock.runTo(4 * SECOND);
    expect(irq.rises()).toEqual([SECOND, 4 * SECOND]);
  });

  test.each([
    [3, 4],
    [6, 32],
    [15, 16384],
    [1, 128],
    [2, 256],
  ])("rate %i gives a periodic interrupt every %i crystal cycles, without drift", (rate, cycles) => {
    write(A, 0x20 | rate);
    write(B, 0x42);
    const expected: number[] = [];
    for (let n = 1; n <= 50; n++) {
      const at = nsOfTick(n * cycles, 32_768);
      expected.push(at);
      clock.runTo(at);
      expect(read(C) & 0xc0).toBe(0xc0);
    }
    expect(irq.rises()).toEqual(expected);
  });

  test("rate 0 gives none", () => {
    write(A, 0x20);
    write(B, 0x42);
    clock.run(10 * SECOND);
    expect(irq.edges).toEqual([]);
    expect(read(C) & 0x40).toBe(0);
  });

  test("the alarm rings at its time of day, and again a day later", () => {
    write(1, 0x30);
    write(3, 0x15);
    write(5, 0x06);
    write(B, 0x22);
    const at = (6 * 3600 + 15 * 60 + 30) * SECOND;
    clock.runTo(at);
    expect(irq.rises()).toEqual([at]);
    expect(read(C) & 0xa0).toBe(0xa0);
    clock.runTo(at + 86_400 * SECOND);
    expect(irq.rises()).toEqual([at, at + 86_400 * SECOND]);
  });

  test("alarm bytes from 0xC0 on match everything", () => {
    write(1, 0x05);
    write(3, 0xff);
    write(5, 0xc0);
    write(B, 0x22);
    clock.runTo(5 * SECOND);
    read(C);
    clock.runTo(65 * SECOND);
    expect(irq.rises()).toEqual([5 * SECOND, 65 * SECOND]);
  });

  test("an alarm that is no time never rings and arms nothing", () => {
    write(5, 0x77);
    write(B, 0x22);
    expect(clock.wheel.next()).toBeUndefined();
  });

  test("flags are set without their interrupts being enabled, and enabling one then raises the line at once", () => {
    clock.runTo(1.5 * SECOND);
    expect(irq.level).toBe(false);
    write(B, 0x12);
    expect(irq.level).toBe(true);
    expect(read(C) & 0xd0).toBe(0xd0);
  });

  test("with nothing enabled no alarm is armed, and with one raised neither", () => {
    expect(clock.wheel.next()).toBeUndefined();
    write(B, 0x12);
    expect(clock.wheel.next()).toBe(SECOND);
    clock.runTo(SECOND);
    expect(clock.wheel.next()).toBeUndefined();
  });

  test("SET clears the update interrupt's enable and stops updates, but not the periodic ones", () => {
    write(B, 0x52);
    write(B, 0xd2);
    expect(read(B)).toBe(0xc2);
    clock.runTo(5 * SECOND);
    expect(read(C) & 0x70).toBe(0x40);
  });

  test("the divider in reset stops everything", () => {
    write(A, 0x66);
    write(B, 0x72);
    clock.runTo(5 * SECOND);
    expect(irq.edges).toEqual([]);
    expect(read(C)).toBe(0);
  });
});

describe("memory", () => {
  test("the firmware's bytes tell the size of the memory", () => {
    const word = (index: number) => read(index) | (read(index + 1) << 8);
    expect([word(0x15), word(0x17), word(0x30), word(0x34)]).toEqual([640, 0xffff, 0xffff, 1792]);
    make({ memoryBytes: 16 * MIB });
    expect([word(0x15), word(0x17), word(0x30), word(0x34)]).toEqual([640, 15360, 15360, 0]);
    make({ memoryBytes: MIB / 4 });
    expect([word(0x15), word(0x17)]).toEqual([256, 0]);
  });

  test("the other bytes keep what is written, C and D do not", () => {
    write(0x40, 0x5a);
    write(0x0f, 0x0a);
    write(C, 0xff);
    write(D, 0x00);
    expect([read(0x40), read(0x0f), read(C), read(D)]).toEqual([0x5a, 0x0a, 0x00, 0x80]);
  });

  test("bit 7 of the index masks NMIs and is no part of the index", () => {
    expect(read(0x80 | D)).toBe(0x80);
    expect(rtc.state.nmiMasked).toBe(true);
    read(D);
    expect(rtc.state.nmiMasked).toBe(false);
    expect(rtc.readPort(0x70, 1)).toBe(0xff);
  });

  test("a word write sets index and data at once", () => {
    rtc.writePort(0x70, 2, 0x7740);
    expect(read(0x40)).toBe(0x77);
  });
});

test("a restored clock shows the same time and rings at the same time", () => {
  write(B, 0x82);
  const saved = snapshotOf(rtc);
  write(0, 0x33);
  write(B, 0x12);
  clock.runTo(9.5 * SECOND);
  restoreInto(rtc, saved);
  expect(read(0)).toBe(0x00);
  expect(read(B)).toBe(0x82);
  const running = snapshotOf(rtc);
  write(B, 0x02);
  const going = snapshotOf(rtc);
  restoreInto(rtc, running);
  restoreInto(rtc, going);
  clock.runTo(10 * SECOND);
  expect(read(0)).toBe(0x01);
});

test("time bytes in every format come back to the same second", () => {
  const format = fc.record({ binary: fc.boolean(), hours24: fc.boolean() });
  fc.assert(
    fc.property(
      fc.integer({ min: epoch("1900-01-01T00:00:00"), max: epoch("2099-12-31T23:59:59") }),
      fc.integer({ min: 0, max: 6 }),
      format,
      (seconds, weekdayShift, how) => {
        expect(decodeTime(encodeTime(seconds, weekdayShift, how), how)).toEqual({ seconds, weekdayShift });
      },
    ),
  );
});

test("the next alarm is the one that trying every second finds", () => {
  const any = fc.constantFrom(0xc0, 0xff);
  const pattern = fc.record({
    seconds: fc.oneof(any, fc.integer({ min: 0, max: 61 })),
    minutes: fc.oneof(any, fc.integer({ min: 0, max: 61 })),
    hours: fc.oneof(any, fc.integer({ min: 0, max: 25 })),
  });
  const format = { binary: true, hours24: true };
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 86_399 }), pattern, (from, alarm) => {
      const fits = (byte: number, value: number) => byte >= 0xc0 || byte === value;
      let expected: number | undefined;
      for (let delta = 1; delta <= 86_400 && expected === undefined; delta++) {
        const at = (from + delta) % 86_400;
        const matches =
          fits(alarm.seconds, at % 60) &&
          fits(alarm.minutes, Math.floor(at / 60) % 60) &&
          fits(alarm.hours, Math.floor(at / 3600));
        if (matches) expected = delta;
      }
      expect(secondsToAlarm(from, alarm, format)).toBe(expected);
    }),
    { numRuns: 60 },
  );
});
