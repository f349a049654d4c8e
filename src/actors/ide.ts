import { allOnes, type PortDevice } from "../devices/device.ts";
import type { DmaMemory } from "../devices/dma.ts";
import { BUS_MASTER_BYTES } from "../devices/ide/bus-master.ts";
import { IdeChannel } from "../devices/ide/channel.ts";
import { IDE_CHANNELS } from "../devices/ide/registers.ts";
import type { Bar } from "../devices/pci/bars.ts";
import { BUS_MASTER_BAR, mastersBus } from "../devices/pci/chipset.ts";
import type { PciFunction } from "../devices/pci/function.ts";
import type { Disk } from "../disk/disk.ts";
import { ideChart } from "../machines/ide.ts";
import { BarRoutes, type BarSpaces } from "./bar-routes.ts";
import {
  alarmAction,
  ClockMessages,
  type DeviceParts,
  IrqMessages,
  linesOf,
  portRunActions,
} from "./device-ports.ts";
import type { Stage } from "./stage.ts";

export interface IdeParts extends DeviceParts {
  /** 0 or 1: the primary or the secondary channel. */
  readonly index: number;
  readonly disks: readonly (Disk | undefined)[];
  /** In CD drives. */
  readonly discs: readonly (Disk | undefined)[];
  /** The controller on the PCI bus, and memory for its bus master. */
  readonly pci: PciFunction;
  readonly dma: DmaMemory;
}

/** One channel of the disk controller of one vm. */
export interface IdeModel {
  readonly actor: string;
  readonly channel: IdeChannel;
  /** Routes the registers of its bus master to the actor, from now on and whenever the guest moves them. */
  connect(spaces: BarSpaces): void;
}

/** One channel of the disk controller of one vm as an actor. */
export function addIde(stage: Stage, parts: IdeParts): IdeModel {
  const { addresses, time, index, disks, discs, pci, dma } = parts;
  const actor = index === 0 ? addresses.ide0 : addresses.ide1;
  const window: Bar = {
    ...BUS_MASTER_BAR,
    sizeBytes: BUS_MASTER_BYTES,
    offset: index * BUS_MASTER_BYTES,
  };
  let bars: BarRoutes<PciFunction> | undefined;
  let model: IdeChannel | undefined;
  stage.add(actor, ideChart, (self) => {
    const clock = new ClockMessages(self, addresses.clock, time);
    const irq = new IrqMessages(self, linesOf(parts), IDE_CHANNELS[index]?.line as number);
    const channel = new IdeChannel({
      index,
      disks,
      discs,
      irq,
      clock,
      dma,
      mastersBus: () => mastersBus(pci),
    });
    const busMaster: PortDevice = {
      name: `${channel.name}-bus-master`,
      ports: [],
      readPort: (port, size) => {
        const hit = bars?.find("io", port);
        return hit === undefined ? allOnes(size) : channel.busMaster.read(hit.offset, size);
      },
      writePort: (port, size, value) => {
        const hit = bars?.find("io", port);
        if (hit !== undefined) channel.busMaster.write(hit.offset, size, value);
      },
    };
    model = channel;
    return {
      guards: {
        isBusy: () => channel.isBusy,
        isTransferring: () => channel.isTransferring,
        isIdle: () => !channel.isBusy && !channel.isTransferring,
      },
      actions: {
        ...portRunActions(self, time, (port) => (channel.hasPort(port) ? channel : busMaster)),
        alarm: alarmAction(clock, channel),
      },
    };
  });
  return {
    actor,
    channel: model as IdeChannel,
    connect: (spaces) => {
      bars = new BarRoutes(actor, new Map([[pci, [window]]]), spaces);
    },
  };
}
