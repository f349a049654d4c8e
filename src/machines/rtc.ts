import { setup } from "xstate";
import type { MessageOf } from "../bus/messages/index.ts";
import { actions, guards } from "./names.ts";

/** The real-time clock (MC146818): `watching` while an interrupt of it (periodic, alarm, update) will come due. */
export const rtcChart = setup({
  types: { events: {} as MessageOf<"io.read" | "io.write" | "clock.alarm"> },
  actions: actions("readPort", "writePort", "alarm"),
  guards: guards("hasAlarm", "hasNoAlarm"),
}).createMachine({
  id: "rtc",
  initial: "quiet",
  on: {
    "io.read": { actions: "readPort" },
    "io.write": { actions: "writePort" },
    "clock.alarm": { actions: "alarm" },
  },
  states: {
    quiet: { always: { guard: "hasAlarm", target: "watching" } },
    watching: { always: { guard: "hasNoAlarm", target: "quiet" } },
  },
});
