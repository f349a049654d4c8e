import { expect, test } from "vitest";
import { isaBridge } from "../../src/devices/pci/chipset.ts";
import { PirqRouter, pirqOfSlot } from "../../src/devices/pci/pirq-router.ts";

function rig() {
  const bridge = isaBridge();
  const levels = new Map<number, boolean>();
  const log: string[] = [];
  const router = new PirqRouter(bridge, (line) => ({
    set: (level) => {
      if ((levels.get(line) ?? false) !== level) log.push(`${line} ${level ? "high" : "low"}`);
      levels.set(line, level);
    },
  }));
  return { bridge, router, log };
}

test("pins are led to the lines of firmware, and share them", () => {
  const { router, log } = rig();
  const [a, b, c] = [0, 1, 2].map((input) => router.pin(input));
  a?.set(true);
  b?.set(true);
  a?.set(false);
  c?.set(true);
  b?.set(false);
  expect(log).toEqual(["10 high", "11 high", "10 low"]);
});

test("a register that is written moves a pin that is high", () => {
  const { bridge, router, log } = rig();
  const pin = router.pin(1);
  pin.set(true);
  bridge.write(0x61, 1, 5);
  bridge.write(0x60, 4, 0x80808080);
  bridge.write(0x60, 4, 0x0b0b090b);
  pin.set(false);
  expect(log).toEqual(["10 high", "10 low", "5 high", "5 low", "9 high", "9 low"]);
});

test("lines of the board's own devices cannot be chosen", () => {
  const { bridge, router, log } = rig();
  const pin = router.pin(0);
  bridge.write(0x60, 1, 0x80);
  pin.set(true);
  for (const line of [0, 1, 2, 8, 13]) bridge.write(0x60, 1, line);
  expect(log).toEqual([]);
});

test("slots take the inputs in turn, the first one the last", () => {
  expect([0, 1, 2, 3, 4, 5].map(pirqOfSlot)).toEqual([3, 0, 1, 2, 3, 0]);
});
