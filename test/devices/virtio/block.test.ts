import { expect, test } from "vitest";
import { VirtioBlock } from "../../../src/devices/virtio/block.ts";
import { VirtioTransport } from "../../../src/devices/virtio/transport.ts";
import { type Disk, MemoryDisk } from "../../../src/disk/index.ts";
import { Driver, Flag, FlatMemory, Line } from "./rig.ts";

const HEADER = 0x8000;
const DATA = 0x9000;
const STATUS = 0xf000;
const INDIRECT = 0xf800;

const sector = (fill: number): Uint8Array => new Uint8Array(512).fill(fill);

function rig(legacy: boolean, options: { disk?: Disk; readOnly?: boolean; features?: number } = {}) {
  const memory = new FlatMemory(0x20000);
  const disk = options.disk ?? new MemoryDisk(new Uint8Array(64 * 512).fill(7));
  const irq = new Line();
  const block = new VirtioBlock({
    disk,
    dma: memory,
    serial: "UMBRA-0",
    readOnly: options.readOnly === true,
  });
  const transport = new VirtioTransport(block, memory, irq);
  const driver = new Driver(transport, memory, legacy, options.features);
  const request = (type: number, at: number, bytes: number, writes: boolean): number => {
    memory.view.setUint32(HEADER, type, true);
    memory.view.setUint32(HEADER + 8, at % 2 ** 32, true);
    memory.view.setUint32(HEADER + 12, Math.floor(at / 2 ** 32), true);
    memory.bytes[STATUS] = 0xee;
    driver.describe(driver.descriptors(0), [
      [HEADER, 16, Flag.next, 1],
      [DATA, bytes, Flag.next | (writes ? Flag.write : 0), 2],
      [STATUS, 1, Flag.write],
    ]);
    driver.offer(0, 0);
    driver.notify(0);
    return memory.bytes[STATUS] as number;
  };
  return { memory, disk, irq, block, transport, driver, request };
}

for (const legacy of [true, false]) {
  const kind = legacy ? "legacy" : "modern";

  test(`${kind}: sectors are written, read back, and an interrupt tells it until the ISR is read`, () => {
    const { memory, irq, driver, request, transport } = rig(legacy);
    memory.bytes.fill(0x5a, DATA, DATA + 1024);
    expect(request(1, 3, 1024, false)).toBe(0);
    expect(irq.level).toBe(true);
    expect(legacy ? transport.readLegacy(19, 1) : transport.readModern(0x1000, 1)).toBe(1);
    expect(irq.level).toBe(false);
    memory.bytes.fill(0, DATA, DATA + 2048);
    expect(request(0, 2, 2048, true)).toBe(0);
    const want = [sector(7), sector(0x5a), sector(0x5a), sector(7)];
    expect(Buffer.from(memory.bytes.slice(DATA, DATA + 2048))).toEqual(Buffer.concat(want));
    expect(driver.used(0)).toEqual([
      [0, 1],
      [0, 2049],
    ]);
  });

  test(`${kind}: the end of the disk, lengths that are no sectors, unknown requests fail by their status`, () => {
    const { request, block } = rig(legacy);
    expect(request(0, 63, 512, true)).toBe(0);
    expect(request(0, 63, 1024, true)).toBe(1);
    expect(request(0, 2 ** 40, 512, true)).toBe(1);
    expect(request(1, 0, 100, false)).toBe(1);
    expect(request(99, 0, 512, true)).toBe(2);
    expect(request(4, 0, 0, false)).toBe(0);
    expect(block.state).toEqual({ requests: 6, failed: 4 });
  });

  test(`${kind}: GET_ID gives the serial number, padded with zeros`, () => {
    const { memory, request } = rig(legacy);
    memory.bytes.fill(0xff, DATA, DATA + 32);
    expect(request(8, 0, 20, true)).toBe(0);
    expect(Buffer.from(memory.bytes.slice(DATA, DATA + 21)).toString("latin1")).toBe(
      `UMBRA-0${"\0".repeat(13)}\xff`,
    );
  });

  test(`${kind}: a read-only disk refuses writes and says so in its features`, () => {
    const { memory, disk, request, transport } = rig(legacy, { readOnly: true });
    expect(transport.readLegacy(0, 4) & 0x20).toBe(0x20);
    memory.bytes.fill(1, DATA, DATA + 512);
    expect(request(1, 0, 512, false)).toBe(1);
    expect(disk.read(0, 1)).toEqual(sector(7));
  });

  test(`${kind}: an indirect table holds a whole request`, () => {
    const { memory, driver } = rig(legacy);
    memory.view.setUint32(HEADER, 0, true);
    driver.describe(INDIRECT, [
      [HEADER, 16, Flag.next, 2],
      [STATUS, 1, Flag.write],
      [DATA, 512, Flag.next | Flag.write, 1],
    ]);
    driver.describe(driver.descriptors(0), [[INDIRECT, 48, Flag.indirect]]);
    driver.offer(0, 0);
    driver.notify(0);
    expect(memory.bytes.slice(DATA, DATA + 512)).toEqual(sector(7));
    expect(driver.used(0)).toEqual([[0, 513]]);
  });

  test(`${kind}: a host that fails is an I/O error of the disk`, () => {
    const failing: Disk = {
      sectors: 8,
      read: () => {
        throw new Error("EIO");
      },
      write: () => {
        throw new Error("ENOSPC");
      },
      flush: () => {
        throw new Error("EIO");
      },
      close: () => {},
    };
    const { request } = rig(legacy, { disk: failing });
    expect([request(0, 0, 512, true), request(1, 0, 512, false), request(4, 0, 0, false)]).toEqual([1, 1, 1]);
  });

  test.each([
    ["a chain without end", [[HEADER, 16, Flag.next, 0]]],
    ["a descriptor beyond its table", [[HEADER, 16, Flag.next, 500]]],
    [
      "read after write",
      [
        [STATUS, 1, Flag.write | Flag.next, 1],
        [HEADER, 16, 0],
      ],
    ],
    ["no place for the status", [[HEADER, 16, 0]]],
    ["no header", [[STATUS, 1, Flag.write]]],
    [
      "a header outside of memory",
      [
        [0x1ffff, 16, Flag.next, 1],
        [STATUS, 1, Flag.write],
      ],
    ],
    [
      "a header beyond 4 GiB",
      [
        [2 ** 40, 16, Flag.next, 1],
        [STATUS, 1, Flag.write],
      ],
    ],
    ["an indirect table of odd length", [[INDIRECT, 40, Flag.indirect]]],
    ["an empty indirect table", [[INDIRECT, 0, Flag.indirect]]],
    ["an indirect descriptor with a next one", [[INDIRECT, 16, Flag.indirect | Flag.next, 1]]],
  ] as [string, [number, number, number, number?][]][])(`${kind}: %s needs a reset`, (_, chain) => {
    const { irq, transport, driver, request } = rig(legacy);
    driver.describe(driver.descriptors(0), chain);
    driver.offer(0, 0);
    driver.notify(0);
    expect(transport.state.status & 0x40).toBe(0x40);
    expect(transport.state.broken).not.toBe("");
    expect(irq.level).toBe(true);
    expect(legacy ? transport.readLegacy(19, 1) : transport.readModern(0x1000, 1)).toBe(2);
    // Dead until it is reset, and as new afterwards.
    expect(request(0, 0, 512, true)).toBe(0xee);
    if (legacy) transport.writeLegacy(18, 1, 0);
    else transport.writeModern(20, 1, 0);
    expect(transport.state.status).toBe(0);
    const again = new Driver(transport, driver.memory, legacy);
    again.offer(0, 0);
    again.notify(0);
    expect(again.used(0).length).toBeGreaterThan(0);
  });
}

