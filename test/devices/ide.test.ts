import { expect, test } from "vitest";
import { IdeChannel } from "../../src/devices/ide/channel.ts";
import { MemoryDisk } from "../../src/disk/index.ts";

/** A channel with one disk of 8 sectors, each filled with its number. */
function make() {
  const bytes = new Uint8Array(8 * 512).map((_, at) => at >>> 9);
  const lines: boolean[] = [];
  const channel = new IdeChannel({
    index: 0,
    disks: [new MemoryDisk(bytes), undefined],
    irq: { set: (level: boolean) => lines.push(level) } as never,
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
  channel.alarm();
  for (let word = 0; word < 256; word++) channel.writePort(0x1f0, 2, 0xbeef);
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
