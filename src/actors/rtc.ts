import { Mc146818, type Mc146818State } from "../devices/mc146818.ts";
import { rtcChart } from "../machines/rtc.ts";
import {
  alarmAction,
  ClockMessages,
  type DeviceParts,
  IrqMessages,
  linesOf,
  portActions,
} from "./device-ports.ts";
import type { Stage } from "./stage.ts";

const RTC_LINE = 8;

export interface RtcParts extends DeviceParts {
  readonly memoryBytes: number;
  readonly cpus?: number;
  /** Of the four IDE disks, undefined where there is none. */
  readonly diskSectors?: readonly (number | undefined)[];
  /** The clock's time at power-on, in seconds since 1970; the model's default if not given. */
  readonly epochSeconds?: number;
  /** What the clock's battery has kept over a reset. */
  readonly kept?: Mc146818State;
}

/** The real-time clock of one vm as an actor. Returns the model. */
export function addRtc(stage: Stage, parts: RtcParts): Mc146818 {
  const { addresses, time, memoryBytes, cpus, diskSectors, epochSeconds, kept } = parts;
  let model: Mc146818 | undefined;
  stage.add(addresses.rtc, rtcChart, (self) => {
    const clock = new ClockMessages(self, addresses.clock, time);
    const irq = new IrqMessages(self, linesOf(parts), RTC_LINE);
    const rtc = new Mc146818({
      irq,
      clock,
      memoryBytes,
      ...(cpus !== undefined && { cpus }),
      ...(diskSectors !== undefined && { diskSectors }),
      ...(epochSeconds !== undefined && { epochSeconds }),
      ...(kept !== undefined && { kept }),
    });
    model = rtc;
    return {
      guards: { hasAlarm: () => clock.hasAlarm, hasNoAlarm: () => !clock.hasAlarm },
      actions: { ...portActions(self, () => rtc), alarm: alarmAction(clock, rtc) },
    };
  });
  return model as Mc146818;
}
