import { describe, expect, test } from "vitest";
import { IoApic, pinOfLine } from "../../src/devices/io-apic.ts";
import type { ApicDestination, ApicMessage } from "../../src/devices/local-apic.ts";

const LEVEL = 1 << 15;
const MASKED = 1 << 16;

function bed() {
  const sent: (ApicMessage & ApicDestination)[] = [];
  const io = new IoApic(9, (message, to) => sent.push({ ...message, ...to }));
  const register = (select: number, value?: number): number => {
    io.write(0, select);
    if (value !== undefined) io.write(0x10, value);
    return io.read(0x10);
  };
  const entry = (pin: number, low: number, high = 0): void => {
    register(0x11 + 2 * pin, high);
    register(0x10 + 2 * pin, low);
  };
  return { io, sent, register, entry };
}

test("identifies itself, and holds its redirection table, masked at power-on", () => {
  const { register } = bed();
  expect([register(0), register(1), register(0x10), register(0x3f)]).toEqual([
    0x09000000,
    0x170020,
    MASKED,
    0,
  ]);
  expect([register(0x12, 0xffffffff), register(0x13, 0x12345678), register(0x40)]).toEqual([
    0x1afff & ~0x1000,
    0x12000000,
    0,
  ]);
});

test("the timer of the ISA bus is at pin 2", () => {
  expect([0, 1, 9, 15].map(pinOfLine)).toEqual([2, 1, 9, 15]);
});

describe("an edge-triggered pin", () => {
  test("sends on each rise while it is not masked; what came masked is lost", () => {
    const { io, sent, entry } = bed();
    io.setPin(4, true);
    entry(4, 0x34, 0x01000000);
    expect(sent).toEqual([]);
    io.setPin(4, false);
    io.setPin(4, true);
    io.setPin(4, true);
    expect(sent).toEqual([
      { mode: 0, vector: 0x34, level: false, destination: 1, logical: false, shorthand: "none" },
    ]);
  });
});

describe("a level-triggered pin", () => {
  test("sends once until its EOI, and again if it is still high then", () => {
    const { io, sent, entry, register } = bed();
    io.setPin(10, true);
    entry(10, 0x5a | LEVEL | (1 << 11), 0x03000000);
    expect([sent.length, sent[0]?.level, sent[0]?.logical]).toEqual([1, true, true]);
    expect(register(0x10 + 20) & (1 << 14)).not.toBe(0);
    io.endOfInterrupt(0x5b);
    expect(sent.length).toBe(1);
    io.endOfInterrupt(0x5a);
    expect(sent.length).toBe(2);
    io.setPin(10, false);
    io.endOfInterrupt(0x5a);
    expect([sent.length, register(0x10 + 20) & (1 << 14)]).toEqual([2, 0]);
  });
  test("waits while it is masked", () => {
    const { io, sent, entry } = bed();
    entry(10, 0x5a | LEVEL | MASKED);
    io.setPin(10, true);
    expect(sent).toEqual([]);
    entry(10, 0x5a | LEVEL);
    expect(sent.length).toBe(1);
  });
});
