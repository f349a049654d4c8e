import { beforeEach, describe, expect, test } from "vitest";
import { restoreInto, snapshotOf } from "../../src/devices/device.ts";
import { I8254, PIT_HZ } from "../../src/devices/i8254.ts";
import { Port61 } from "../../src/devices/port61.ts";
import { nsOfTick } from "../../src/devices/ticks.ts";
import { FakeClock, Probe } from "./fake-clock.ts";

let clock: FakeClock;
let irq0: Probe;
let pit: I8254;
let port61: Port61;
let speaker: boolean[];

const out = (port: number, ...bytes: number[]) => {
  for (const byte of bytes) pit.writePort(port, 1, byte);
};
const inb = (port: number) => pit.readPort(port, 1);
const at = (tick: number) => nsOfTick(tick, PIT_HZ);

beforeEach(() => {
  clock = new FakeClock();
  irq0 = new Probe(clock);
  pit = new I8254(irq0, clock);
  clock.device = pit;
  speaker = [];
  port61 = new Port61(pit, clock, (on) => speaker.push(on));
});

describe("counter 0 and its interrupt", () => {
  test("nothing happens before it is programmed", () => {
    clock.run(1e9);
    expect(irq0.edges).toEqual([]);
    expect(clock.wheel.next()).toBeUndefined();
  });

  test("a periodic tick rises at exact clock pulses and does not drift", () => {
    out(0x43, 0x34);
    out(0x40, 4773 & 0xff, 4773 >> 8); // 250 Hz as Linux has it
    irq0.edges.length = 0;
    clock.runTo(60e9);
    const rises = irq0.rises();
    expect(rises.length).toBe(Math.floor((60 * PIT_HZ - 1) / 4773));
    expect(rises.map((_, index) => at(1 + 4773 * (index + 1)))).toEqual(rises);
    expect(irq0.edges.filter((edge) => !edge.level)[0]).toEqual({ level: false, ns: at(4773) });
  });

  test("a one-shot in mode 4 strobes once", () => {
    out(0x43, 0x38);
    out(0x40, 0xe8, 0x03);
    irq0.edges.length = 0;
    clock.run(1e9);
    expect(irq0.edges).toEqual([
      { level: false, ns: at(1001) },
      { level: true, ns: at(1002) },
    ]);
    expect(clock.wheel.next()).toBeUndefined();
  });

  test("a one-shot in mode 0 raises the line at terminal count and keeps it up", () => {
    out(0x43, 0x30);
    out(0x40, 0x64, 0x00);
    clock.run(1e9);
    expect(irq0.edges).toEqual([{ level: true, ns: at(101) }]);
  });

  test("an alarm that comes late still delivers an edge, and the next one is in time again", () => {
    out(0x43, 0x34);
    out(0x40, 0xe8, 0x03);
    irq0.edges.length = 0;
    clock.runLateTo(at(3500));
    expect(irq0.rises()).toEqual([at(3500)]);
    clock.runTo(at(4001));
    expect(irq0.rises()).toEqual([at(3500), at(4001)]);
  });

  test("reading the counter neither moves an edge nor adds one", () => {
    out(0x43, 0x34);
    out(0x40, 0xe8, 0x03);
    for (let tick = 0; tick < 5000; tick += 7) {
      clock.runTo(at(tick));
      out(0x43, 0x00);
      inb(0x40);
      inb(0x40);
    }
    expect(irq0.rises().slice(1)).toEqual([1001, 2001, 3001, 4001].map(at));
  });

  test("programming anew stops the old tick", () => {
    out(0x43, 0x34);
    out(0x40, 0xe8, 0x03);
    clock.runTo(at(500));
    out(0x43, 0x30);
    irq0.edges.length = 0;
    clock.run(1e9);
    expect(irq0.edges).toEqual([]);
  });

  test("a restored timer ticks at the same times", () => {
    out(0x43, 0x34);
    out(0x40, 0xe8, 0x03);
    clock.runTo(at(1500));
    const saved = snapshotOf(pit);
    const wheel = snapshotOf(clock.wheel);
    clock.runTo(at(9000));
    const first = irq0.rises().slice(2);
    out(0x43, 0x30);
    irq0.edges.length = 0;
    clock.ns = at(1500);
    restoreInto(pit, saved);
    restoreInto(clock.wheel, wheel);
    irq0.level = true;
    clock.runTo(at(9000));
    expect(irq0.rises()).toEqual(first);
  });
});

