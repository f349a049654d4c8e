import { setup } from "xstate";
import type { MessageOf } from "../bus/messages/index.ts";
import { actions } from "./names.ts";

type IoApicEvent = MessageOf<"irq.assert" | "irq.deassert" | "apic.eoi" | "mmio.read" | "mmio.write">;

/** The I/O APIC of one vm. What it has to tell is in its redirection entries: it is always ready. */
export const ioApicChart = setup({
  types: { events: {} as IoApicEvent },
  actions: actions("raisePin", "lowerPin", "endOfInterrupt", "readRegister", "writeRegister"),
}).createMachine({
  id: "ioapic",
  initial: "ready",
  states: {
    ready: {
      on: {
        "irq.assert": { actions: "raisePin" },
        "irq.deassert": { actions: "lowerPin" },
        "apic.eoi": { actions: "endOfInterrupt" },
        "mmio.read": { actions: "readRegister" },
        "mmio.write": { actions: "writeRegister" },
      },
    },
  },
});
