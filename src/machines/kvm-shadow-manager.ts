import { setup } from "xstate";
import type { MessageOf } from "../bus/messages/index.ts";
import { actions, guards } from "./names.ts";

type KvmShadowEvent = MessageOf<
  | "shadow.fault"
  | "shadow.write"
  | "shadow.load"
  | "shadow.invlpg"
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
    "takeRoots",
    "syncRoots",
    "invalidate",
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
    "tellDirty",
    "askReload",
    "killGuest",
  ),
  guards: guards("isShort", "lostRoot", "refused", "mustEmulate", "wentUnsync", "zapped"),
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
        "shadow.load": "rooting",
        "shadow.invlpg": "invalidating",
        "vm.budget": { target: "shrinking", actions: "changeBudget" },
        "host.pressure": { target: "shrinking", actions: "relieve" },
        "dirty.start": { target: "logging", actions: "startLog" },
        "dirty.stop": { target: "logging", actions: "stopLog" },
        "dirty.read": { target: "logging", actions: ["readLog", "tellDirty"] },
      },
    },
    /** Too few shadow pages are left for a fault: the oldest go first. They may take the vcpu's own root with them. */
    evicting: {
      entry: ["evict", "announce"],
      always: [
        { guard: "lostRoot", target: "idle", actions: ["askReload", "resolveReload"] },
        { target: "filling" },
      ],
    },
    /** The path from the root to the leaf is walked, missing tables are made, the leaf is set, its neighbours are prefetched. */
    filling: {
      entry: ["fill", "announce"],
      always: [
        { guard: "refused", target: "refused", actions: "killGuest" },
        { guard: "mustEmulate", target: "idle", actions: "askEmulation" },
        { guard: "lostRoot", target: "idle", actions: ["askReload", "resolveReload"] },
        { guard: "wentUnsync", target: "unsyncing" },
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
    /** Roots for the vcpu's registers: cached ones, or new ones. */
    rooting: {
      entry: "takeRoots",
      always: [{ guard: "refused", target: "refused", actions: "killGuest" }, { target: "resyncing" }],
    },
    /** What the roots reach and the guest may have written since is brought up to date. */
    resyncing: {
      entry: ["syncRoots", "announce"],
      always: { target: "idle", actions: "confirmLoad" },
    },
    /** One leaf of a page that is out of step is read anew. */
    invalidating: {
      entry: ["invalidate", "announce"],
      always: { target: "idle", actions: "confirmInvalidate" },
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
