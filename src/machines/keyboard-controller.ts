import { setup } from "xstate";
import type { MessageOf } from "../bus/messages/index.ts";
import { actions, guards } from "./names.ts";

/** The keyboard controller (8042): `full` while a byte waits in its output buffer. */
export const keyboardControllerChart = setup({
  types: { events: {} as MessageOf<"io.read" | "io.write" | "clock.alarm" | "console.keys"> },
  actions: actions("readPort", "writePort", "alarm", "type"),
  guards: guards("outputFull", "outputEmpty"),
}).createMachine({
  id: "kbd",
  initial: "empty",
  on: {
    "io.read": { actions: "readPort" },
    "io.write": { actions: "writePort" },
    "clock.alarm": { actions: "alarm" },
    "console.keys": { actions: "type" },
  },
  states: {
    empty: { always: { guard: "outputFull", target: "full" } },
    full: { always: { guard: "outputEmpty", target: "empty" } },
  },
});
