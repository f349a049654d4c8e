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
>;

/** The supervisor of one vm. It ends in exactly one of the six last states, and then its frames are returned. */
export const vmChart = setup({
  types: { events: {} as VmEvent },
  actions: actions("start", "suspend", "countAnswer", "resume", "retire", "release", "emitOutput"),
  guards: guards("isLastAnswer"),
}).createMachine({
  id: "vm",
  initial: "created",
  on: {
    "console.output": { actions: "emitOutput" },
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
        "vm.shutdown": { target: "ended.shutdown", actions: "retire" },
        "vm.reset": { target: "ended.reset", actions: "retire" },
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
            "sched.suspended": [{ guard: "isLastAnswer", target: "paused" }, { actions: "countAnswer" }],
            "vm.resume": { target: "running", actions: "resume" },
          },
        },
        paused: {
          on: { "vm.resume": { target: "running", actions: "resume" } },
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