describe("counts", () => {
  test("a latched count stands still until it is read, then the live count goes on", () => {
    out(0x43, 0xb4);
    port61.writePort(0x61, 1, 1);
    out(0x42, 0xe8, 0x03);
    clock.runTo(at(101));
    out(0x43, 0x80);
    clock.runTo(at(201));
    out(0x43, 0x80);
    expect([inb(0x42), inb(0x42)]).toEqual([900 & 0xff, 900 >> 8]);
    expect([inb(0x42), inb(0x42)]).toEqual([800 & 0xff, 800 >> 8]);
  });

  test("low-byte and high-byte access move only their byte", () => {
    out(0x43, 0x14);
    out(0x40, 0x80);
    clock.runTo(at(1));
    expect(inb(0x40)).toBe(0x80);
    out(0x43, 0x24);
    out(0x40, 0x02);
    clock.runTo(at(3));
    expect(inb(0x40)).toBe(0x01);
    expect(inb(0x40)).toBe(0x01);
  });

  test("a BCD count counts in decimal", () => {
    out(0x43, 0x35);
    out(0x40, 0x00, 0x10);
    clock.runTo(at(2));
    out(0x43, 0x00);
    expect([inb(0x40), inb(0x40)]).toEqual([0x99, 0x09]);
  });

  test("a count of zero is the largest", () => {
    out(0x43, 0x34);
    out(0x40, 0, 0);
    irq0.edges.length = 0;
    clock.runTo(at(65536 + 1));
    expect(irq0.rises()).toEqual([at(65537)]);
  });

  test("read-back latches status and count of several counters at one instant, status first", () => {
    out(0x43, 0x34);
    out(0x40, 0xe8, 0x03);
    out(0x43, 0xb6);
    port61.writePort(0x61, 1, 1);
    out(0x42, 0xd0, 0x07);
    out(0x43, 0xea); // status of 0 and 2: count not yet loaded
    expect([inb(0x40), inb(0x42)]).toEqual([0xf4, 0xf6]);
    clock.runTo(at(11));
    out(0x43, 0xca);
    clock.runTo(at(50));
    expect([inb(0x40), inb(0x40), inb(0x40)]).toEqual([0xb4, 990 & 0xff, 990 >> 8]);
    expect([inb(0x42), inb(0x42), inb(0x42)]).toEqual([0xb6, 1980 & 0xff, 1980 >> 8]);
  });

  test("the control port reads all ones, and a wide access reaches port after port", () => {
    expect(inb(0x43)).toBe(0xff);
    out(0x43, 0x14);
    pit.writePort(0x40, 2, 0x1280);
    clock.runTo(at(1));
    expect(pit.readPort(0x40, 4) >>> 24).toBe(0xff);
    expect(inb(0x40)).toBe(0x80);
  });

  test("same time, same count, however often somebody looked before", () => {
    const count = (looks: number) => {
      const ownClock = new FakeClock();
      const own = new I8254(new Probe(), ownClock);
      ownClock.device = own;
      own.writePort(0x43, 1, 0x36);
      own.writePort(0x40, 1, 0x39);
      own.writePort(0x40, 1, 0x30);
      for (let look = 1; look <= looks; look++) {
        ownClock.runTo(Math.floor((7_654_321_987 * look) / looks));
        own.readPort(0x41, 1);
        own.writePort(0x43, 1, 0xe2);
      }
      own.readPort(0x40, 1);
      own.writePort(0x43, 1, 0x00);
      return own.readPort(0x40, 1) | (own.readPort(0x40, 1) << 8);
    };
    expect(count(1)).toBe(count(977));
  });
});

describe("port 0x61", () => {
  test("the gate starts counter 2 and its output shows in bit 5, as Linux calibrates by", () => {
    port61.writePort(0x61, 1, 0x01);
    out(0x43, 0xb0);
    out(0x42, 0x64, 0x00);
    expect(port61.readPort(0x61, 1) & 0x20).toBe(0);
    clock.runTo(at(100));
    expect(port61.readPort(0x61, 1) & 0x20).toBe(0);
    clock.runTo(at(101));
    expect(port61.readPort(0x61, 1) & 0x20).toBe(0x20);
  });

  test("without the gate counter 2 stands still", () => {
    out(0x43, 0xb0);
    out(0x42, 0x64, 0x00);
    clock.run(1e9);
    expect(port61.readPort(0x61, 1) & 0x20).toBe(0);
    port61.writePort(0x61, 1, 0x01);
    clock.run(at(101));
    expect(port61.readPort(0x61, 1) & 0x20).toBe(0x20);
  });

  test("the four control bits read back, the others cannot be written", () => {
    port61.writePort(0x61, 1, 0xff);
    expect(port61.readPort(0x61, 1)).toBe(0x0f);
    expect(port61.state.control).toBe(0x0f);
  });

  test("the refresh bit flips every eighteen clock pulses of the timer", () => {
    const flips: number[] = [];
    let last = 0;
    for (let ns = 0; ns < 100_000; ns++) {
      clock.ns = ns;
      const bit = port61.readPort(0x61, 1) & 0x10;
      if (bit !== last) flips.push(ns);
      last = bit;
    }
    expect(flips).toEqual([15086, 30172, 45258, 60343, 75429, 90515]);
  });

  test("connecting the speaker is told once", () => {
    for (const byte of [0x01, 0x03, 0x03, 0x00]) port61.writePort(0x61, 1, byte);
    expect(speaker).toEqual([true, false]);
  });
});
