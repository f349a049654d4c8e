import { IdeChannel } from "../devices/ide/channel.ts";
import { IDE_CHANNELS } from "../devices/ide/registers.ts";
import type { Disk } from "../disk/disk.ts";
import { ideChart } from "../machines/ide.ts";
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
}

/** One channel of the disk controller of one vm as an actor. Returns the model. */
export function addIde(stage: Stage, parts: IdeParts): IdeChannel {
  const { addresses, time, index, disks } = parts;
  let model: IdeChannel | undefined;
  stage.add(index === 0 ? addresses.ide0 : addresses.ide1, ideChart, (self) => {
    const clock = new ClockMessages(self, addresses.clock, time);
    const irq = new IrqMessages(self, linesOf(parts), IDE_CHANNELS[index]?.line as number);
    const channel = new IdeChannel({ index, disks, irq, clock });
    model = channel;
    return {
      guards: {
        isBusy: () => channel.isBusy,
        isTransferring: () => channel.isTransferring,
        isIdle: () => !channel.isBusy && !channel.isTransferring,
      },
      actions: {
        ...portRunActions(self, time, () => channel),
        alarm: alarmAction(clock, channel),
      },
    };
  });
  return model as IdeChannel;
}
