import { expect, test } from "vitest";
import { A20Gate } from "../../src/devices/a20-gate.ts";
import { I8042 } from "../../src/devices/i8042.ts";
import { Port92 } from "../../src/devices/port92.ts";

function make() {
  const moves: boolean[] = [];
  let resets = 0;
  const gate = new A20Gate((open) => moves.push(open));
  const reset = () => {
    resets++;
  };
  const port92 = new Port92(gate, reset);
  const kbc = new I8042({ irq: { set: () => {} }, reset, a20: gate });
  return { port92, kbc, moves, resets: () => resets };
}

test("shows the gate as whoever moved it last left it, and keeps the other bits", () => {
  const { port92, kbc, moves } = make();
  expect(port92.readPort(0x92, 1)).toBe(0x02);
  port92.writePort(0x92, 1, 0x80);
  expect([port92.readPort(0x92, 1), port92.readPort(0x92, 2)]).toEqual([0x80, 0xff80]);
  kbc.writePort(0x64, 1, 0xdf);
  expect(port92.readPort(0x92, 1)).toBe(0x82);
  port92.writePort(0x92, 1, 0x00);
  kbc.writePort(0x64, 1, 0xd0);
  expect(kbc.readPort(0x60, 1) & 0x02).toBe(0);
  expect(moves).toEqual([false, true, false]);
});

test("resets at the rise of bit 0, not while it stays", () => {
  const { port92, resets } = make();
  port92.writePort(0x92, 1, 0x03);
  port92.writePort(0x92, 1, 0x03);
  expect([resets(), port92.readPort(0x92, 1)]).toEqual([1, 0x03]);
});
