import { setup } from "xstate";
import type { MessageOf } from "../bus/messages/index.ts";
import { actions, guards } from "./names.ts";

type ShadowEvent = MessageOf<"shadow.fault" | "shadow.cr" | "shadow.invlpg" | "shadow.remapped">;

/** Keeps the shadow tables of one guest, by the policy of its pager. */
export const shadowManagerChart = setup({
  types: { events: {} as ShadowEvent },
  actions: actions(
    "fill",
    "announceFill",
    "resolve",
    "killGuest",
    "flush",
    "confirmFlush",
    "invalidate",
    "confirmInvalidate",
    "remap",
  ),
  guards: guards("filled"),
}).createMachine({
  id: "shadow",
  initial: "idle",
  states: {
    idle: {
      on: {
        "shadow.fault": "filling",
        "shadow.cr": "zapping",
        "shadow.invlpg": { actions: ["invalidate", "confirmInvalidate"] },
        "shadow.remapped": { actions: "remap" },
      },
    },
    filling: {
      entry: "fill",
      always: [
        { guard: "filled", target: "idle", actions: ["announceFill", "resolve"] },
        { target: "refused", actions: "killGuest" },
      ],
    },
    /** Entries that the change of paging registers made stale are dropped. */
    zapping: {
      entry: "flush",
      always: { target: "idle", actions: "confirmFlush" },
    },
    /** The pager could not serve the guest, which is being killed. */
    refused: {},
  },
});
