import { describe, expect, it } from "vitest";
import { switcherChart } from "../../src/machines/index.ts";
import { BOTH_WAYS, type ChartWalk, walkChart } from "../support/chart-walk.ts";

/** A Switcher whose one vcpu is in the guest. */
function inGuest(interpreted: boolean): ChartWalk {
  const switcher = walkChart(switcherChart, interpreted);
  switcher.holds.add("hasRunnable");
  switcher.send("sched.ready");
  switcher.holds.add("concernsLoaded");
  return switcher;
}

/** The exit that makes exactly this guard hold. */
function exitWith(switcher: ChartWalk, guard: string): string[] {
  switcher.holds.add(guard);
  const done = switcher.send("cpu.exit");
  switcher.holds.delete(guard);
  return done;
}

const paging = { dispatching: "paging" };

describe.each(BOTH_WAYS)("the Switcher chart, %s", (_, interpreted) => {
  it("rests in the host until somebody can run, then enters", () => {
    const switcher = walkChart(switcherChart, interpreted);
    expect(switcher.send("sched.ready")).toEqual(["ready"]);
    expect(switcher.state).toBe("host");
    switcher.holds.add("hasRunnable");
    expect(switcher.send("sched.ready")).toEqual(["ready", "choose", "enter"]);
    expect(switcher.state).toBe("inGuest");
  });

  it.each([
    ["isPageFault", ["left", "askMmu"], paging],
    ["isIo", ["left", "askDevice"], { dispatching: "io" }],
    ["isApic", ["left", "askApic"], { dispatching: "io" }],
    ["isCoprocessorError", ["left", "askCoprocessor"], { dispatching: "coprocessor" }],
    ["isMmio", ["left", "askMmuUnbacked"], paging],
    ["isInvlpg", ["left", "perform", "askShadowInvlpg"], paging],
    ["isTranslationChange", ["left", "perform", "askShadowContext"], paging],
    ["isAlarm", ["left", "advanceClock"], { dispatching: "advancing" }],
    ["isPerformed", ["left", "perform", "enter"], "inGuest"],
    ["isPause", ["left", "perform", "endTurn", "enter"], "inGuest"],
    ["isControlRegister", ["left", "perform", "enter"], "inGuest"],
  ])("serves an exit where %s", (guard, actions, state) => {
    const switcher = inGuest(interpreted);
    expect(exitWith(switcher, guard)).toEqual(actions);
    expect(switcher.state).toEqual(state);
  });

  it.each([
    ["isLimit", "reportLimit"],
    ["isDeadHalt", "reportHalt"],
    ["isTripleFault", "reportShutdown"],
  ])("gives the CPU up for good where %s", (guard, report) => {
    const switcher = inGuest(interpreted);
    switcher.holds.delete("hasRunnable");
    expect(exitWith(switcher, guard)).toEqual(["left", report, "yieldCpu"]);
    expect(switcher.state).toBe("host");
  });

  it.each([
    ["fpu.ignored", [], ["perform", "enter"], "inGuest"],
    ["fpu.frozen", [], ["markFrozen", "enter"], "inGuest"],
    ["fpu.frozen", ["isFrozenForGood"], ["reportFrozen", "yieldCpu", "choose", "enter"], "inGuest"],
  ] as const)("after an x87 error, %s where %j", (answer, guards, actions, state) => {
    const switcher = inGuest(interpreted);
    exitWith(switcher, "isCoprocessorError");
    for (const guard of guards) switcher.holds.add(guard);
    expect(switcher.send(answer)).toEqual(actions);
    expect(switcher.state).toBe(state);
  });

  it("goes straight back after an exit that asks for nothing", () => {
    expect(inGuest(interpreted).send("cpu.exit")).toEqual(["left", "enter"]);
  });

  it.each([
    ["mmu.resolved", ["enter"]],
    ["shadow.flushed", ["enter"]],
    ["shadow.invalidated", ["enter"]],
    ["mmu.emulated", ["answer", "enter"]],
    ["trap.inject", ["injectTrap", "enter"]],
  ] as const)("goes on when the Mmu or the shadow answers %s", (answer, actions) => {
    const switcher = inGuest(interpreted);
    exitWith(switcher, "isPageFault");
    expect(switcher.send(answer)).toEqual(actions);
    expect(switcher.state).toBe("inGuest");
  });

  it("ignores an answer that concerns another vcpu", () => {
    const switcher = inGuest(interpreted);
    exitWith(switcher, "isIo");
    switcher.holds.delete("concernsLoaded");
    expect(switcher.send("io.data")).toEqual([]);
    expect(switcher.state).toEqual({ dispatching: "io" });
  });

  it("shuts the vm down when the reflected fault is one too many", () => {
    const switcher = inGuest(interpreted);
    exitWith(switcher, "isPageFault");
    switcher.holds.delete("hasRunnable");
    switcher.holds.add("causesTripleFault");
    expect(switcher.send("trap.inject")).toEqual(["reportShutdown", "yieldCpu"]);
    expect(switcher.state).toBe("host");
  });

  it("acknowledges an interrupt between two instructions, then injects it", () => {
    const switcher = inGuest(interpreted);
    switcher.holds.add("canInterrupt");
    expect(switcher.send("cpu.exit")).toEqual(["left", "acknowledge"]);
    expect(switcher.state).toEqual({ dispatching: "acknowledging" });
    expect(switcher.send("intr.vector")).toEqual(["injectInterrupt", "enter"]);
    expect(switcher.state).toBe("inGuest");
  });

  it("resets a vcpu that INIT reaches while its interrupt is acknowledged, and forgets the interrupt", () => {
    const switcher = inGuest(interpreted);
    switcher.holds.add("canInterrupt");
    switcher.send("cpu.exit");
    expect(switcher.send("ipi.init")).toEqual(["init"]);
    switcher.holds.delete("canInterrupt");
    switcher.holds.add("mustReset");
    expect(switcher.send("intr.vector")).toEqual(["reset", "askShadowReset"]);
    expect(switcher.state).toEqual(paging);
  });

  it("kicks the CPU for an interrupt that the guest can take, else opens the window", () => {
    const switcher = inGuest(interpreted);
    expect(switcher.send("intr.request")).toEqual(["raise", "openWindow"]);
    switcher.holds.add("canInterruptLoaded");
    expect(switcher.send("intr.request")).toEqual(["raise", "kick"]);
    switcher.holds.clear();
    expect(switcher.send("intr.request")).toEqual(["raise"]);
    expect(switcher.send("intr.withdraw")).toEqual(["withdraw"]);
    expect(switcher.state).toBe("inGuest");
  });

  it("halts the CPU for a vcpu in HLT", () => {
    const switcher = inGuest(interpreted);
    switcher.holds.add("isHalted");
    expect(exitWith(switcher, "isHlt")).toEqual(["left", "markHalted", "halt"]);
    expect(switcher.state).toBe("inGuest");
    switcher.holds.add("mustYield");
    switcher.holds.delete("hasRunnable");
    expect(exitWith(switcher, "isAsleep")).toEqual(["left", "markAsleep", "yieldCpu"]);
    expect(switcher.state).toBe("host");
  });

  it("lets the next one in when the slice is over", () => {
    const switcher = inGuest(interpreted);
    switcher.holds.add("mustYield");
    switcher.holds.delete("hasRunnable");
    expect(switcher.send("cpu.exit")).toEqual(["left", "yieldCpu"]);
    switcher.holds.delete("mustYield");
    switcher.holds.add("hasRunnable");
    expect(switcher.send("sched.ready")).toEqual(["ready", "choose", "enter"]);
  });

  it("kicks a vcpu out to suspend it, and confirms at once for one that is not loaded", () => {
    const switcher = inGuest(interpreted);
    expect(switcher.send("sched.suspend")).toEqual(["suspend", "kick"]);
    switcher.holds.delete("concernsLoaded");
    expect(switcher.send("sched.suspend")).toEqual(["suspend", "confirmSuspended"]);
  });

  it("drains the exit of a removed vcpu", () => {
    const switcher = inGuest(interpreted);
    expect(switcher.send("sched.remove")).toEqual(["left", "remove", "kick"]);
    expect(switcher.state).toBe("draining");
    switcher.holds.delete("hasRunnable");
    expect(exitWith(switcher, "isPageFault")).toEqual(["yieldCpu"]);
    expect(switcher.state).toBe("host");
  });

  it("abandons what is under way for a removed vcpu", () => {
    const switcher = inGuest(interpreted);
    exitWith(switcher, "isPageFault");
    switcher.holds.delete("hasRunnable");
    expect(switcher.send("sched.remove")).toEqual(["remove", "yieldCpu"]);
    expect(switcher.state).toBe("host");
    expect(switcher.send("mmu.resolved")).toEqual([]);
  });

  it("finishes what is under way for one that is to be suspended", () => {
    const switcher = inGuest(interpreted);
    exitWith(switcher, "isIo");
    expect(switcher.send("sched.suspend")).toEqual(["suspend"]);
    expect(switcher.state).toEqual({ dispatching: "io" });
  });
});
