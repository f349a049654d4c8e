import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { AlarmedDevice, PortDevice } from "../../src/devices/device.ts";
import { allOnes, restoreInto, snapshotOf } from "../../src/devices/device.ts";
import { I8042 } from "../../src/devices/i8042.ts";
import { I8254 } from "../../src/devices/i8254.ts";
import { IdeChannel } from "../../src/devices/ide/channel.ts";
import { Mc146818 } from "../../src/devices/mc146818.ts";
import { PciBus } from "../../src/devices/pci/bus.ts";
import { PicPair } from "../../src/devices/pic-pair.ts";
import { Port61 } from "../../src/devices/port61.ts";
import { PostCode } from "../../src/devices/post-code.ts";
import { Uart16550 } from "../../src/devices/uart16550.ts";
import { MemoryDisk } from "../../src/disk/index.ts";
import { FakeClock, Probe } from "./fake-clock.ts";
import { FlatMemory } from "./virtio/rig.ts";

interface Bench {
  device: PortDevice & { state: object };
  clock: FakeClock;
}

const benches: Record<string, () => Bench> = {
  pic: () => withClock(() => new PicPair({ intr: () => {} })),
  pit: () => withClock((clock) => new I8254(new Probe(), clock)),
  port61: () => withClock((clock) => new Port61(new I8254(new Probe(), clock), clock)),
  uart: () =>
    withClock(
      (clock) => new Uart16550({ name: "com1", base: 0x3f8, irq: new Probe(), clock, transmit: () => {} }),
    ),
  rtc: () => withClock((clock) => new Mc146818({ irq: new Probe(), clock, memoryBytes: 1 << 24 })),
  i8042: () => withClock(() => new I8042({ irq: new Probe(), reset: () => {}, hasKeyboard: true })),
  pci: () => withClock(() => new PciBus(() => {})),
  ide: () =>
    withClock((clock) => {
      const disks = [undefined, new MemoryDisk(new Uint8Array(1 << 20))];
      return new IdeChannel({ index: 0, disks, irq: new Probe(), clock, dma: new FlatMemory(1 << 16) });
    }),
  post: () => withClock(() => new PostCode()),
};

function withClock(make: (clock: FakeClock) => Bench["device"]): Bench {
  const clock = new FakeClock();
  const device = make(clock);
  if ("alarm" in device) clock.device = device as unknown as AlarmedDevice;
  return { device, clock };
}

const step = fc.record({
  port: fc.nat(),
  size: fc.constantFrom(1, 2, 4),
  value: fc.integer({ min: 0, max: 0xffffffff }),
  isWrite: fc.boolean(),
  ns: fc.oneof(fc.integer({ min: 0, max: 1000 }), fc.integer({ min: 0, max: 1e9 })),
});

/** Runs the steps late, so that a fast timer does not cost an alarm for each of its edges; returns what was read. */
function play(
  { device, clock }: Bench,
  steps: readonly (typeof step extends fc.Arbitrary<infer S> ? S : never)[],
) {
  const ports = device.ports.flatMap(({ first, count }) =>
    Array.from({ length: count }, (_, n) => first + n),
  );
  return steps.map(({ port, size, value, isWrite, ns }) => {
    clock.runLateTo(clock.ns + ns);
    const at = ports[port % ports.length]!;
    if (!isWrite) return device.readPort(at, size);
    device.writePort(at, size, size === 4 ? value : value & allOnes(size));
    return 0;
  });
}

test.each(Object.keys(benches))(
  "%s: no access throws or reads outside its width, and a snapshot replays to the same values and state",
  (name) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.array(step, { maxLength: 40 }), (before, after) => {
        const bench = benches[name]!();
        play(bench, before);
        const saved = snapshotOf(bench.device);
        expect(JSON.parse(JSON.stringify(saved))).toEqual(saved);
        const wheel = snapshotOf(bench.clock.wheel);
        const ns = bench.clock.ns;
        const first = play(bench, after);
        for (const [index, value] of first.entries()) {
          expect(value).toBeGreaterThanOrEqual(0);
          expect(value).toBeLessThanOrEqual(allOnes(after[index]!.size));
        }
        if (name === "port61") return; // Its counter 2 is another device's state.
        const end = snapshotOf(bench.device);
        restoreInto(bench.device, saved);
        restoreInto(bench.clock.wheel, wheel);
        bench.clock.ns = ns;
        expect(play(bench, after)).toEqual(first);
        expect(bench.device.state).toEqual(end);
      }),
      { numRuns: 60 },
    );
  },
);
