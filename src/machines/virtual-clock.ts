import { setup } from "xstate";
import type { MessageOf } from "../bus/messages/index.ts";
import { actions, guards } from "./names.ts";

type ClockEvent = MessageOf<"clock.arm" | "clock.cancel" | "clock.advance" | "clock.idle">;

/** The virtual time of one vm and the alarms of its devices: `armed` exactly while an alarm is set. */
export const virtualClockChart = setup({
  types: { events: {} as ClockEvent },
  actions: actions("arm", "cancel", "ring", "confirmAdvance", "jump", "confirmJump", "reportNone"),
  guards: guards("hasAlarm", "hasNoAlarm"),
}).createMachine({
  id: "clock",
  initial: "idle",
  on: {
    "clock.arm": { actions: "arm" },
    "clock.cancel": { actions: "cancel" },
    "clock.advance": { actions: ["ring", "confirmAdvance"] },
  },
  states: {
    idle: {
      on: { "clock.idle": { actions: "reportNone" } },
      always: { guard: "hasAlarm", target: "armed" },
    },
    armed: {
      on: { "clock.idle": { actions: ["jump", "ring", "confirmJump"] } },
      always: { guard: "hasNoAlarm", target: "idle" },
    },
  },
});
