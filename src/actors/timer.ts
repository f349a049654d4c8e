import { I8254 } from "../devices/i8254.ts";
import { PORT61, Port61 } from "../devices/port61.ts";
import { timerChart } from "../machines/timer.ts";
import {
  alarmAction,
  ClockMessages,
  type DeviceParts,
  IrqMessages,
  linesOf,
  portActions,
} from "./device-ports.ts";
import type { Stage } from "./stage.ts";

const TIMER_LINE = 0;

/** The interval timer of one vm as an actor, with port 0x61, which gates and reads its counter 2. Returns the models. */
export function addTimer(stage: Stage, parts: DeviceParts): { readonly pit: I8254; readonly port61: Port61 } {
  const { addresses, time } = parts;
  let models: { readonly pit: I8254; readonly port61: Port61 } | undefined;
  stage.add(addresses.timer, timerChart, (self) => {
    const clock = new ClockMessages(self, addresses.clock, time);
    const pit = new I8254(new IrqMessages(self, linesOf(parts), TIMER_LINE), clock);
    const port61 = new Port61(pit, clock);
    models = { pit, port61 };
    return {
      guards: { hasAlarm: () => clock.hasAlarm, hasNoAlarm: () => !clock.hasAlarm },
      actions: {
        ...portActions(self, (port) => (port === PORT61 ? port61 : pit)),
        alarm: alarmAction(clock, pit),
      },
    };
  });
  return models as NonNullable<typeof models>;
}
