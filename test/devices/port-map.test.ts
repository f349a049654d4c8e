import { expect, test } from "vitest";
import type { PortDevice, PortRange } from "../../src/devices/device.ts";
import { PortMap, PortOverlapError, PortRangeError } from "../../src/devices/port-map.ts";
import { UnassignedPorts } from "../../src/devices/unassigned.ts";

class Recorder implements PortDevice {
  readonly log: string[] = [];
  readonly name: string;
  readonly ports: readonly PortRange[];

  constructor(name: string, ...ports: PortRange[]) {
    this.name = name;
    this.ports = ports;
  }

  readPort(port: number, sizeBytes: number): number {
    this.log.push(`in${sizeBytes} ${port.toString(16)}`);
    return port & 0xff;
  }

  writePort(port: number, sizeBytes: number, value: number): void {
    this.log.push(`out${sizeBytes} ${port.toString(16)}=${value.toString(16)}`);
  }
}

test("an access goes to the device that claims the port, whole when it lies within that device", () => {
  const a = new Recorder("a", { first: 0x60, count: 1 }, { first: 0x64, count: 1 });
  const b = new Recorder("b", { first: 0xcf8, count: 8 });
  const map = new PortMap([a, b], new UnassignedPorts());
  map.write(0xcf8, 4, 0x80000000);
  expect(map.read(0x64, 1)).toBe(0x64);
  expect(map.read(0xcfe, 2)).toBe(0xfe);
  expect(a.log).toEqual(["in1 64"]);
  expect(b.log).toEqual(["out4 cf8=80000000", "in2 cfe"]);
});

test("an access across two devices and a gap is split into bytes", () => {
  const a = new Recorder("a", { first: 0x60, count: 1 });
  const b = new Recorder("b", { first: 0x61, count: 1 });
  const nobody = new UnassignedPorts();
  const map = new PortMap([a, b], nobody);
  expect(map.read(0x60, 4)).toBe(0xffff6160);
  map.write(0x60, 2, 0x1234);
  expect(a.log).toEqual(["in1 60", "out1 60=34"]);
  expect(b.log).toEqual(["in1 61", "out1 61=12"]);
  expect(nobody.state).toEqual({ reads: 2, writes: 0, lastPort: 0x63 });
});

test("ports that nobody claims read all ones, swallow writes and are counted", () => {
  const nobody = new UnassignedPorts();
  const map = new PortMap([], nobody);
  expect(map.read(0x1234, 1)).toBe(0xff);
  expect(map.read(0x1234, 2)).toBe(0xffff);
  expect(map.read(0xfffe, 4)).toBe(0xffffffff);
  map.write(0x92, 1, 2);
  expect(nobody.state).toEqual({ reads: 3, writes: 1, lastPort: 0x92 });
});

test("two devices on one port are an error that names both and the port", () => {
  const a = new Recorder("uart", { first: 0x3f8, count: 8 });
  const b = new Recorder("other", { first: 0x3ff, count: 2 });
  const build = () => new PortMap([a, b], new UnassignedPorts());
  expect(build).toThrow(PortOverlapError);
  expect(build).toThrow(/0x3ff .*"uart".*"other"/);
});

test("a range outside the port space or empty is an error", () => {
  const build = (range: PortRange) => () => new PortMap([new Recorder("x", range)], new UnassignedPorts());
  expect(build({ first: 0xffff, count: 2 })).toThrow(PortRangeError);
  expect(build({ first: -1, count: 1 })).toThrow(PortRangeError);
  expect(build({ first: 1, count: 0 })).toThrow(PortRangeError);
  expect(build({ first: 0.5, count: 1 })).toThrow(PortRangeError);
  expect(build({ first: 0xffff, count: 1 })).not.toThrow();
});

test("the map lists its ranges in the order of ports", () => {
  const a = new Recorder("a", { first: 0x80, count: 1 });
  const b = new Recorder("b", { first: 0x20, count: 2 }, { first: 0xa0, count: 2 });
  expect(new PortMap([a, b], new UnassignedPorts()).ranges()).toEqual([
    { first: 0x20, count: 2, name: "b" },
    { first: 0x80, count: 1, name: "a" },
    { first: 0xa0, count: 2, name: "b" },
  ]);
});
