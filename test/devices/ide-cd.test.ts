import { describe, expect, test } from "vitest";
import { IdeChannel } from "../../src/devices/ide/channel.ts";
import { type Disk, MemoryDisk } from "../../src/disk/index.ts";
import { FlatMemory } from "./virtio/rig.ts";

/** A CD drive on a channel: what it is known by, packets by blocks and by DMA, sense. */

const SECTORS = 64;
const BASE = 0x170;
const CONTROL = 0x376;
const BUSY = 0x80;
const WANTS = 0x58;
const IDLE = 0x50;
const CHECK = 0x51;
/** Interrupt reasons. */
const COMMAND = 1;
const TO_HOST = 2;
const END = 3;

/** The drive is the master, or the slave of a disk. */
function rig(options: { disc?: Disk; besideDisk?: boolean } = {}) {
  const { besideDisk = false } = options;
  const image = new Uint8Array(SECTORS * 2048).map((_, at) => (at >>> 11) + at * 3);
  const disc = options.disc ?? new MemoryDisk(image);
  const memory = new FlatMemory(1 << 20);
  const line = {
    level: false,
    set(level: boolean) {
      this.level = level;
    },
  };
  const channel = new IdeChannel({
    index: 1,
    disks: besideDisk ? [new MemoryDisk(new Uint8Array(4096))] : [],
    discs: besideDisk ? [undefined, disc] : [disc],
    irq: line,
    clock: { nowNs: () => 0, arm: () => {}, cancel: () => {} },
    dma: memory,
  });
  const out = (register: number, value: number) => channel.writePort(BASE + register, 1, value);
  const inp = (register: number) => channel.readPort(BASE + register, 1);
  const settle = () => {
    for (let n = 0; channel.isBusy; n++) {
      if (n > 10_000) throw new Error("the drive is busy for ever");
      channel.alarm();
    }
  };
  const self = {
    image,
    memory,
    channel,
    line,
    out,
    inp,
    settle,
    command(code: number) {
      out(7, code);
      settle();
      return inp(7);
    },
    signature: () => [2, 3, 4, 5].map(inp),
    /** Writes command and packet; blocks of at most `limit` bytes are read until it ends. */
    packet(bytes: readonly number[], { limit = 0xfffe, dma = false } = {}) {
      out(1, dma ? 1 : 0);
      out(4, limit & 0xff);
      out(5, limit >> 8);
      out(7, 0xa0);
      const asked = [channel.readPort(CONTROL, 1), inp(2), line.level];
      const padded = [...bytes, ...new Array(12 - bytes.length).fill(0)];
      for (let n = 0; n < 12; n += 2)
        channel.writePort(BASE, 2, (padded[n] as number) | ((padded[n + 1] as number) << 8));
      const afterPacket = channel.readPort(CONTROL, 1);
      const data: number[] = [];
      const blocks: number[] = [];
      for (settle(); !dma && channel.readPort(CONTROL, 1) === WANTS; settle()) {
        expect([line.level, inp(7), line.level]).toEqual([true, WANTS, false]);
        const size = inp(4) | (inp(5) << 8);
        blocks.push(size);
        expect(inp(2)).toBe(TO_HOST);
        for (let n = 0; n < size; n += 2) {
          const word = channel.readPort(BASE, 2);
          data.push(word & 0xff);
          if (n + 1 < size) data.push(word >>> 8);
        }
      }
      const interrupted = line.level;
      return { asked, afterPacket, data, blocks, interrupted, status: inp(7), reason: inp(2), error: inp(1) };
    },
    /** Takes back what a reset has the drive tell first. */
    ready() {
      self.packet([0x00]);
      return self;
    },
  };
  return self;
}

const DONE = { status: IDLE, reason: END, error: 0, data: [] };
const word = (value: number) => [value >>> 8, value & 0xff];
const double = (value: number) => [...word(value >>> 16), ...word(value & 0xffff)];
const text = (bytes: readonly number[]) => Buffer.from(bytes).toString("latin1");

