import { setup } from "xstate";
import type { MessageOf } from "../bus/messages/index.ts";
import { actions, guards } from "./names.ts";

/** The interval timer (8254) and port 0x61: `counting` exactly while its counter 0 will change its output again. */
export const timerChart = setup({
  types: { events: {} as MessageOf<"io.read" | "io.write" | "clock.alarm"> },
  actions: actions("readPort", "writePort", "alarm"),
  guards: guards("hasAlarm", "hasNoAlarm"),
}).createMachine({
  id: "timer",
  initial: "stopped",
  on: {
    "io.read": { actions: "readPort" },
    "io.write": { actions: "writePort" },
    "clock.alarm": { actions: "alarm" },
  },
  states: {
    stopped: { always: { guard: "hasAlarm", target: "counting" } },
    counting: { always: { guard: "hasNoAlarm", target: "stopped" } },
  },
});
