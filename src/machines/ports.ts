import { setup } from "xstate";
import type { MessageOf } from "../bus/messages/index.ts";
import { actions } from "./names.ts";

/** All that has no state worth a chart: PCI configuration, POST codes, power management, debug console and exit, fw_cfg, text mode VGA, and whatever nobody claims, memory included. */
export const portsChart = setup({
  types: { events: {} as MessageOf<"io.read" | "io.write" | "mmio.read" | "mmio.write"> },
  actions: actions("readPort", "writePort", "readMemory", "writeMemory"),
}).createMachine({
  id: "ports",
  initial: "ready",
  states: {
    ready: {
      on: {
        "io.read": { actions: "readPort" },
        "io.write": { actions: "writePort" },
        "mmio.read": { actions: "readMemory" },
        "mmio.write": { actions: "writeMemory" },
      },
    },
  },
});