describe("a CD drive", () => {
  test("is known by the signature that a reset leaves, and so is a disk beside it", () => {
    const { channel, out, inp, signature } = rig({ besideDisk: true });
    channel.writePort(CONTROL, 1, 4);
    channel.writePort(CONTROL, 1, 0);
    out(6, 0x00);
    expect([inp(7), ...signature()]).toEqual([IDLE, 1, 1, 0, 0]);
    out(6, 0x10);
    expect([inp(7), ...signature()]).toEqual([0, 1, 1, 0x14, 0xeb]);
    out(3, 0x55);
    expect(signature()).toEqual([1, 0x55, 0, 0]);
  });

  test("aborts what is for disks, telling what it is", () => {
    const r = rig();
    for (const code of [0x20, 0xec]) {
      r.out(3, 0x99);
      expect(r.command(code) & 1).toBe(1);
      expect([r.inp(1), ...r.signature()]).toEqual([4, 1, 1, 0x14, 0xeb]);
    }
    r.out(3, 0x99);
    expect(r.command(0xc8)).toBe(CHECK);
    expect(r.inp(3)).toBe(0x99);
  });

  test("tells by IDENTIFY PACKET DEVICE that it takes packets of 12 bytes, by DMA too", () => {
    const r = rig();
    expect(r.command(0xa1)).toBe(WANTS);
    const words = Array.from({ length: 256 }, () => r.channel.readPort(BASE, 2));
    expect([words[0], (words[49] as number) & 0x300, words[63], words[88]]).toEqual([0x85c0, 0x300, 7, 0x3f]);
    const name = words.slice(27, 47).flatMap((value) => [value >>> 8, value & 0xff]);
    expect(text(name).trim()).toBe("UMBRA CD-ROM");
    r.out(1, 3);
    r.out(2, 0x42);
    expect(r.command(0xef)).toBe(IDLE);
  });

  test("asks for the packet at once, without an interrupt, and interrupts at the end", () => {
    const r = rig().ready();
    const { asked, afterPacket, ...end } = r.packet([0x00]);
    expect(asked).toEqual([WANTS, COMMAND, false]);
    expect(afterPacket & BUSY).toBe(BUSY);
    expect(end).toMatchObject({ ...DONE, interrupted: true });
  });

  test("tells after a reset that there has been one, and once", () => {
    const r = rig();
    const told = { status: CHECK, reason: END, error: 0x64 };
    expect(r.packet([0x12, 0, 0, 0, 36])).toMatchObject({ status: IDLE });
    expect(r.packet([0x00])).toMatchObject(told);
    expect(r.packet([0x03, 0, 0, 0, 18]).data).toEqual([
      0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x29, 0, 0, 0, 0, 0,
    ]);
    expect(r.packet([0x00])).toMatchObject(DONE);
    r.out(7, 0x08);
    r.settle();
    expect([r.inp(7), r.line.level, ...r.signature()]).toEqual([0, false, 1, 1, 0x14, 0xeb]);
    expect(r.packet([0x03, 0, 0, 0, 18]).data.slice(2, 13)).toEqual([6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x29]);
    expect(r.packet([0x00])).toMatchObject(DONE);
  });
});

