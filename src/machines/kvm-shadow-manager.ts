import { setup } from "xstate";
import type { MessageOf } from "../bus/messages/index.ts";
import { actions, guards } from "./names.ts";

type KvmShadowEvent = MessageOf<
  | "shadow.fault"
  | "shadow.write"
  | "shadow.load"
  | "shadow.invlpg"
  | "shadow.remapped"
  | "vm.budget"
  | "host.pressure"
  | "dirty.start"
  | "dirty.stop"
  | "dirty.read"
>;

/**
 * Keeps the shadow pages of one guest as KVM did: cached by role, found from the guest's frames by reverse maps, synchronised where the
 * guest flushes. Every turn ends in `idle`, with every TLB flushed that had to be.
 */
export const kvmShadowManagerChart = setup({
  types: { events: {} as KvmShadowEvent },
  actions: actions(
    "evict",
    "fill",
    "write",
    "release",
    "takeRoots",
    "syncRoots",
    "invalidate",
    "remap",
    "changeBudget",
    "relieve",
    "startLog",
    "stopLog",
    "readLog",
    "announce",
    "resolve",
    "resolveReload",
    "askEmulation",
    "confirmWrite",
    "confirmLoad",
    "confirmInvalidate",
    "askReload",
    "killGuest",
  ),
  guards: guards(
    "isShort",
    "lostRoot",
    "refused",
    "mustEmulate",
    "wentUnsync",
    "mustSync",
    "zapped",
    "isReload",
  ),
}).createMachine({
  id: "kvmShadow",
  initial: "idle",
  states: {
    idle: {
      on: {
        "shadow.fault": [
          { guard: "lostRoot", actions: ["askReload", "resolveReload"] },
          { guard: "isShort", target: "evicting" },
          { target: "filling" },
        ],
        "shadow.write": "writing",
        "shadow.load": [{ guard: "isReload", target: "rooting" }, { target: "releasing" }],
        "shadow.invlpg": "invalidating",
        "shadow.remapped": "remapping",
        "vm.budget": { target: "shrinking", actions: "changeBudget" },
        "host.pressure": { target: "shrinking", actions: "relieve" },
        "dirty.start": { target: "logging", actions: "startLog" },
        "dirty.stop": { target: "logging", actions: "stopLog" },
        "dirty.read": { target: "logging", actions: "readLog" },
      },
    },
    /** Too few shadow pages are left for a fault: the oldest go first. They may take the vcpu's own root with them. */
    evicting: {
      entry: ["evict", "announce"],
      always: [
        { guard: "refused", target: "refused", actions: "killGuest" },
        { guard: "lostRoot", target: "idle", actions: ["askReload", "resolveReload"] },
        { target: "filling" },
      ],
    },
    /** The path from the root to the leaf is walked, missing tables are made, the leaf is set, its neighbours are prefetched. */
    filling: {
      entry: ["fill", "announce"],
      always: [
        { guard: "refused", target: "refused", actions: "killGuest" },
        { guard: "lostRoot", target: "idle", actions: ["askReload", "resolveReload"] },
        { guard: "mustSync", target: "resyncing" },
        { guard: "mustEmulate", target: "idle", actions: "askEmulation" },
        { guard: "wentUnsync", target: "unsyncing" },
        { target: "idle", actions: "resolve" },
      ],
    },
    /** A cached page was linked below which the guest has written unseen: that is brought up to date before it runs. */
    resyncing: {
      entry: ["syncRoots", "announce"],
      always: [
        { guard: "refused", target: "refused", actions: "killGuest" },
        { guard: "mustEmulate", target: "idle", actions: "askEmulation" },
        { target: "idle", actions: "resolve" },
      ],
    },
    /** The page is a table of last level: the guest may write it from now on, and its shadow lags behind until the next sync. */
    unsyncing: {
      always: { target: "idle", actions: "resolve" },
    },
    /** A store into a guest table: memory first, then every shadow of it. */
    writing: {
      entry: ["write", "announce"],
      always: [
        { guard: "refused", target: "refused", actions: "killGuest" },
        { guard: "zapped", target: "zapping" },
        { target: "idle", actions: "confirmWrite" },
      ],
    },
    /** The store was one too many, or not one of an entry: the pages of that frame are gone, the vcpu's root maybe among them. */
    zapping: {
      always: [
        { guard: "lostRoot", target: "idle", actions: ["askReload", "confirmWrite"] },
        { target: "idle", actions: "confirmWrite" },
      ],
    },
    /** The paging registers have changed. The roots stay, synchronised, if they are those of the new values; else they are let go. */
    releasing: {
      entry: ["release", "announce"],
      always: [
        { guard: "refused", target: "refused", actions: "killGuest" },
        { guard: "lostRoot", target: "rooting" },
        { target: "idle", actions: "confirmLoad" },
      ],
    },
    /** Roots for the vcpu's registers: cached ones, or new ones; what they reach and the guest may have written since is synchronised. */
    rooting: {
      entry: ["takeRoots", "announce"],
      always: [
        { guard: "refused", target: "refused", actions: "killGuest" },
        { target: "idle", actions: "confirmLoad" },
      ],
    },
    /** One leaf of a page that is out of step is read anew. */
    invalidating: {
      entry: ["invalidate", "announce"],
      always: [
        { guard: "refused", target: "refused", actions: "killGuest" },
        { target: "idle", actions: "confirmInvalidate" },
      ],
    },
    /** Other frames lie behind some gfns: all pages go, and the vcpu gets new roots. */
    remapping: {
      entry: ["remap", "announce"],
      always: [{ guard: "refused", target: "refused", actions: "killGuest" }, { target: "idle" }],
    },
    /** Memory is wanted back. */
    shrinking: {
      entry: "announce",
      always: [{ guard: "lostRoot", target: "idle", actions: "askReload" }, { target: "idle" }],
    },
    /** The log of written pages was started, stopped or read: leaves lose W so that the next write is seen. */
    logging: {
      entry: "announce",
      always: "idle",
    },
    /** The guest could not be served, and is being killed. */
    refused: {},
  },
});
