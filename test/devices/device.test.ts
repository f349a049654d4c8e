import { expect, test } from "vitest";
import { allOnes, readAsBytes, restoreInto, snapshotOf, writeAsBytes } from "../../src/devices/device.ts";

test("a wide read of a byte-wide device reads consecutive ports, lowest port in the lowest byte", () => {
  const seen: number[] = [];
  const value = readAsBytes(0x10, 4, (port) => {
    seen.push(port);
    return 0xf0 | (port & 0xf);
  });
  expect(seen).toEqual([0x10, 0x11, 0x12, 0x13]);
  expect(value).toBe(0xf3f2f1f0);
});

test("a wide write reaches consecutive ports, lowest byte first", () => {
  const seen: [number, number][] = [];
  writeAsBytes(0x20, 2, 0xaa55, (port, byte) => seen.push([port, byte]));
  writeAsBytes(0x20, 4, 0xffeeddcc, (port, byte) => seen.push([port, byte]));
  expect(seen).toEqual([
    [0x20, 0x55],
    [0x21, 0xaa],
    [0x20, 0xcc],
    [0x21, 0xdd],
    [0x22, 0xee],
    [0x23, 0xff],
  ]);
});

test("an access at the last port wraps to port 0", () => {
  const seen: number[] = [];
  readAsBytes(0xffff, 2, (port) => seen.push(port));
  expect(seen).toEqual([0xffff, 0]);
});

test("all ones fill the width of the access", () => {
  expect([1, 2, 4].map(allOnes)).toEqual([0xff, 0xffff, 0xffffffff]);
});

test("restoring keeps the identity of nested state, and the snapshot stays usable", () => {
  const chip = { n: 1 };
  const device = {
    state: { chip, list: [1, 2, 3], chips: [{ n: 5 }, { n: 6 }], maybe: null as { n: number } | null },
  };
  const second = device.state.chips[1]!;
  const saved = snapshotOf(device);
  chip.n = 2;
  second.n = 7;
  device.state.list.push(4, 5);
  device.state.maybe = { n: 9 };
  restoreInto(device, saved);
  expect(device.state).toEqual({ chip: { n: 1 }, list: [1, 2, 3], chips: [{ n: 5 }, { n: 6 }], maybe: null });
  expect(device.state.chip).toBe(chip);
  expect(device.state.chips[1]).toBe(second);
  device.state.list.push(4);
  expect(saved.list).toEqual([1, 2, 3]);
});
