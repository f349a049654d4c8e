import { describe, expect, test } from "vitest";
import type { IrqLine } from "../../src/devices/device.ts";
import { IdeChannel } from "../../src/devices/ide/channel.ts";
import { MemoryDisk } from "../../src/disk/index.ts";
import { FlatMemory } from "./virtio/rig.ts";

/** The bus master of an IDE channel: tables of physical regions, good and bad, and what status and registers say then. */

const MEMORY = 1 << 20;
const TABLE = 0x1000;
const SECTORS = 1024;
/** Bus master registers. */
const COMMAND = 0;
const STATUS = 2;
const POINTER = 4;
const START = 1;
const TO_MEMORY = 8;
/** Of its status. */
const ACTIVE = 1;
const ERROR = 2;
const INTERRUPT = 4;
/** Of the drive's status. */
const WAITS = 0x58;
const IDLE = 0x50;
const READ_DMA = 0xc8;
const READ_DMA_EXT = 0x25;
const WRITE_DMA = 0xca;
const WRITE_DMA_EXT = 0x35;
const LAST = 0x80000000;

function rig() {
  const memory = new FlatMemory(MEMORY);
  const disk = new Uint8Array(SECTORS * 512).map((_, at) => (at >>> 9) * 3 + at * 7);
  let isEnabled = true;
  const irq: IrqLine & { level: boolean } = {
    level: false,
    set(level) {
      this.level = level;
    },
  };
  const channel = new IdeChannel({
    index: 0,
    disks: [new MemoryDisk(disk), undefined],
    irq,
    clock: { nowNs: () => 0, arm: () => {}, cancel: () => {} },
    dma: memory,
    mastersBus: () => isEnabled,
  });
  const { busMaster } = channel;
  const self = {
    memory,
    disk,
    channel,
    irq,
    enable: (on: boolean) => {
      isEnabled = on;
    },
    /** Regions: address, count as in the table; the last one is marked unless it says otherwise. */
    table(regions: readonly (readonly [gpa: number, count: number])[], marksLast = true) {
      for (const [n, [gpa, count]] of regions.entries()) {
        memory.view.setUint32(TABLE + 8 * n, gpa, true);
        const isLast = marksLast && n === regions.length - 1;
        memory.view.setUint32(TABLE + 8 * n + 4, (count | (isLast ? LAST : 0)) >>> 0, true);
      }
    },
    issue(code: number, sector: number, count: number) {
      const wide = code === READ_DMA_EXT || code === WRITE_DMA_EXT;
      const out = (register: number, value: number) => channel.writePort(0x1f0 + register, 1, value & 0xff);
      out(6, 0xe0);
      if (wide) for (const [n, value] of [count >> 8, sector >> 24, 0, 0].entries()) out(2 + n, value);
      for (const [n, value] of [count, sector, sector >> 8, sector >> 16].entries()) out(2 + n, value);
      out(7, code);
    },
    start(direction: number, at = TABLE) {
      busMaster.write(POINTER, 4, at);
      busMaster.write(STATUS, 1, ERROR | INTERRUPT | 0x20);
      busMaster.write(COMMAND, 1, direction);
      busMaster.write(COMMAND, 1, direction | START);
    },
    settle() {
      for (let n = 0; channel.isBusy; n++) {
        if (n > 10_000) throw new Error("the drive is busy for ever");
        channel.alarm();
      }
    },
    /** Of bus master and drive, without taking the interrupt back. */
    get status() {
      return [busMaster.read(STATUS, 1) & 7, channel.readPort(0x3f6, 1), irq.level] as const;
    },
    bytes: (gpa: number, count: number) => [...memory.bytes.subarray(gpa, gpa + count)],
    sectors: (first: number, count: number) => [...disk.subarray(first * 512, (first + count) * 512)],
  };
  return self;
}

const same = (one: ArrayLike<number>, other: ArrayLike<number>): boolean =>
  Buffer.from(one).equals(Buffer.from(other));

const DONE = [INTERRUPT, IDLE, true] as const;

