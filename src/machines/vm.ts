import { setup } from "xstate";
import type { MessageOf } from "../bus/messages/index.ts";
import { actions, guards } from "./names.ts";

type VmEvent = MessageOf<
  | "vm.boot"
  | "vm.pause"
  | "vm.resume"
  | "vm.kill"
  | "vm.halt"
  | "vm.shutdown"
  | "vm.reset"
  | "vm.exit"
  | "vm.fail"
  | "sched.suspended"
  | "sched.asleep"
  | "sched.awake"
  | "sched.removed"
  | "console.output"
  | "console.log"
>;

/** It stays paused. */
const RESETS_WHILE_PAUSED = {
  "vm.reset": { guard: "mayRestart", target: "resetting.toPause", actions: "suspend" },
  "vm.shutdown": { guard: "mayRestart", target: "resetting.toPause", actions: "suspend" },
} as const;

/**
 * The supervisor of one vm. It ends in exactly one of the six last states, and then its frames are returned. While it may restart, a reset or a
 * triple fault is no end: it waits until the Switcher has let go of every vcpu, and then all is made anew.
 */
export const vmChart = setup({
  types: { events: {} as VmEvent },
  actions: actions(
    "start",
    "suspend",
    "restart",
    "resume",
    "retire",
    "countAnswer",
    "release",
    "emitOutput",
    "emitLog",
  ),
  guards: guards("isSuspended", "mayRestart", "isLastAnswer"),
}).createMachine({
  id: "vm",
  initial: "created",
  on: {
    "console.output": { actions: "emitOutput" },
    "console.log": { actions: "emitLog" },
  },
  states: {
    created: {
      on: {
        "vm.boot": { target: "active", actions: "start" },
        "vm.kill": { target: "ended.killed", actions: "retire" },
        "vm.fail": { target: "ended.failed", actions: "retire" },
      },
    },
    active: {
      initial: "running",
      on: {
        "vm.kill": { target: "ended.killed", actions: "retire" },
        "vm.halt": { target: "ended.halted", actions: "retire" },
        "vm.shutdown": [
          { guard: "mayRestart", target: ".resetting", actions: "suspend" },
          { target: "ended.shutdown", actions: "retire" },
        ],
        "vm.reset": [
          { guard: "mayRestart", target: ".resetting", actions: "suspend" },
          { target: "ended.reset", actions: "retire" },
        ],
        "vm.exit": { target: "ended.exited", actions: "retire" },
        "vm.fail": { target: "ended.failed", actions: "retire" },
      },
      states: {
        running: {
          on: {
            "vm.pause": { target: "pausing", actions: "suspend" },
            "sched.asleep": "waiting",
          },
        },
        /** The guest is halted and only input can wake it. */
        waiting: {
          on: {
            "vm.pause": { target: "pausing", actions: "suspend" },
            "sched.awake": "running",
          },
        },
        pausing: {
          on: {
            ...RESETS_WHILE_PAUSED,
            "sched.suspended": { guard: "isSuspended", target: "paused" },
            "vm.resume": { target: "running", actions: "resume" },
          },
        },
        paused: {
          on: { ...RESETS_WHILE_PAUSED, "vm.resume": { target: "running", actions: "resume" } },
        },
        resetting: {
          // One at a time: processors may ask for it side by side.
          on: { "vm.reset": {}, "vm.shutdown": {} },
          initial: "toRun",
          states: {
            toRun: {
              on: {
                "sched.suspended": {
                  guard: "isSuspended",
                  target: "#vm.active.running",
                  actions: ["restart", "resume"],
                },
                "vm.pause": "toPause",
              },
            },
            toPause: {
              on: {
                "sched.suspended": { guard: "isSuspended", target: "#vm.active.paused", actions: "restart" },
                "vm.resume": "toRun",
              },
            },
          },
        },
      },
    },
    ended: {
      initial: "killed",
      // Not before the Switcher has let go of every vcpu: until then an exit of it may be under way.
      on: {
        "sched.removed": [{ guard: "isLastAnswer", actions: "release" }, { actions: "countAnswer" }],
      },
      states: {
        /** It broke a rule, reached its limit, or its owner wanted it gone. */
        killed: {},
        /** HLT with interrupts off, or switched off. */
        halted: {},
        /** Triple fault. */
        shutdown: {},
        /** It asked for a reset. */
        reset: {},
        /** It ended itself, with an exit code. */
        exited: {},
        /** The monitor has a defect. */
        failed: {},
      },
    },
  },
});
