import { setup } from "xstate";
import type { MessageOf } from "../bus/messages/index.ts";
import { actions, guards } from "./names.ts";

type LocalApicEvent = MessageOf<
  | "apic.deliver"
  | "apic.read"
  | "apic.write"
  | "intr.request"
  | "intr.withdraw"
  | "intr.acknowledge"
  | "mmio.read"
  | "mmio.write"
  | "clock.alarm"
>;

/** The local APIC of one vcpu: `requesting` exactly while the processor is to be interrupted, by it or through it by the 8259 pair. */
export const localApicChart = setup({
  types: { events: {} as LocalApicEvent },
  actions: actions(
    "accept",
    "raiseExtInt",
    "lowerExtInt",
    "acknowledge",
    "readRegister",
    "writeRegister",
    "readMsr",
    "writeMsr",
    "alarm",
    "request",
    "withdraw",
  ),
  guards: guards("mustInterrupt", "needNotInterrupt"),
}).createMachine({
  id: "apic",
  initial: "quiescent",
  on: {
    "apic.deliver": { actions: "accept" },
    "intr.request": { actions: "raiseExtInt" },
    "intr.withdraw": { actions: "lowerExtInt" },
    "apic.read": { actions: "readMsr" },
    "apic.write": { actions: "writeMsr" },
    "mmio.read": { actions: "readRegister" },
    "mmio.write": { actions: "writeRegister" },
    "clock.alarm": { actions: "alarm" },
    // An acknowledge without a request is answered too: with the spurious vector.
    "intr.acknowledge": { target: ".quiescent", actions: "acknowledge" },
  },
  states: {
    quiescent: {
      always: { guard: "mustInterrupt", target: "requesting", actions: "request" },
    },
    requesting: {
      always: { guard: "needNotInterrupt", target: "quiescent", actions: "withdraw" },
    },
  },
});
