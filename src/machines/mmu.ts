import { setup } from "xstate";
import type { MessageOf } from "../bus/messages/index.ts";
import { actions, guards } from "./names.ts";

type MmuEvent = MessageOf<
  | "mmu.fault"
  | "mmu.unbacked"
  | "mmu.a20"
  | "mmu.upper"
  | "shadow.resolved"
  | "shadow.emulate"
  | "shadow.written"
  | "mmio.data"
  | "mmio.done"
>;

/** The MMU of one vcpu: whose fault is it, and who must act. */
export const mmuChart = setup({
  types: { events: {} as MmuEvent },
  actions: actions(
    "walkGuest",
    "reflect",
    "askShadow",
    "askDevice",
    "resolve",
    "emulate",
    "locate",
    "locateWalked",
    "askStore",
    "answerStore",
    "answerRead",
    "answerProbe",
    "refuseFetch",
    "moveA20",
    "showUpper",
    "remapShadow",
  ),
  guards: guards("guestForbids", "isBegun", "isFetch", "isProbe", "isDevice", "isRead"),
}).createMachine({
  id: "mmu",
  initial: "idle",
  on: {
    /** The chip set shows other memory. */
    "mmu.a20": { actions: ["moveA20", "remapShadow"] },
    "mmu.upper": { actions: ["showUpper", "remapShadow"] },
  },
  states: {
    idle: {
      on: {
        "mmu.fault": "classifying",
        "mmu.unbacked": { target: "emulating", actions: "askDevice" },
      },
    },
    /** The guest's own tables were walked for the access; the verdict decides. */
    classifying: {
      entry: "walkGuest",
      always: [
        { guard: "guestForbids", target: "idle", actions: "reflect" },
        { guard: "isBegun", target: "decoding", actions: "locateWalked" },
        { target: "awaitingShadow", actions: "askShadow" },
      ],
    },
    /** The guest allows it: the ShadowManager makes the shadow agree. (Where no frame backs it, an mmio exit will follow.) */
    awaitingShadow: {
      on: {
        "shadow.resolved": { target: "idle", actions: "resolve" },
        "shadow.emulate": { target: "decoding", actions: "locate" },
      },
    },
    /** The access is to be done for the guest: what is it? One part of an instruction at a time; the instruction is begun anew after each. */
    decoding: {
      always: [
        { guard: "isFetch", target: "idle", actions: "refuseFetch" },
        { guard: "isProbe", target: "idle", actions: "answerProbe" },
        { guard: "isDevice", target: "emulating", actions: "askDevice" },
        { guard: "isRead", target: "idle", actions: "answerRead" },
        { target: "storing", actions: "askStore" },
      ],
    },
    /** A store into a guest table: the ShadowManager writes the memory and follows. */
    storing: {
      on: { "shadow.written": { target: "idle", actions: "answerStore" } },
    },
    /** No frame backs the address: a device answers. */
    emulating: {
      on: {
        "mmio.data": { target: "idle", actions: "emulate" },
        "mmio.done": { target: "idle", actions: "emulate" },
      },
    },
  },
});
