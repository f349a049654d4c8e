import type { ConsoleInput, IoRead, IoWrite, MmioRead, MmioWrite } from "../bus/messages/index.ts";
import { allOnes } from "../devices/device.ts";
import type { DmaMemory } from "../devices/dma.ts";
import type { Bar } from "../devices/pci/bars.ts";
import { lineOfSlot } from "../devices/pci/chipset.ts";
import type { PciFunction } from "../devices/pci/function.ts";
import { PirqRouter, pirqOfSlot } from "../devices/pci/pirq-router.ts";
import { VirtioBlock } from "../devices/virtio/block.ts";
import { VirtioConsole } from "../devices/virtio/console.ts";
import type { VirtioDevice } from "../devices/virtio/device.ts";
import { VIRTIO_BARS, VirtioPci } from "../devices/virtio/pci.ts";
import { VirtioStatus } from "../devices/virtio/transport.ts";
import type { Disk } from "../disk/disk.ts";
import { virtioChart } from "../machines/virtio.ts";
import { SWITCHER } from "./addresses.ts";
import { BarRoutes, type BarSpaces } from "./bar-routes.ts";
import { type DeviceParts, IrqMessages, linesOf } from "./device-ports.ts";
import type { Stage } from "./stage.ts";

/** The first PCI device number of virtio functions. */
export const VIRTIO_SLOT = 3;
const IO_BASE = 0xc000;
const IO_PITCH = 0x80;
const MEMORY_BASE = 0xfe000000;
const MEMORY_PITCH = 0x4000;
const RECEIVE_QUEUE = 0;

/** A disk that the guest finds as /dev/vda and so on. */
export interface VirtioDisk {
  readonly disk: Disk;
  readonly readOnly?: boolean;
}

export interface VirtioParts extends DeviceParts {
  readonly dma: DmaMemory;
  /** The ISA bridge, which routes their interrupts. */
  readonly bridge: PciFunction;
  readonly disks: readonly VirtioDisk[];
  readonly console: boolean;
}

/** The virtio devices of one vm. */
export interface VirtioModels {
  /** Disks first, then the console. */
  readonly functions: readonly VirtioPci[];
  readonly console?: VirtioPci;
  /** Routes their windows to the actor, from now on and whenever the guest moves them. */
  connect(spaces: BarSpaces): void;
}

/** The virtio disks and console of one vm as an actor. */
export function addVirtio(stage: Stage, parts: VirtioParts): VirtioModels {
  const { addresses, dma } = parts;
  const functions: VirtioPci[] = [];
  let bars: BarRoutes<VirtioPci> | undefined;
  let console: VirtioPci | undefined;
  stage.add(addresses.virtio, virtioChart, (self) => {
    const router = new PirqRouter(parts.bridge, (line) => new IrqMessages(self, linesOf(parts), line));
    const add = (device: VirtioDevice): VirtioPci => {
      const n = functions.length;
      const slot = VIRTIO_SLOT + n;
      const line = lineOfSlot(slot);
      const place = { line, ioBase: IO_BASE + n * IO_PITCH, memoryBase: MEMORY_BASE + n * MEMORY_PITCH };
      const pci = new VirtioPci(device, dma, router.pin(pirqOfSlot(slot)), place);
      functions.push(pci);
      return pci;
    };
    for (const [n, { disk, readOnly = false }] of parts.disks.entries())
      add(new VirtioBlock({ disk, dma, readOnly, serial: `UMBRA-${n}` }));
    const transmit = (byte: number) => self.post(addresses.vm, { type: "console.output", byte });
    const terminal = new VirtioConsole({ dma, transmit });
    if (parts.console) console = add(terminal);
    const hasStatus = (bits: number) =>
      functions.some(({ transport }) => (transport.state.status & bits) !== 0);
    return {
      guards: {
        isLive: () => hasStatus(VirtioStatus.driverOk),
        isSilent: () => !hasStatus(VirtioStatus.driverOk),
        needsReset: () => hasStatus(VirtioStatus.needsReset),
        needsNoReset: () => !hasStatus(VirtioStatus.needsReset),
      },
      actions: {
        readPort: ({ event }) => {
          const { vcpu, port, size } = event as IoRead;
          const hit = bars?.find("io", port);
          const value = hit?.pci.transport.readLegacy(hit.offset, size) ?? allOnes(size);
          self.post(SWITCHER, { type: "io.data", vcpu, value });
        },
        writePort: ({ event }) => {
          const { vcpu, port, size, value } = event as IoWrite;
          const hit = bars?.find("io", port);
          hit?.pci.transport.writeLegacy(hit.offset, size, value);
          self.post(SWITCHER, { type: "io.done", vcpu });
        },
        readMemory: ({ event }) => {
          const { gpa, size } = event as MmioRead;
          const hit = bars?.find("memory", gpa);
          const read = (at: number, bytes: number) =>
            hit?.pci.transport.readModern(hit.offset + at, bytes) ?? allOnes(bytes);
          const value = size === 8 ? read(0, 4) + 2 ** 32 * read(4, 4) : read(0, size);
          self.post(addresses.mmu, { type: "mmio.data", value });
        },
        writeMemory: ({ event }) => {
          const { gpa, size, value } = event as MmioWrite;
          const hit = bars?.find("memory", gpa);
          const write = (at: number, bytes: number, part: number) =>
            hit?.pci.transport.writeModern(hit.offset + at, bytes, part);
          if (size === 8) {
            write(0, 4, value % 2 ** 32);
            write(4, 4, Math.floor(value / 2 ** 32));
          } else write(0, size, value);
          self.post(addresses.mmu, { type: "mmio.done" });
        },
        receive: ({ event }) => {
          terminal.receive((event as ConsoleInput).bytes);
          console?.transport.serve(RECEIVE_QUEUE);
        },
      },
    };
  });
  return {
    functions,
    ...(console && { console }),
    connect: (spaces) => {
      const windows = new Map<VirtioPci, readonly Bar[]>(functions.map((pci) => [pci, VIRTIO_BARS]));
      bars = new BarRoutes(addresses.virtio, windows, spaces);
    },
  };
}
