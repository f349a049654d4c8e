import { setup } from "xstate";
import type { MessageOf } from "../bus/messages/index.ts";
import { actions } from "./names.ts";

type RootsEvent = MessageOf<"shadow.cr" | "shadow.reload" | "shadow.loaded">;

/**
 * The roots of one vcpu under kvm: which are on the hardware, and whether they still may be. The CPU runs only when the bus is quiet, so
 * a load that was asked for is always served before the next instruction.
 */
export const kvmRootsChart = setup({
  types: { events: {} as RootsEvent },
  actions: actions("askLoad", "noteRoot", "confirm"),
}).createMachine({
  id: "kvmRoots",
  initial: "none",
  states: {
    /** Power-on: the first fault asks for them. */
    none: {
      on: { "shadow.cr": "switching", "shadow.reload": "reloading" },
    },
    /** The guest has changed its paging registers: other roots, cached ones most of the time. */
    switching: {
      entry: "askLoad",
      on: {
        "shadow.loaded": { target: "loaded", actions: ["noteRoot", "confirm"] },
      },
    },
    loaded: {
      on: { "shadow.cr": "switching", "shadow.reload": "stale" },
    },
    /** A root has been zapped under the vcpu. */
    stale: {
      always: "reloading",
    },
    reloading: {
      entry: "askLoad",
      on: {
        "shadow.cr": "switching",
        "shadow.loaded": { target: "loaded", actions: "noteRoot" },
      },
    },
  },
});