describe("READ DMA", () => {
  test.each([
    ["28 bits", READ_DMA, 5, 4],
    ["48 bits", READ_DMA_EXT, 300, 300],
  ] as const)("with %s fills the regions in their order", (_, code, sector, count) => {
    const r = rig();
    const total = count * 512;
    r.table([
      [0x20000, 0x100],
      [0x90000, 0x3fe],
      [0x30002, total - 0x4fe],
    ]);
    if (total - 0x4fe > 0xffff)
      r.table([
        [0x20000, 0x100],
        [0x90000, 0x3fe],
        [0x30002, 0],
        [0x40002, 0],
        [0x50002, total - 0x4fe - 0x20000],
      ]);
    r.issue(code, sector, count);
    r.start(TO_MEMORY);
    expect(r.status[0]).toBe(ACTIVE);
    r.settle();
    expect(r.status).toEqual(DONE);
    const got = [...r.bytes(0x20000, 0x100), ...r.bytes(0x90000, 0x3fe), ...r.bytes(0x30002, total - 0x4fe)];
    expect(same(got, r.sectors(sector, count))).toBe(true);
    // Reading the status takes the drive's interrupt back, not the bus master's note of it.
    expect(r.channel.readPort(0x1f7, 1)).toBe(IDLE);
    expect(r.irq.level).toBe(false);
    expect(r.channel.busMaster.read(STATUS, 1)).toBe(INTERRUPT | 0x20);
    r.channel.busMaster.write(STATUS, 1, INTERRUPT);
    expect(r.channel.busMaster.read(STATUS, 1)).toBe(0);
  });

  test("waits until the bus master is started, and until it may use the bus", () => {
    const r = rig();
    r.table([[0x20000, 512]]);
    r.issue(READ_DMA, 1, 1);
    r.settle();
    expect(r.status).toEqual([0, WAITS, false]);
    // Nothing is to be had from the data register.
    expect(r.channel.readPort(0x1f0, 2)).toBe(0);
    r.enable(false);
    r.start(TO_MEMORY);
    r.settle();
    expect(r.status).toEqual([ACTIVE, WAITS, false]);
    r.enable(true);
    r.start(0);
    r.start(TO_MEMORY);
    r.settle();
    expect(r.status).toEqual(DONE);
    expect(r.bytes(0x20000, 512)).toEqual(r.sectors(1, 1));
  });

  test("does not go the way that the bus master is not set to", () => {
    const r = rig();
    r.table([[0x20000, 512]]);
    r.issue(READ_DMA, 1, 1);
    r.start(0);
    r.settle();
    expect(r.status).toEqual([ACTIVE, WAITS, false]);
    expect(r.bytes(0x20000, 512)).toEqual(new Array(512).fill(0));
  });

  test("of less than the table has leaves the bus master active", () => {
    const r = rig();
    r.table([[0x20000, 1024]]);
    r.issue(READ_DMA, 2, 1);
    r.start(TO_MEMORY);
    r.settle();
    expect(r.status).toEqual([ACTIVE | INTERRUPT, IDLE, true]);
    r.channel.busMaster.write(COMMAND, 1, 0);
    expect(r.status[0]).toBe(INTERRUPT);
  });

  test("of more than the table has does not end, and goes on with another table", () => {
    const r = rig();
    r.table([[0x20000, 700]]);
    r.issue(READ_DMA, 2, 2);
    r.start(TO_MEMORY);
    r.settle();
    expect(r.status).toEqual([0, WAITS, false]);
    r.table([[0x30000, 324]]);
    r.start(0);
    r.start(TO_MEMORY);
    r.settle();
    expect(r.status).toEqual(DONE);
    expect([...r.bytes(0x20000, 700), ...r.bytes(0x30000, 324)]).toEqual(r.sectors(2, 2));
  });

  test("with a count of 0 fills 64 KiB, and low bits of address and count are not looked at", () => {
    const r = rig();
    r.table([
      [0x20001, 0],
      [0x40000, 0x401],
    ]);
    r.issue(READ_DMA, 0, 130);
    r.start(TO_MEMORY);
    r.settle();
    expect(r.status).toEqual(DONE);
    expect(same([...r.bytes(0x20000, 0x10000), ...r.bytes(0x40000, 0x400)], r.sectors(0, 130))).toBe(true);
  });

  test("stops with an error at a region where no memory is", () => {
    const r = rig();
    r.table([
      [0x20000, 512],
      [MEMORY - 256, 512],
      [0x30000, 512],
    ]);
    r.issue(READ_DMA, 0, 3);
    r.start(TO_MEMORY);
    r.settle();
    expect(r.status).toEqual([ERROR, WAITS, false]);
    expect(r.bytes(0x20000, 512)).toEqual(r.sectors(0, 1));
    expect(r.bytes(MEMORY - 256, 256)).toEqual(new Array(256).fill(0));
    // A reset gets the drive out of it; software takes the error back.
    r.channel.writePort(0x3f6, 1, 4);
    r.channel.writePort(0x3f6, 1, 0);
    r.channel.busMaster.write(STATUS, 1, ERROR);
    expect(r.status).toEqual([0, IDLE, false]);
  });

  test.each([MEMORY, MEMORY - 4, 0xfffffffc])("stops with an error when its table is at %i", (at) => {
    const r = rig();
    r.issue(READ_DMA, 0, 3);
    r.start(TO_MEMORY, at);
    r.settle();
    expect(r.status).toEqual([ERROR, WAITS, false]);
  });

  test("goes round in a table that has no end, within its 64 KiB", () => {
    const r = rig();
    const at = 0x1fff0;
    for (const [n, place] of [at, at + 8, 0x10000].entries()) {
      r.memory.view.setUint32(place, 0x40000 + n * 0x1000, true);
      r.memory.view.setUint32(place + 4, 512, true);
    }
    r.issue(READ_DMA, 0, 3);
    r.start(TO_MEMORY, at);
    r.settle();
    // The drive is done, the table is not.
    expect(r.status).toEqual([ACTIVE | INTERRUPT, IDLE, true]);
    expect([0x40000, 0x41000, 0x42000].flatMap((gpa) => r.bytes(gpa, 512))).toEqual(r.sectors(0, 3));
  });

  test("a table of nothing but zeros ends, too", () => {
    const r = rig();
    r.issue(READ_DMA_EXT, 0, SECTORS);
    r.start(TO_MEMORY, 0x80000);
    r.settle();
    expect(r.status[1]).toBe(IDLE);
  });

  test("that is stopped in its midst waits, and a reset of the drive ends it", () => {
    const r = rig();
    r.table([
      [0x20000, 0],
      [0x30000, 0],
    ]);
    r.issue(READ_DMA, 0, 0);
    r.start(TO_MEMORY);
    r.channel.alarm();
    expect(same(r.bytes(0x20000, 0x10000), r.sectors(0, 128))).toBe(true);
    r.channel.busMaster.write(COMMAND, 1, TO_MEMORY);
    r.settle();
    expect(r.status).toEqual([0, WAITS, false]);
    expect(r.bytes(0x30000, 512)).toEqual(new Array(512).fill(0));
    r.channel.writePort(0x3f6, 1, 4);
    r.channel.writePort(0x3f6, 1, 0);
    expect(r.status).toEqual([0, IDLE, false]);
    r.table([[0x20000, 512]]);
    r.issue(READ_DMA, 9, 1);
    r.start(TO_MEMORY);
    r.settle();
    expect(r.status).toEqual(DONE);
    expect(r.bytes(0x20000, 512)).toEqual(r.sectors(9, 1));
  });

  test("behind the end of the disk is an error of the drive", () => {
    const r = rig();
    r.table([[0x20000, 1024]]);
    r.issue(READ_DMA, SECTORS - 1, 2);
    r.start(TO_MEMORY);
    r.settle();
    expect(r.status).toEqual([ACTIVE | INTERRUPT, IDLE | 1, true]);
    expect(r.channel.readPort(0x1f1, 1)).toBe(0x10);
  });
});

