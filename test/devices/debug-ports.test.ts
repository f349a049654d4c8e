import { expect, test } from "vitest";
import { DebugConsole } from "../../src/devices/debug-console.ts";
import { DebugExit } from "../../src/devices/debug-exit.ts";

test("the debug console sends what is written and reads as its own number", () => {
  const sent: number[] = [];
  const console = new DebugConsole((byte) => sent.push(byte));
  console.writePort(0xe9, 1, 0x141);
  expect([sent, console.readPort(0xe9, 1), console.readPort(0xe9, 2)]).toEqual([[0x41], 0xe9, 0xffe9]);
});

test("the debug console takes bytes from other ports as well", () => {
  const sent: number[] = [];
  const console = new DebugConsole((byte) => sent.push(byte), [0x3bc]);
  console.writePort(0x3bc, 1, 0x42);
  expect([sent, console.readPort(0x3bc, 1), console.ports]).toEqual([
    [0x42],
    0xff,
    [
      { first: 0xe9, count: 1 },
      { first: 0x3bc, count: 1 },
    ],
  ]);
});

test.each([
  [0, 1],
  [1, 3],
  [0x10, 0x21],
  [0xff, 0xff],
])("debug exit of %i is exit code %i, as QEMU's", (value, code) => {
  const exits: number[] = [];
  new DebugExit((each) => exits.push(each)).writePort(0xf4, 1, value);
  expect(exits).toEqual([code]);
});