describe("packets", () => {
  test("INQUIRY and READ CAPACITY", () => {
    const r = rig().ready();
    const { data } = r.packet([0x12, 0, 0, 0, 96]);
    expect(data.slice(0, 5)).toEqual([5, 0x80, 0, 0x21, 31]);
    expect(text(data.slice(8))).toBe("UMBRA   CD-ROM          1.0 ");
    expect(r.packet([0x12, 0, 0, 0, 5]).data).toHaveLength(5);
    expect(r.packet([0x25]).data).toEqual([...double(SECTORS - 1), ...double(2048)]);
  });

  test.each([
    ["READ(10)", [0x28, 0, ...double(3), 0, ...word(5), 0]],
    ["READ(12)", [0xa8, 0, ...double(3), ...double(5), 0, 0]],
  ] as const)("%s by blocks, as large as the host wants them", (_, bytes) => {
    const r = rig().ready();
    const expected = Buffer.from(r.image.subarray(3 * 2048, 8 * 2048));
    for (const [limit, blocks] of [
      [2048, new Array(5).fill(2048)],
      [0xffff, [10240]],
      [0, [10240]],
      [3001, [3000, 3000, 3000, 1240]],
    ] as const) {
      const { data, blocks: seen, status, reason } = r.packet(bytes, { limit });
      expect([seen, status, reason]).toEqual([blocks, IDLE, END]);
      expect(Buffer.from(data).equals(expected)).toBe(true);
    }
  });

  test("READ(10) and replies by DMA", () => {
    const r = rig().ready();
    const table = (count: number) => {
      r.memory.view.setUint32(0x1000, 0x20000, true);
      r.memory.view.setUint32(0x1004, 0x80000000 | (count & 0xffff), true);
      const { busMaster } = r.channel;
      busMaster.write(4, 4, 0x1000);
      busMaster.write(2, 1, 6);
      busMaster.write(0, 1, 8);
    };
    const start = () => {
      r.channel.busMaster.write(0, 1, 9);
      r.settle();
    };
    table(0x8000);
    const waiting = r.packet([0x28, 0, ...double(40), 0, ...word(16), 0], { dma: true });
    expect(waiting).toMatchObject({ status: WANTS, interrupted: false });
    start();
    expect([r.inp(7), r.inp(2), r.channel.busMaster.read(2, 1)]).toEqual([IDLE, END, 4]);
    const got = Buffer.from(r.memory.bytes.subarray(0x20000, 0x28000));
    expect(got.equals(Buffer.from(r.image.subarray(40 * 2048, 56 * 2048)))).toBe(true);
    table(8);
    r.packet([0x25], { dma: true });
    start();
    expect([...r.memory.bytes.subarray(0x20000, 0x20008)]).toEqual([...double(SECTORS - 1), ...double(2048)]);
    // Nothing to move: the bus master has no part in it.
    table(8);
    expect(r.packet([0x00], { dma: true })).toMatchObject({ status: IDLE, interrupted: true });
  });

  test("READ of nothing, behind the end, and from a disc that cannot be read", () => {
    const sense = (r: ReturnType<typeof rig>) => {
      const { data } = r.packet([0x03, 0, 0, 0, 18]);
      return [data[2], data[12]];
    };
    const r = rig().ready();
    expect(r.packet([0x28, 0, ...double(3), 0, 0, 0])).toMatchObject(DONE);
    expect(r.packet([0x28, 0, ...double(SECTORS - 1), 0, 0, 2])).toMatchObject({
      status: CHECK,
      error: 0x54,
    });
    expect(sense(r)).toEqual([5, 0x21]);
    expect(sense(r)).toEqual([0, 0]);
    expect(r.packet([0xa8, 0, ...double(0xffffffff), ...double(0xffffffff)])).toMatchObject({ error: 0x54 });
    const failing = () => {
      throw new Error("EIO");
    };
    const broken = rig({
      disc: { sectors: 256, read: failing, write: failing, flush: failing, close: () => {} },
    }).ready();
    expect(broken.packet([0x28, 0, ...double(0), 0, 0, 1])).toMatchObject({ status: CHECK, error: 0x34 });
    expect(sense(broken)).toEqual([3, 0x11]);
  });

  test("READ TOC: one data track, by sectors and by time", () => {
    const r = rig().ready();
    const toc = (asTime: number, format: number, start: number, length = 0xff) =>
      r.packet([0x43, asTime, format, 0, 0, 0, start, 0, length]);
    const track = [0, 0x14, 1, 0, ...double(0)];
    const leadOut = [0, 0x14, 0xaa, 0, ...double(SECTORS)];
    expect(toc(0, 0, 0).data).toEqual([0, 18, 1, 1, ...track, ...leadOut]);
    expect(toc(0, 0, 0xaa).data).toEqual([0, 10, 1, 1, ...leadOut]);
    expect(toc(0, 0, 0, 4).data).toEqual([0, 18, 1, 1]);
    // Two seconds, and 64 frames of 75 a second.
    expect(toc(2, 0, 1).data.slice(8)).toEqual([0, 0, 2, 0, 0, 0x14, 0xaa, 0, 0, 0, 2, SECTORS]);
    expect(toc(0, 1, 0).data).toEqual([0, 10, 1, 1, ...track]);
    expect(toc(0, 0, 2)).toMatchObject({ status: CHECK, error: 0x54 });
    expect(toc(0, 2, 0)).toMatchObject({ status: CHECK, error: 0x54 });
  });

  test("MODE SENSE: capabilities, all pages, what can be changed; no others", () => {
    const r = rig().ready();
    const sense = (page: number, length = 0xff) => r.packet([0x5a, 0, page, 0, 0, 0, 0, ...word(length)]);
    const capabilities = sense(0x2a).data;
    expect([capabilities.length, ...capabilities.slice(0, 2), ...capabilities.slice(8, 10)]).toEqual([
      28, 0, 26, 0x2a, 18,
    ]);
    expect(sense(0x3f).data).toHaveLength(36);
    expect(sense(0x6a).data.slice(8)).toEqual([0x2a, 18, ...new Array(18).fill(0)]);
    expect([sense(0x0d), sense(0xea)].map(({ error }) => error)).toEqual([0x54, 0x54]);
  });

  test("the others that systems send: done, or aborted as unknown", () => {
    const r = rig().ready();
    for (const bytes of [
      [0x1b, 0, 0, 0, 1],
      [0x1e, 0, 0, 0, 1],
      [0x1b, 0, 0, 0, 2],
    ])
      expect(r.packet(bytes)).toMatchObject(DONE);
    expect(r.packet([0x46, 0, 0, 0, 0, 0, 0, 0, 8]).data).toEqual([0, 0, 0, 16, 0, 0, 0, 8]);
    for (const code of [0x2a, 0x4a, 0x51, 0xbe]) expect(r.packet([code])).toMatchObject({ error: 0x54 });
  });

  test("a reset in the midst of one ends it", () => {
    const r = rig().ready();
    r.out(4, 0);
    r.out(5, 8);
    r.out(7, 0xa0);
    r.channel.writePort(CONTROL, 1, 4);
    r.channel.writePort(CONTROL, 1, 0);
    expect(r.channel.isTransferring).toBe(false);
    expect(r.packet([0x00])).toMatchObject({ error: 0x64 });
    expect(r.packet([0x00])).toMatchObject(DONE);
  });

  test("DEVICE RESET is heard while the drive is busy", () => {
    const r = rig().ready();
    r.out(7, 0xa1);
    expect(r.channel.isBusy).toBe(true);
    r.out(7, 0xec);
    r.out(7, 0x08);
    r.settle();
    expect([r.inp(7), r.line.level, ...r.signature()]).toEqual([0, false, 1, 1, 0x14, 0xeb]);
    expect(r.packet([0x00])).toMatchObject({ error: 0x64 });
  });

  test.each(Array.from({ length: 256 }, (_, code) => code))("code %i ends in any case", (code) => {
    const r = rig().ready();
    const { status, blocks } = r.packet([
      code,
      0xff,
      0xff,
      0xff,
      0xff,
      0xff,
      0xff,
      0xff,
      0xff,
      0xff,
      0xff,
      0xff,
    ]);
    expect([IDLE, CHECK]).toContain(status);
    expect(blocks.length).toBeLessThan(2);
  });
});
