import { expect, test } from "vitest";
import { BarRoutes } from "../../src/actors/bar-routes.ts";
import { IoRoutes } from "../../src/actors/io-routes.ts";
import { MmioRoutes } from "../../src/actors/mmio-routes.ts";
import type { PortDevice } from "../../src/devices/device.ts";
import { VirtioConsole } from "../../src/devices/virtio/console.ts";
import { VIRTIO_BARS, VirtioPci } from "../../src/devices/virtio/pci.ts";
import { WiredOr } from "../../src/devices/wired-or.ts";
import type { Gpa } from "../../src/mmu/address.ts";
import { FlatMemory, Line } from "../devices/virtio/rig.ts";

const device = (name: string, first: number, count: number): PortDevice => ({
  name,
  ports: [{ first, count }],
  readPort: () => 0,
  writePort: () => {},
});

function rig() {
  const io = new IoRoutes(new Map([["uart", [device("uart", 0x3f8, 8)]]]), {
    actor: "others",
    device: { ...device("others", 0, 1), ports: [] },
  });
  const mmio = new MmioRoutes("others");
  mmio.add({ first: 0xfec00000, sizeBytes: 0x1000, actor: "ioapic" });
  const memory = new FlatMemory(0x1000);
  const pci = [0, 1].map(
    (n) =>
      new VirtioPci(new VirtioConsole({ dma: memory, transmit: () => {} }), memory, new Line(), {
        line: 10,
        ioBase: 0xc000 + 0x80 * n,
        memoryBase: 0xfe000000 + 0x4000 * n,
      }),
  ) as [VirtioPci, VirtioPci];
  const bars = new BarRoutes("virtio", new Map(pci.map((one) => [one, VIRTIO_BARS])), {
    io,
    memory: mmio,
  });
  const at = (gpa: number) => mmio.actorAt(gpa as Gpa);
  return { io, bars, pci, at };
}

test("windows are routed where firmware has put them", () => {
  const { io, bars, pci, at } = rig();
  expect([0xbfff, 0xc000, 0xc0ff, 0xc100].map((port) => io.actorAt(port))).toEqual([
    "others",
    "virtio",
    "virtio",
    "others",
  ]);
  expect([0xfe000000, 0xfe007fff, 0xfe008000].map(at)).toEqual(["virtio", "virtio", "others"]);
  expect(bars.find("io", 0xc085)).toEqual({ pci: pci[1], bar: VIRTIO_BARS[0], offset: 5 });
  expect(bars.find("memory", 0xfe003000)).toEqual({ pci: pci[0], bar: VIRTIO_BARS[1], offset: 0x3000 });
  expect(bars.find("memory", 0xfe008000)).toBeUndefined();
});

test("a window that moves leaves nothing behind, one that is switched off is nobody's", () => {
  const { io, pci, at } = rig();
  pci[0].write(0x10, 4, 0x2000);
  expect([io.actorAt(0xc000), io.actorAt(0x2000)]).toEqual(["others", "virtio"]);
  pci[0].write(4, 2, 0);
  expect([io.actorAt(0x2000), at(0xfe000000), at(0xfe004000)]).toEqual(["others", "others", "virtio"]);
});

test("a window on another device's place is not routed, and comes when the place is free", () => {
  const { io, bars, pci, at } = rig();
  pci[0].write(0x10, 4, 0x380);
  pci[0].write(0x14, 4, 0xfec00000);
  expect([io.actorAt(0x3f8), io.actorAt(0x380), at(0xfec00000), at(0xfec01000)]).toEqual([
    "uart",
    "others",
    "ioapic",
    "others",
  ]);
  pci[0].write(0x14, 4, 0xfe004000);
  expect(bars.find("memory", 0xfe004000)?.pci).toBe(pci[0]);
  pci[0].write(0x14, 4, 0xe0000000);
  expect(bars.find("memory", 0xfe004000)?.pci).toBe(pci[1]);
});

test("a shared line is asserted while any of its devices asserts it", () => {
  const line = new Line();
  const or = new WiredOr(line);
  const [a, b] = [or.output(), or.output()];
  a.set(true);
  b.set(true);
  a.set(false);
  expect(line.level).toBe(true);
  b.set(false);
  expect(line.level).toBe(false);
});
