import { setup } from "xstate";
import type { MessageOf } from "../bus/messages/index.ts";
import { actions, guards } from "./names.ts";

type VirtioEvent = MessageOf<"io.read" | "io.write" | "mmio.read" | "mmio.write" | "console.input">;

/** The virtio devices of one vm. `broken` while one of them waits for the reset that its driver owes it. */
export const virtioChart = setup({
  types: { events: {} as VirtioEvent },
  actions: actions("readPort", "writePort", "readMemory", "writeMemory", "receive"),
  guards: guards("isLive", "isSilent", "needsReset", "needsNoReset"),
}).createMachine({
  id: "virtio",
  type: "parallel",
  on: {
    "io.read": { actions: "readPort" },
    "io.write": { actions: "writePort" },
    "mmio.read": { actions: "readMemory" },
    "mmio.write": { actions: "writeMemory" },
    "console.input": { actions: "receive" },
  },
  states: {
    /** Whether drivers drive any of them. */
    drivers: {
      initial: "absent",
      states: {
        absent: { always: { guard: "isLive", target: "present" } },
        present: { always: { guard: "isSilent", target: "absent" } },
      },
    },
    /** A driver that breaks the rules of its rings. */
    rings: {
      initial: "sound",
      states: {
        sound: { always: { guard: "needsReset", target: "broken" } },
        broken: { always: { guard: "needsNoReset", target: "sound" } },
      },
    },
  },
});
