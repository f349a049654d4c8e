import { expect, test } from "vitest";
import { FwCfg } from "../../src/devices/fw-cfg.ts";

test("selecting an item reads it from its beginning, then zeros", () => {
  const device = new FwCfg({ memoryBytes: 0x1_2000_0000, cpus: 3 });
  const read = (key: number, count: number) => {
    device.writePort(0x510, 2, key);
    return Array.from({ length: count }, () => device.readPort(0x511, 1));
  };
  expect(String.fromCharCode(...read(0, 4))).toBe("QEMU");
  expect(read(3, 9)).toEqual([0, 0, 0, 0x20, 1, 0, 0, 0, 0]);
  expect([read(5, 2), read(15, 2), read(0x4444, 2)]).toEqual([
    [3, 0],
    [3, 0],
    [0, 0],
  ]);
  device.writePort(0x510, 2, 1);
  expect([device.readPort(0x511, 4), device.readPort(0x510, 2)]).toEqual([1, 0xffff]);
});

test("files are found in the directory, the map of memory among them", () => {
  const files = { "etc/greeting": Uint8Array.of(0x68, 0x69) };
  const device = new FwCfg({ memoryBytes: 0x800_0000, cpus: 1, files });
  const read = (key: number, count: number) => {
    device.writePort(0x510, 2, key);
    return Buffer.from(Array.from({ length: count }, () => device.readPort(0x511, 1)));
  };
  const count = read(0x19, 4).readUInt32BE();
  const directory = read(0x19, 4 + count * 64);
  const entries = Array.from({ length: count }, (_, n) => {
    const entry = directory.subarray(4 + n * 64, 68 + n * 64);
    const [size, key] = [entry.readUInt32BE(), entry.readUInt16BE(4)];
    return [entry.toString("latin1", 8).replace(/\0+$/, ""), read(key, size).toString("hex")];
  });
  expect(entries).toEqual([
    ["etc/e820", `${"00".repeat(8)}000000080000000001000000`],
    ["etc/greeting", "6869"],
  ]);
});