describe("WRITE DMA", () => {
  test.each([
    ["28 bits", WRITE_DMA, 7, 3],
    ["48 bits", WRITE_DMA_EXT, 500, 300],
  ] as const)("with %s puts the regions on the disk, however it is started", (_, code, sector, count) => {
    for (const startsFirst of [false, true]) {
      const r = rig();
      r.memory.bytes
        .fill(0)
        .subarray(0x20000, 0x60000)
        .forEach((_byte, at, all) => {
          all[at] = at * 5 + (at >>> 8);
        });
      const total = count * 512;
      const regions: [number, number][] = [[0x20000, 0x1fe]];
      for (let done = 0x1fe; done < total; done += 0x10000)
        regions.push([0x20000 + done, Math.min(0x10000, total - done) & 0xffff]);
      r.table(regions);
      const before = r.disk.slice();
      if (startsFirst) r.start(0);
      r.issue(code, sector, count);
      if (!startsFirst) {
        expect(r.status).toEqual([0, WAITS, false]);
        r.start(0);
      }
      r.settle();
      expect(r.status).toEqual(DONE);
      before.set(r.bytes(0x20000, total), sector * 512);
      expect(same(r.disk, before)).toBe(true);
    }
  });

  test("of a sector in two tables writes it when it is whole", () => {
    const r = rig();
    r.memory.bytes.fill(0xaa, 0x20000, 0x20064).fill(0xbb, 0x30000, 0x3019c);
    const before = r.sectors(4, 1);
    r.table([[0x20000, 100]]);
    r.issue(WRITE_DMA, 4, 1);
    r.start(0);
    r.settle();
    expect(r.status).toEqual([0, WAITS, false]);
    expect(r.sectors(4, 1)).toEqual(before);
    r.table([[0x30000, 412]]);
    r.start(TO_MEMORY);
    r.start(0);
    r.settle();
    expect(r.status).toEqual(DONE);
    expect(r.sectors(4, 1)).toEqual([...new Array(100).fill(0xaa), ...new Array(412).fill(0xbb)]);
  });

  test("from where no memory is writes nothing", () => {
    const r = rig();
    const before = r.disk.slice();
    r.table([[MEMORY - 256, 512]]);
    r.issue(WRITE_DMA, 0, 1);
    r.start(0);
    r.settle();
    expect(r.status).toEqual([ERROR, WAITS, false]);
    expect(same(r.disk, before)).toBe(true);
  });
});

