import type { ConsoleInput } from "../bus/messages/index.ts";
import { COM1, Uart16550 } from "../devices/uart16550.ts";
import { uartChart } from "../machines/uart.ts";
import {
  alarmAction,
  ClockMessages,
  type DeviceParts,
  IrqMessages,
  linesOf,
  portActions,
} from "./device-ports.ts";
import type { Stage } from "./stage.ts";

/** The serial port of one vm's console (COM1) as an actor. Returns the model. */
export function addUart(stage: Stage, parts: DeviceParts): Uart16550 {
  const { addresses, time } = parts;
  let model: Uart16550 | undefined;
  stage.add(addresses.uart, uartChart, (self) => {
    const clock = new ClockMessages(self, addresses.clock, time);
    const irq = new IrqMessages(self, linesOf(parts), COM1.irq);
    const uart = new Uart16550({
      name: "com1",
      base: COM1.base,
      irq,
      clock,
      transmit: (byte) => self.post(addresses.vm, { type: "console.output", byte }),
    });
    model = uart;
    return {
      guards: {
        holdsInput: () => uart.pendingInput() > 0,
        holdsNoInput: () => uart.pendingInput() === 0,
        lineHigh: () => irq.level,
        lineLow: () => !irq.level,
      },
      actions: {
        ...portActions(self, () => uart),
        alarm: alarmAction(clock, uart),
        receive: ({ event }) => uart.receive((event as ConsoleInput).bytes),
      },
    };
  });
  return model as Uart16550;
}
