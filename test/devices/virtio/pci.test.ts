import { expect, test } from "vitest";
import { decodedBars } from "../../../src/devices/pci/bars.ts";
import { VirtioBlock } from "../../../src/devices/virtio/block.ts";
import { VIRTIO_BARS, VirtioPci } from "../../../src/devices/virtio/pci.ts";
import { MemoryDisk } from "../../../src/disk/index.ts";
import { Driver, Flag, FlatMemory, Line } from "./rig.ts";

function rig() {
  const memory = new FlatMemory(0x20000);
  const irq = new Line();
  const disk = new MemoryDisk(new Uint8Array(512 * 4));
  const pci = new VirtioPci(new VirtioBlock({ disk, dma: memory, serial: "x" }), memory, irq, {
    line: 11,
    ioBase: 0xc000,
    memoryBase: 0xfe000000,
  });
  return { memory, irq, pci };
}

test("the header is that of a transitional block device", () => {
  const { pci } = rig();
  expect(pci.read(0, 4).toString(16)).toBe("10011af4");
  expect(pci.read(0x2c, 4).toString(16)).toBe("21af4");
  expect(pci.read(8, 4)).toBe(0x01000000);
  expect([pci.read(0x3c, 1), pci.read(0x3d, 1)]).toEqual([11, 1]);
});

test("the capabilities name the structures, each once, in a list with an end", () => {
  const { pci } = rig();
  const found: number[][] = [];
  for (let at = pci.read(0x34, 1); at !== 0; at = pci.read(at + 1, 1)) {
    expect(pci.read(at, 1)).toBe(9);
    found.push([
      pci.read(at + 3, 1),
      pci.read(at + 2, 1),
      pci.read(at + 4, 1),
      pci.read(at + 8, 4),
      pci.read(at + 12, 4),
    ]);
  }
  expect(found).toEqual([
    [1, 16, 1, 0, 56],
    [2, 20, 1, 0x3000, 4],
    [3, 16, 1, 0x1000, 1],
    [4, 16, 1, 0x2000, 24],
    [5, 20, 0, 0, 0],
  ]);
});

test("bars tell their size, move, and answer only while decoding is enabled", () => {
  const { pci } = rig();
  const windows = () => decodedBars(pci, VIRTIO_BARS).map(({ bar, base }) => [bar.kind, base]);
  expect(windows()).toEqual([
    ["io", 0xc000],
    ["memory", 0xfe000000],
  ]);
  pci.write(0x10, 4, 0xffffffff);
  expect(pci.read(0x10, 4)).toBe(0xffffff81);
  pci.write(0x14, 4, 0xffffffff);
  expect(pci.read(0x14, 4)).toBe(0xffffc000);
  expect(windows()).toEqual([["memory", 0xffffc000]]);
  pci.write(0x14, 4, 0xe0001234);
  pci.write(0x10, 4, 0x1000);
  expect(windows()).toEqual([
    ["io", 0x1000],
    ["memory", 0xe0000000],
  ]);
  pci.write(4, 2, 1);
  expect(windows()).toEqual([["io", 0x1000]]);
  pci.write(4, 2, 0);
  expect(windows()).toEqual([]);
});

test("registers can be reached through configuration space", () => {
  const { pci } = rig();
  const window = 0x84;
  pci.write(window + 4, 1, 1);
  pci.write(window + 8, 4, 0x2000);
  pci.write(window + 12, 4, 4);
  expect(pci.read(window + 16, 4)).toBe(4);
  pci.write(window + 8, 4, 20);
  pci.write(window + 12, 4, 1);
  pci.write(window + 16, 1, 3);
  expect(pci.transport.state.status).toBe(3);
  pci.write(window + 8, 4, 0x4000);
  expect(pci.read(window + 16, 1)).toBe(0);
});

test("a modern driver needs bus mastering; the interrupt obeys the command register and shows in the status", () => {
  const { memory, irq, pci } = rig();
  const driver = new Driver(pci.transport, memory, false);
  driver.describe(driver.descriptors(0), [
    [0x9000, 16, Flag.next, 1],
    [0x9800, 1, Flag.write],
  ]);
  memory.view.setUint32(0x9000, 4, true);
  pci.write(4, 2, 0x407);
  driver.offer(0, 0);
  driver.notify(0);
  expect(irq.level).toBe(false);
  expect(pci.read(6, 2)).toBe(0x18);
  pci.write(4, 2, 0x7);
  expect(irq.level).toBe(true);
  pci.transport.readModern(0x1000, 1);
  expect(irq.level).toBe(false);
  expect(pci.read(6, 2)).toBe(0x10);
  pci.write(4, 2, 0x3);
  driver.offer(0, 0);
  driver.notify(0);
  expect(pci.transport.state.broken).toContain("memory");
});
