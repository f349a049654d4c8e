import type { ConsoleKeys } from "../bus/messages/index.ts";
import { A20Gate } from "../devices/a20-gate.ts";
import { I8042 } from "../devices/i8042.ts";
import { PORT92, Port92 } from "../devices/port92.ts";
import { keyboardControllerChart } from "../machines/keyboard-controller.ts";
import {
  alarmAction,
  ClockMessages,
  type DeviceParts,
  IrqMessages,
  linesOf,
  portActions,
} from "./device-ports.ts";
import type { Stage } from "./stage.ts";

const KEYBOARD_LINE = 1;

export interface KeyboardParts extends DeviceParts {
  readonly hasKeyboard: boolean;
}

/** The keyboard controller, and the other port that moves address line 20. */
export interface KeyboardModels {
  readonly kbd: I8042;
  readonly port92: Port92;
}

/** The keyboard controller of one vm as an actor. Returns the models. */
export function addKeyboardController(stage: Stage, parts: KeyboardParts): KeyboardModels {
  const { addresses, time, hasKeyboard } = parts;
  let models: KeyboardModels | undefined;
  stage.add(addresses.kbd, keyboardControllerChart, (self) => {
    const reset = (by: string) => () => self.post(addresses.vm, { type: "vm.reset", by });
    const a20 = new A20Gate((open) => self.post(addresses.mmu, { type: "mmu.a20", open }));
    const clock = new ClockMessages(self, addresses.clock, time);
    const kbd = new I8042({
      irq: new IrqMessages(self, linesOf(parts), KEYBOARD_LINE),
      reset: reset("the keyboard controller"),
      a20,
      clock,
      hasKeyboard,
    });
    const port92 = new Port92(a20, reset("port 0x92"));
    models = { kbd, port92 };
    return {
      guards: { outputFull: () => kbd.state.output >= 0, outputEmpty: () => kbd.state.output < 0 },
      actions: {
        ...portActions(self, (port) => (port === PORT92 ? port92 : kbd)),
        alarm: alarmAction(clock, kbd),
        type: ({ event }) => kbd.type((event as ConsoleKeys).strokes),
      },
    };
  });
  return models as KeyboardModels;
}
