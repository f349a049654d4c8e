import { setup } from "xstate";
import type { MessageOf } from "../bus/messages/index.ts";
import { actions, guards } from "./names.ts";

/** The serial port (16550A) of the console. */
export const uartChart = setup({
  types: { events: {} as MessageOf<"io.read" | "io.write" | "clock.alarm" | "console.input"> },
  actions: actions("readPort", "writePort", "alarm", "receive"),
  guards: guards("holdsInput", "holdsNoInput", "lineHigh", "lineLow"),
}).createMachine({
  id: "uart",
  type: "parallel",
  on: {
    "io.read": { actions: "readPort" },
    "io.write": { actions: "writePort" },
    "clock.alarm": { actions: "alarm" },
    "console.input": { actions: "receive" },
  },
  states: {
    /** Input that the guest has not read. */
    receiver: {
      initial: "empty",
      states: {
        empty: { always: { guard: "holdsInput", target: "holding" } },
        holding: { always: { guard: "holdsNoInput", target: "empty" } },
      },
    },
    /** Its interrupt line. */
    interrupt: {
      initial: "released",
      states: {
        released: { always: { guard: "lineHigh", target: "asserted" } },
        asserted: { always: { guard: "lineLow", target: "released" } },
      },
    },
  },
});
