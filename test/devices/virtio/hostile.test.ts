import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { restoreInto, snapshotOf } from "../../../src/devices/device.ts";
import { VirtioBlock } from "../../../src/devices/virtio/block.ts";
import { VirtioConsole } from "../../../src/devices/virtio/console.ts";
import { VirtioTransport } from "../../../src/devices/virtio/transport.ts";
import { MemoryDisk } from "../../../src/disk/index.ts";
import { Driver, Flag, FlatMemory } from "./rig.ts";

const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

const MEMORY_BYTES = 0x10000;
const HUGE = [0, 1, 0xfff, 0x1000, 0xffff, 0x7fffffff, 0xffffffff];

const word = fc.oneof(fc.constantFrom(...HUGE), fc.integer({ min: 0, max: 0xffffffff }));
const access = fc.record({
  modern: fc.boolean(),
  write: fc.boolean(),
  offset: fc.oneof(
    fc.integer({ min: 0, max: 63 }),
    fc.integer({ min: 0, max: 0x3fff }),
    fc.constantFrom(0x3000, 0x3004),
  ),
  size: fc.constantFrom(1, 2, 4),
  value: word,
});
/** Words of descriptors and rings: near the memory that there is, mostly. */
const poke = fc.record({
  at: fc.integer({ min: 0x1000 / 2, max: 0x7ffe / 2 }),
  value: fc.oneof(fc.integer({ min: 0, max: 16 }), fc.integer({ min: 0, max: 0xffff })),
});

test.each(["block", "console"])(
  "%s: whatever is in rings and registers, nothing is thrown, nothing takes long, the same comes out again",
  (kind) => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.array(poke, { minLength: 1, maxLength: 200 }),
        fc.array(access, { maxLength: 60 }),
        (legacy, pokes, accesses) => {
          const play = () => {
            const memory = new FlatMemory(MEMORY_BYTES);
            const sent: number[] = [];
            const disk = new MemoryDisk(new Uint8Array(32 * 512).fill(1));
            const device =
              kind === "block"
                ? new VirtioBlock({ disk, dma: memory, serial: "x" })
                : new VirtioConsole({ dma: memory, transmit: (byte) => sent.push(byte) });
            const transport = new VirtioTransport(device, memory, { set: () => {} });
            new Driver(transport, memory, legacy, 3 << 28);
            if (device instanceof VirtioConsole) device.receive(Array(100).fill(65));
            for (const { at, value } of pokes) memory.view.setUint16(at * 2, value, true);
            transport.serve(0);
            transport.serve(1);
            const seen = accesses.map(({ modern, write, offset, size, value }) => {
              const masked = size === 4 ? value : value & (2 ** (8 * size) - 1);
              if (write && modern) transport.writeModern(offset, size, masked);
              else if (write) transport.writeLegacy(offset & 127, size, masked);
              else
                return modern ? transport.readModern(offset, size) : transport.readLegacy(offset & 127, size);
              return 0;
            });
            for (const value of seen) expect(value >= 0 && value <= 0xffffffff).toBe(true);
            const saved = snapshotOf(transport);
            expect(JSON.parse(JSON.stringify(saved))).toEqual(saved);
            restoreInto(transport, saved);
            return { seen, saved, sent, memory: digest(memory.bytes), disk: digest(disk.bytes) };
          };
          expect(play()).toEqual(play());
        },
      ),
      { numRuns: 150 },
    );
  },
);

test("rings that the device's own writes fill anew are served once round at a notification, and no longer", () => {
  const memory = new FlatMemory(MEMORY_BYTES);
  const disk = new MemoryDisk(new Uint8Array(64 * 512));
  const block = new VirtioBlock({ disk, dma: memory, serial: "x" });
  const transport = new VirtioTransport(block, memory, { set: () => {} });
  const driver = new Driver(transport, memory, false);
  // Each sector that is read into the driver's ring makes one more request available, for the sector after it.
  const header = driver.driverRing(0) + 0x100;
  const disked = new DataView(disk.bytes.buffer);
  for (let sector = 0; sector < 63; sector++) {
    disked.setUint16(sector * 512 + 2, sector + 2, true);
    disked.setUint32(sector * 512 + 0x108, sector + 1, true);
  }
  driver.describe(driver.descriptors(0), [
    [header, 16, Flag.next, 1],
    [driver.driverRing(0), 512, Flag.write | Flag.next, 2],
    [0xf000, 1, Flag.write],
  ]);
  driver.offer(0, 0);
  driver.notify(0);
  expect(transport.state.broken).toBe("");
  expect(block.state.requests).toBe(8);
});