test("IDENTIFY DEVICE tells the modes of DMA, and which of them SET FEATURES has chosen", () => {
  const r = rig();
  const words = (...which: number[]) => {
    r.issue(0xec, 0, 0);
    r.settle();
    const all = Array.from({ length: 256 }, () => r.channel.readPort(0x1f0, 2));
    return which.map((n) => all[n]);
  };
  const choose = (mode: number) => {
    r.channel.writePort(0x1f1, 1, 3);
    r.issue(0xef, 0, mode);
    r.settle();
    return r.channel.readPort(0x3f6, 1) & 1;
  };
  expect((words(49)[0] as number) & 0x300).toBe(0x300);
  expect(words(53, 63, 88)).toEqual([7, 0x07, 0x3f]);
  expect(choose(0x42)).toBe(0);
  expect(words(63, 88)).toEqual([0x07, 0x043f]);
  expect(choose(0x22)).toBe(0);
  expect(words(63, 88)).toEqual([0x0407, 0x3f]);
  expect([choose(0x46), choose(0x23), choose(0x10)]).toEqual([1, 1, 1]);
  expect(choose(0x0c)).toBe(0);
  expect(words(63, 88)).toEqual([0x0407, 0x3f]);
});

test("an interrupt without DMA is noted, too, unless the drive may not tell", () => {
  const r = rig();
  r.channel.writePort(0x3f6, 1, 2);
  r.issue(0x20, 0, 1);
  r.settle();
  expect(r.status[0]).toBe(0);
  r.channel.writePort(0x3f6, 1, 0);
  expect(r.status).toEqual([INTERRUPT, WAITS, true]);
});

test("registers are of any width, and what is reserved reads as zeros", () => {
  const { channel } = rig();
  const { busMaster } = channel;
  busMaster.write(POINTER, 4, 0xfedcba99);
  expect([busMaster.read(POINTER, 4), busMaster.read(POINTER + 2, 2)]).toEqual([0xfedcba98, 0xfedc]);
  busMaster.write(0, 4, 0xffffffff);
  expect(busMaster.read(0, 4) & ~(ACTIVE << 16)).toBe(0x00600009);
  expect(busMaster.read(6, 4)).toBe(0xfedc);
});
