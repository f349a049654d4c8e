import { setup } from "xstate";
import type { ClockMessage, CpuMessage, TrapMessage } from "../bus/messages/index.ts";
import { actions } from "./names.ts";

/**
 * The physical CPU. It never decides anything: the Switcher tells it to enter or to halt, the machine tells it when the bus is
 * quiet (`cpu.run`), and every stay in `guest` ends with one `cpu.exit`.
 */
export const cpuChart = setup({
  types: { events: {} as CpuMessage | TrapMessage | ClockMessage },
  actions: actions("inject", "load", "unload", "runBurst", "idle", "exitKicked", "exitAsleep"),
}).createMachine({
  id: "cpu",
  initial: "host",
  states: {
    /** The monitor has the CPU. */
    host: {
      on: {
        "trap.inject": { actions: "inject" },
        "cpu.enter": { target: "entering", actions: "load" },
        "cpu.halt": { target: "halted", actions: "load" },
      },
    },
    /** Ready for guest code; messages that are still in flight come first. */
    entering: {
      on: {
        "cpu.run": "guest",
        "cpu.kick": { target: "host", actions: ["unload", "exitKicked"] },
      },
    },
    /** Guest code runs: the burst is the entry action, and there is no message until it is over. */
    guest: {
      entry: "runBurst",
      always: "host",
      exit: "unload",
    },
    /** The vcpu is in HLT: nothing to do until an interrupt; time jumps to the next alarm when the bus is quiet. */
    halted: {
      on: {
        "cpu.run": { actions: "idle" },
        "cpu.kick": { target: "host", actions: ["unload", "exitKicked"] },
        "clock.none": { target: "host", actions: ["unload", "exitAsleep"] },
      },
    },
  },
});
