import { setup } from "xstate";
import type { MessageOf } from "../bus/messages/index.ts";
import { actions, guards } from "./names.ts";

/**
 * The PC's logic between the x87's FERR# pin, IRQ 13 and IGNNE#: an error raises the line, the handler's write to port 0xF0 lowers it and lets
 * the x87's instructions through until the next error.
 */
export const coprocessorChart = setup({
  types: { events: {} as MessageOf<"fpu.error" | "io.read" | "io.write"> },
  actions: actions("assertLine", "deassertLine", "freeze", "ignore", "readPort", "writePort"),
  guards: guards("isFresh", "clearsBusy"),
}).createMachine({
  id: "coprocessor",
  initial: "quiet",
  on: {
    "fpu.error": { target: ".signalled", actions: ["assertLine", "freeze"] },
    "io.read": { actions: "readPort" },
    "io.write": { actions: "writePort" },
  },
  states: {
    quiet: {},
    /** IRQ 13 is high. */
    signalled: {
      on: {
        "io.write": [
          { guard: "clearsBusy", target: "ignoring", actions: ["deassertLine", "writePort"] },
          { actions: "writePort" },
        ],
      },
    },
    /** IGNNE# is asserted. */
    ignoring: {
      on: {
        "fpu.error": [
          { guard: "isFresh", target: "signalled", actions: ["assertLine", "freeze"] },
          { actions: "ignore" },
        ],
      },
    },
  },
});
