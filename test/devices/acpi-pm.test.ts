import { expect, test } from "vitest";
import { AcpiPm } from "../../src/devices/acpi-pm.ts";
import { FakeClock } from "./fake-clock.ts";

function bed() {
  const clock = new FakeClock();
  let off = 0;
  const pm = new AcpiPm(clock, () => off++);
  return { clock, pm, off: () => off };
}

test("the timer counts at 3.579545 MHz and wraps at 24 bits", () => {
  const { clock, pm } = bed();
  clock.runTo(1e9);
  expect(pm.readPort(0x608, 4)).toBe(3_579_545);
  clock.runTo(5e9);
  expect(pm.readPort(0x608, 4)).toBe((5 * 3_579_545) % 0x1000000);
});

test("only a sleep of type 0 with SLP_EN switches off; SCI_EN stays", () => {
  const { pm, off } = bed();
  pm.writePort(0x604, 2, 0);
  pm.writePort(0x604, 2, (3 << 10) | (1 << 13));
  expect([off(), pm.readPort(0x604, 2)]).toEqual([0, (3 << 10) | 1]);
  pm.writePort(0x604, 2, 1 << 13);
  expect(off()).toBe(1);
});

test("enables are held, nothing ever happens", () => {
  const { pm } = bed();
  pm.writePort(0x602, 2, 0xffff);
  expect([pm.readPort(0x600, 2), pm.readPort(0x602, 2)]).toEqual([0, 0x721]);
});
