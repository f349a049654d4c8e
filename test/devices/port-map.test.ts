import { expect, test } from "vitest";
import type { PortDevice, PortRange } from "../../src/devices/device.ts";
import { mapDevices, PortMap, PortOverlapError, PortRangeError } from "../../src/devices/port-map.ts";
import { UnassignedPorts } from "../../src/devices/unassigned.ts";

const device = (name: string, ...ports: PortRange[]): PortDevice => ({
  name,
  ports,
  readPort: () => 0,
  writePort: () => {},
});

test("a port is the device's that claims it, or the fallback's", () => {
  const a = device("a", { first: 0x60, count: 1 }, { first: 0x64, count: 1 });
  const b = device("b", { first: 0xcf8, count: 8 });
  const map = mapDevices([a, b], new UnassignedPorts());
  const names = [0x60, 0x61, 0x64, 0xcf7, 0xcf8, 0xcff, 0xd00, 0x10060].map((port) => map.ownerAt(port).name);
  expect(names).toEqual(["a", "unassigned", "a", "unassigned", "b", "b", "unassigned", "a"]);
});

test("ports that nobody claims read all ones, swallow writes and are counted", () => {
  const nobody = new UnassignedPorts();
  expect([1, 2, 4].map((sizeBytes) => nobody.readPort(0x1234, sizeBytes))).toEqual([
    0xff, 0xffff, 0xffffffff,
  ]);
  nobody.writePort(0x92, 1, 2);
  expect(nobody.state).toEqual({ reads: 3, writes: 1, lastPort: 0x92 });
});

test("ports are claimed all or none, and released by whom they belong to", () => {
  const map = new PortMap("others");
  const owners = () => [0x0f, 0x10, 0x13, 0x14, 0x17, 0x18].map((port) => map.ownerAt(port));
  expect(map.claim(0x10, 4, "a")).toBe(true);
  expect(map.claim(0x12, 6, "b")).toBe(false);
  expect(map.claim(0x14, 4, "b")).toBe(true);
  expect(map.claimedAmong(0x13, 8)).toBe(0x13);
  expect(owners()).toEqual(["others", "a", "a", "b", "b", "others"]);
  map.release(0x10, 8, "a");
  expect(owners()).toEqual(["others", "others", "others", "b", "b", "others"]);
  map.release(0x10, 8, "others");
  map.release(0x10, 8, "stranger");
  expect(owners()).toEqual(["others", "others", "others", "b", "b", "others"]);
  expect(map.claim(0x10, 4, "b")).toBe(true);
});

test("two devices on one port are an error that names both and the port", () => {
  const a = device("uart", { first: 0x3f8, count: 8 });
  const b = device("other", { first: 0x3fe, count: 3 });
  const build = () => mapDevices([a, b], new UnassignedPorts());
  expect(build).toThrow(PortOverlapError);
  expect(build).toThrow(/0x3fe .*"uart".*"other"/);
});

test("a range outside the port space or empty is an error", () => {
  const build = (range: PortRange) => () => mapDevices([device("x", range)], new UnassignedPorts());
  expect(build({ first: 0xffff, count: 2 })).toThrow(PortRangeError);
  expect(build({ first: -1, count: 1 })).toThrow(PortRangeError);
  expect(build({ first: 1, count: 0 })).toThrow(PortRangeError);
  expect(build({ first: 0.5, count: 1 })).toThrow(PortRangeError);
  expect(build({ first: 0xffff, count: 1 })).not.toThrow();
});
