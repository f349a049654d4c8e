import { setup } from "xstate";
import type { MessageOf } from "../bus/messages/index.ts";
import { actions, guards } from "./names.ts";

/** One channel of the disk controller: `busy` with a command, `transferring` while the guest moves a block of it. */
export const ideChart = setup({
  types: { events: {} as MessageOf<"io.read" | "io.write" | "clock.alarm"> },
  actions: actions("readPort", "writePort", "alarm"),
  guards: guards("isBusy", "isTransferring", "isIdle"),
}).createMachine({
  id: "ide",
  initial: "idle",
  on: {
    "io.read": { actions: "readPort" },
    "io.write": { actions: "writePort" },
    "clock.alarm": { actions: "alarm" },
  },
  states: {
    idle: {
      always: [
        { guard: "isBusy", target: "busy" },
        { guard: "isTransferring", target: "transferring" },
      ],
    },
    busy: {
      always: [
        { guard: "isTransferring", target: "transferring" },
        { guard: "isIdle", target: "idle" },
      ],
    },
    transferring: {
      always: [
        { guard: "isBusy", target: "busy" },
        { guard: "isIdle", target: "idle" },
      ],
    },
  },
});
