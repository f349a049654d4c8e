import { I8042 } from "../devices/i8042.ts";
import { keyboardControllerChart } from "../machines/keyboard-controller.ts";
import { type DeviceParts, IrqMessages, linesOf, portActions } from "./device-ports.ts";
import type { Stage } from "./stage.ts";

const KEYBOARD_LINE = 1;

export interface KeyboardParts extends Omit<DeviceParts, "time"> {
  readonly hasKeyboard: boolean;
}

/** The keyboard controller of one vm as an actor. Returns the model. */
export function addKeyboardController(stage: Stage, parts: KeyboardParts): I8042 {
  const { addresses, hasKeyboard } = parts;
  let model: I8042 | undefined;
  stage.add(addresses.kbd, keyboardControllerChart, (self) => {
    const kbd = new I8042({
      irq: new IrqMessages(self, linesOf(parts), KEYBOARD_LINE),
      reset: () => self.post(addresses.vm, { type: "vm.reset", by: "the keyboard controller" }),
      hasKeyboard,
    });
    model = kbd;
    return {
      guards: { outputFull: () => kbd.state.output >= 0, outputEmpty: () => kbd.state.output < 0 },
      actions: portActions(self, () => kbd),
    };
  });
  return model as I8042;
}
