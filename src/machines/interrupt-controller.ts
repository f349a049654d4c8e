import { setup } from "xstate";
import type { MessageOf } from "../bus/messages/index.ts";
import { actions, guards } from "./names.ts";

type ControllerEvent = MessageOf<"irq.assert" | "irq.deassert" | "intr.acknowledge" | "io.read" | "io.write">;

/** The interrupt controller of one vm: `requesting` exactly while its INTR pin is high. */
export const interruptControllerChart = setup({
  types: { events: {} as ControllerEvent },
  actions: actions("raiseLine", "lowerLine", "acknowledge", "readPort", "writePort", "request", "withdraw"),
  guards: guards("pinHigh", "pinLow"),
}).createMachine({
  id: "pic",
  initial: "quiescent",
  on: {
    "irq.assert": { actions: "raiseLine" },
    "irq.deassert": { actions: "lowerLine" },
    "io.read": { actions: "readPort" },
    "io.write": { actions: "writePort" },
    // An acknowledge without a request is answered too: with the spurious vector.
    "intr.acknowledge": { target: ".quiescent", actions: "acknowledge" },
  },
  states: {
    quiescent: {
      always: { guard: "pinHigh", target: "requesting", actions: "request" },
    },
    requesting: {
      always: { guard: "pinLow", target: "quiescent", actions: "withdraw" },
    },
  },
});
