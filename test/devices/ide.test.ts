import { expect, test } from "vitest";
import { IdeChannel } from "../../src/devices/ide/channel.ts";
import { type Disk, MemoryDisk } from "../../src/disk/index.ts";
import { FlatMemory } from "./virtio/rig.ts";

/** A channel with one disk of 8 sectors, each filled with its number. */
function make(disk?: Disk) {
  const bytes = new Uint8Array(8 * 512).map((_, at) => at >>> 9);
  const lines: boolean[] = [];
  const channel = new IdeChannel({
    index: 0,
    disks: [disk ?? new MemoryDisk(bytes), undefined],
    irq: { set: (level: boolean) => lines.push(level) } as never,
    dma: new FlatMemory(0),
    clock: { nowNs: () => 0, arm: () => {}, disarm: () => {} } as never,
  });
  const command = (code: number, sector: number, count: number) => {
    channel.writePort(0x1f6, 1, 0xe0);
    channel.writePort(0x1f2, 1, count);
    for (let n = 0; n < 3; n++) channel.writePort(0x1f3 + n, 1, (sector >>> (8 * n)) & 0xff);
    channel.writePort(0x1f7, 1, code);
  };
  return { channel, command, bytes, lines };
}

test("READ SECTORS is busy, then asks for each sector's 256 words", () => {
  const { channel, command } = make();
  command(0x20, 5, 2);
  expect(channel.readPort(0x3f6, 1) & 0x80).toBe(0x80);
  for (const sector of [5, 6]) {
    channel.alarm();
    expect(channel.readPort(0x1f7, 1) & 0x89).toBe(0x08);
    for (let word = 0; word < 256; word++) expect(channel.readPort(0x1f0, 2)).toBe(sector * 0x101);
  }
  expect(channel.readPort(0x1f7, 1) & 0x89).toBe(0);
});

test("WRITE SECTORS puts the words on the disk", () => {
  const { channel, command, bytes } = make();
  command(0x30, 3, 1);
  // At once: there are drivers that do not wait for the request.
  expect(channel.readPort(0x1f7, 1) & 0x89).toBe(0x08);
  for (let word = 0; word < 256; word++) channel.writePort(0x1f0, 2, 0xbeef);
  expect(channel.readPort(0x3f6, 1) & 0x89).toBe(0x80);
  channel.alarm();
  expect(channel.readPort(0x1f7, 1) & 0x89).toBe(0);
  expect([...bytes.slice(3 * 512 - 1, 3 * 512 + 2)]).toEqual([2, 0xef, 0xbe]);
  expect(bytes[4 * 512]).toBe(4);
});

test("a sector behind the end is an error: ID not found", () => {
  const { channel, command } = make();
  command(0x20, 8, 1);
  channel.alarm();
  expect(channel.readPort(0x1f7, 1) & 0x89).toBe(0x01);
  expect(channel.readPort(0x1f1, 1) & 0x10).toBe(0x10);
});

test("IDENTIFY DEVICE tells the sectors; an unknown command is aborted", () => {
  const { channel, command } = make();
  command(0xec, 0, 0);
  channel.alarm();
  const words = Array.from({ length: 256 }, () => channel.readPort(0x1f0, 2));
  expect([words[60], words[61]]).toEqual([8, 0]);
  command(0x66, 0, 0);
  channel.alarm();
  expect(channel.readPort(0x1f7, 1) & 0x01).toBe(0x01);
  expect(channel.readPort(0x1f1, 1)).toBe(0x04);
});

test("a disk is a whole number of sectors", () => {
  expect(() => new MemoryDisk(new Uint8Array(100))).toThrow("100 bytes");
});

const moveSector = (channel: IdeChannel) => {
  for (let word = 0; word < 256; word++) channel.writePort(0x1f0, 2, word);
};

test("the other drive may be selected while data move: they are still the first one's", () => {
  const { channel, command, bytes } = make();
  command(0x30, 0, 2);
  channel.writePort(0x1f6, 1, 0xf0);
  moveSector(channel);
  channel.alarm();
  moveSector(channel);
  channel.alarm();
  expect([...bytes.slice(510, 514), ...bytes.slice(1022, 1025)]).toEqual([0xff, 0, 0, 0, 0xff, 0, 2]);
});

test("a disk that fails is a defect for the guest, not for the machine", () => {
  const failing = () => {
    throw new Error("ENOSPC");
  };
  const { channel, command, lines } = make({
    sectors: 8,
    read: failing,
    write: failing,
    flush: failing,
    close: () => {},
  });
  const end = () => [channel.readPort(0x3f6, 1), channel.readPort(0x1f1, 1), lines.at(-1)];
  command(0x20, 0, 1);
  channel.alarm();
  expect(end()).toEqual([0x51, 0x40, true]);
  command(0x30, 0, 1);
  channel.alarm();
  moveSector(channel);
  expect(end()).toEqual([0x70, 0, true]);
  command(0xe7, 0, 0);
  channel.alarm();
  expect(end()).toEqual([0x70, 0, true]);
});

/** Sector count, three address bytes, device. */
const PLACES = {
  linear: [2, 5, 0, 0, 0xe0],
  geometric: [2, 3, 0, 0, 0xa0],
  behindTheEnd: [8, 1, 0, 0, 0xe0],
  noDrive: [2, 5, 0, 0, 0xf0],
};

/** The status that a command ends with when the guest reads, or writes, all that is asked for. */
function statusAfter(code: number, place: readonly number[], write: boolean): number {
  const { channel, command } = make();
  const setMultiple = 0xc6;
  command(setMultiple, 0, 2);
  channel.alarm();
  for (const [n, value] of place.entries()) {
    // Twice, as 48-bit commands have it.
    channel.writePort(0x1f2 + n, 1, 0);
    channel.writePort(0x1f2 + n, 1, value);
  }
  channel.writePort(0x1f7, 1, code);
  const move = () => (write ? channel.writePort(0x1f0, 2, 0x1234) : channel.readPort(0x1f0, 2));
  for (let block = 0; channel.isBusy || channel.isTransferring; block++) {
    expect(block).toBeLessThan(20);
    if (channel.isBusy) channel.alarm();
    else {
      for (let word = 0; word < 512 && channel.isTransferring; word++) move();
      if (channel.isTransferring) break;
    }
  }
  return channel.readPort(0x3f6, 1);
}

test("every command ends, wherever its registers point: done, aborted, or awaiting data the other way", () => {
  const ends = Object.entries(PLACES).map(([name, place]) => {
    const seen = new Map<string, number>();
    for (let code = 0; code < 0x100; code++)
      for (const write of [false, true]) {
        const status = statusAfter(code, place, write).toString(16);
        seen.set(status, (seen.get(status) ?? 0) + 1);
      }
    return [name, Object.fromEntries(seen)];
  });
  // 36 commands, 5 of which read from the disk, 5 write to it, and IDENTIFY DEVICE is read, too. SET FEATURES without a choice is aborted. Six wait for the bus master.
  const onDisk = { "50": 2 * 18 + 11, "58": 11 + 2 * 6, "51": 2 * 220 + 2 };
  expect(Object.fromEntries(ends)).toEqual({
    linear: onDisk,
    geometric: onDisk,
    // IDENTIFY DEVICE looks at no address; the sixteen others and three to verify do.
    behindTheEnd: { "50": 2 * 15 + 1, "58": 1, "51": 2 * 220 + 2 + 2 * 19 },
    // EXECUTE DEVICE DIAGNOSTIC is for both drives.
    noDrive: { "0": 510, "50": 2 },
  });
});
