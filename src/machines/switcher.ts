import { setup } from "xstate";
import type { MessageOf } from "../bus/messages/index.ts";
import { actions, guards } from "./names.ts";

type SwitcherEvent = MessageOf<
  | "cpu.exit"
  | "mmu.resolved"
  | "mmu.emulated"
  | "shadow.flushed"
  | "shadow.invalidated"
  | "trap.inject"
  | "io.data"
  | "io.done"
  | "fpu.frozen"
  | "fpu.ignored"
  | "intr.request"
  | "intr.withdraw"
  | "intr.vector"
  | "intr.nmi"
  | "ipi.init"
  | "ipi.startup"
  | "clock.advanced"
  | "sched.ready"
  | "sched.suspend"
  | "sched.remove"
>;

/**
 * The Switcher of one physical CPU: which vcpu is on it, and what to do about each exit. "Loaded" is the vcpu whose state the
 * CPU holds; one exit is served to its end before another vcpu is thought of.
 */
export const switcherChart = setup({
  types: { events: {} as SwitcherEvent },
  actions: actions(
    "choose",
    "yieldCpu",
    "enter",
    "halt",
    "kick",
    "raise",
    "openWindow",
    "withdraw",
    "acknowledge",
    "injectInterrupt",
    "raiseNmi",
    "injectNmi",
    "init",
    "startup",
    "reset",
    "askShadowReset",
    "injectTrap",
    "answer",
    "perform",
    "endTurn",
    "askMmu",
    "askMmuUnbacked",
    "askShadowContext",
    "askShadowInvlpg",
    "askDevice",
    "askApic",
    "askCoprocessor",
    "markFrozen",
    "reportFrozen",
    "advanceClock",
    "markHalted",
    "markAsleep",
    "reportHalt",
    "reportShutdown",
    "reportLimit",
    "left",
    "ready",
    "suspend",
    "confirmSuspended",
    "remove",
    "confirmRemoved",
  ),
  guards: guards(
    "hasRunnable",
    "mustYield",
    "canInterrupt",
    "canInjectNmi",
    "isHalted",
    "mustReset",
    "wakesSibling",
    "concernsLoaded",
    "canInterruptLoaded",
    "isPageFault",
    "isIo",
    "isApic",
    "isExecuteDisableChange",
    "isPause",
    "isPerformed",
    "isTranslationChange",
    "isTaskSwitch",
    "isControlRegister",
    "isInvlpg",
    "isMmio",
    "isLimit",
    "isAlarm",
    "isDeadHalt",
    "isCoprocessorError",
    "isFrozenForGood",
    "isHlt",
    "isAsleep",
    "isTripleFault",
    "causesTripleFault",
  ),
}).createMachine({
  id: "switcher",
  initial: "host",
  on: {
    "intr.request": { actions: "raise" },
    "intr.withdraw": { actions: "withdraw" },
    "intr.nmi": { actions: "raiseNmi" },
    "ipi.init": { actions: "init" },
    "ipi.startup": { actions: "startup" },
    "sched.ready": { actions: "ready" },
    "sched.suspend": { actions: ["suspend", "confirmSuspended"] },
    "sched.remove": { actions: ["remove", "confirmRemoved"] },
  },
  states: {
    /** Nobody to run. */
    host: {
      always: { guard: "hasRunnable", target: "switchingIn", actions: "choose" },
    },
    /** The loaded vcpu is between two instructions, with nothing under way for it. */
    switchingIn: {
      always: [
        { guard: "mustYield", target: "switchingOut" },
        { guard: "mustReset", target: "dispatching.paging", actions: ["reset", "askShadowReset"] },
        { guard: "canInjectNmi", target: "inGuest", actions: ["injectNmi", "enter"] },
        { guard: "canInterrupt", target: "dispatching.acknowledging", actions: "acknowledge" },
        { guard: "isHalted", target: "inGuest", actions: "halt" },
        { target: "inGuest", actions: "enter" },
      ],
    },
    /** The CPU has the vcpu: it runs, is about to, or waits in HLT. Ends with one `cpu.exit`. */
    inGuest: {
      exit: "left",
      on: {
        "cpu.exit": [
          { guard: "isPageFault", target: "dispatching.paging", actions: "askMmu" },
          { guard: "isIo", target: "dispatching.io", actions: "askDevice" },
          {
            guard: "isTranslationChange",
            target: "dispatching.paging",
            actions: ["perform", "askShadowContext"],
          },
          { guard: "isApic", target: "dispatching.io", actions: "askApic" },
          {
            guard: "isExecuteDisableChange",
            target: "dispatching.paging",
            actions: ["perform", "askShadowContext"],
          },
          { guard: "isPause", target: "switchingIn", actions: ["perform", "endTurn"] },
          { guard: "isPerformed", target: "switchingIn", actions: "perform" },
          { guard: "isTaskSwitch", target: "dispatching.paging", actions: "askShadowContext" },
          { guard: "isControlRegister", target: "switchingIn", actions: "perform" },
          { guard: "isInvlpg", target: "dispatching.paging", actions: ["perform", "askShadowInvlpg"] },
          { guard: "isMmio", target: "dispatching.paging", actions: "askMmuUnbacked" },
          { guard: "isCoprocessorError", target: "dispatching.coprocessor", actions: "askCoprocessor" },
          { guard: "isLimit", target: "switchingOut", actions: "reportLimit" },
          { guard: "isAlarm", target: "dispatching.advancing", actions: "advanceClock" },
          { guard: "isDeadHalt", target: "switchingOut", actions: "reportHalt" },
          { guard: "isHlt", target: "switchingIn", actions: "markHalted" },
          { guard: "isAsleep", target: "switchingIn", actions: "markAsleep" },
          { guard: "isTripleFault", target: "switchingOut", actions: "reportShutdown" },
          { target: "switchingIn" },
        ],
        "intr.request": [
          { guard: "canInterruptLoaded", actions: ["raise", "kick"] },
          { guard: "concernsLoaded", actions: ["raise", "openWindow"] },
          { guard: "wakesSibling", actions: ["raise", "kick"] },
          { actions: "raise" },
        ],
        "intr.nmi": [
          { guard: "concernsLoaded", actions: ["raiseNmi", "kick"] },
          { guard: "wakesSibling", actions: ["raiseNmi", "kick"] },
          { actions: "raiseNmi" },
        ],
        "ipi.init": [{ guard: "concernsLoaded", actions: ["init", "kick"] }, { actions: "init" }],
        "ipi.startup": [{ guard: "wakesSibling", actions: ["startup", "kick"] }, { actions: "startup" }],
        "sched.suspend": [
          { guard: "concernsLoaded", actions: ["suspend", "kick"] },
          { actions: ["suspend", "confirmSuspended"] },
        ],
        "sched.remove": [
          { guard: "concernsLoaded", target: "draining", actions: ["remove", "kick"] },
          { actions: ["remove", "confirmRemoved"] },
        ],
      },
    },
    /** An exit of the loaded vcpu is being served by another actor. */
    dispatching: {
      on: {
        "sched.suspend": [
          { guard: "concernsLoaded", actions: "suspend" },
          { actions: ["suspend", "confirmSuspended"] },
        ],
        "sched.remove": [
          { guard: "concernsLoaded", target: "switchingOut", actions: "remove" },
          { actions: ["remove", "confirmRemoved"] },
        ],
      },
      initial: "paging",
      states: {
        paging: {
          on: {
            "mmu.resolved": { guard: "concernsLoaded", target: "#switcher.switchingIn" },
            "shadow.flushed": { guard: "concernsLoaded", target: "#switcher.switchingIn" },
            "shadow.invalidated": { guard: "concernsLoaded", target: "#switcher.switchingIn" },
            "mmu.emulated": { guard: "concernsLoaded", target: "#switcher.switchingIn", actions: "answer" },
            "trap.inject": [
              { guard: "causesTripleFault", target: "#switcher.switchingOut", actions: "reportShutdown" },
              { guard: "concernsLoaded", target: "#switcher.switchingIn", actions: "injectTrap" },
            ],
          },
        },
        io: {
          on: {
            "io.data": { guard: "concernsLoaded", target: "#switcher.switchingIn", actions: "answer" },
            "io.done": { guard: "concernsLoaded", target: "#switcher.switchingIn", actions: "answer" },
          },
        },
        coprocessor: {
          on: {
            "fpu.frozen": [
              { guard: "isFrozenForGood", target: "#switcher.switchingOut", actions: "reportFrozen" },
              { guard: "concernsLoaded", target: "#switcher.switchingIn", actions: "markFrozen" },
            ],
            "fpu.ignored": { guard: "concernsLoaded", target: "#switcher.switchingIn", actions: "perform" },
          },
        },
        acknowledging: {
          on: {
            "intr.vector": [
              // INIT has come meanwhile, and has reset the local APIC: what it was interrupted for is gone.
              { guard: "mustReset", target: "#switcher.switchingIn" },
              {
                guard: "concernsLoaded",
                target: "#switcher.inGuest",
                actions: ["injectInterrupt", "enter"],
              },
            ],
          },
        },
        advancing: {
          on: { "clock.advanced": { guard: "concernsLoaded", target: "#switcher.switchingIn" } },
        },
      },
    },
    /** The vcpu has been removed while the CPU had it; its exit is awaited and ignored. */
    draining: {
      on: { "cpu.exit": "switchingOut" },
    },
    /** The loaded vcpu gives the CPU up: slice over, suspended, asleep or removed. */
    switchingOut: {
      entry: "yieldCpu",
      always: "host",
    },
  },
});