test("an available index too far ahead needs a reset", () => {
  const { memory, transport, driver } = rig(false);
  memory.view.setUint16(driver.driverRing(0) + 2, 9, true);
  driver.notify(0);
  expect(transport.state.broken).toContain("further ahead");
});

test("a nested indirect table needs a reset", () => {
  const { transport, driver } = rig(false);
  driver.describe(INDIRECT, [[INDIRECT, 16, Flag.indirect]]);
  driver.describe(driver.descriptors(0), [[INDIRECT, 16, Flag.indirect]]);
  driver.offer(0, 0);
  driver.notify(0);
  expect(transport.state.broken).toContain("indirect");
});

test("an indirect table that was not negotiated needs a reset", () => {
  const { transport, driver } = rig(false, { features: 0 });
  driver.describe(driver.descriptors(0), [[INDIRECT, 48, Flag.indirect]]);
  driver.offer(0, 0);
  driver.notify(0);
  expect(transport.state.broken).toContain("indirect");
});

test("the driver's flag suppresses interrupts, and so does an event index that is not reached", () => {
  const flagged = rig(false, { features: 0 });
  flagged.memory.view.setUint16(flagged.driver.driverRing(0), 1, true);
  expect(flagged.request(0, 0, 512, true)).toBe(0);
  expect(flagged.irq.level).toBe(false);
  const indexed = rig(false, { features: 1 << 29 });
  const { memory, driver } = indexed;
  memory.view.setUint16(driver.driverRing(0) + 4 + 16, 1, true);
  expect(indexed.request(0, 0, 512, true)).toBe(0);
  expect(indexed.irq.level).toBe(false);
  expect(indexed.request(0, 0, 512, true)).toBe(0);
  expect(indexed.irq.level).toBe(true);
  expect(memory.view.getUint16(driver.deviceRing(0) + 4 + 64, true)).toBe(2);
});

test("a modern driver must take the modern interface and nothing that is not offered", () => {
  const { transport, driver } = rig(true);
  for (const [low, high] of [
    [0, 0],
    [1 << 23, 1],
    [0, 3],
  ] as const) {
    transport.writeModern(20, 1, 0);
    transport.writeModern(20, 1, 3);
    driver.acceptFeatures(low, high);
    transport.writeModern(20, 1, 11);
    expect(transport.readModern(20, 1)).toBe(3);
  }
  driver.acceptFeatures(0, 1);
  transport.writeModern(20, 1, 11);
  expect(transport.readModern(20, 1)).toBe(11);
});

test("capacity, segments, geometry and block size are in the configuration, at any width", () => {
  const { transport } = rig(true, { disk: new MemoryDisk(new Uint8Array(512 * 16 * 63 * 3)) });
  expect(transport.readModern(0x2000, 4)).toBe(16 * 63 * 3);
  expect(transport.readLegacy(20, 1)).toBe((16 * 63 * 3) & 0xff);
  expect(transport.readLegacy(20 + 12, 4)).toBe(126);
  expect(transport.readModern(0x2010, 2)).toBe(3);
  expect(transport.readModern(0x2014, 4)).toBe(512);
});
