import { describe, expect, it } from "vitest";
import { vmChart } from "../../src/machines/index.ts";
import { BOTH_WAYS, walkChart } from "../support/chart-walk.ts";

describe.each(BOTH_WAYS)("the Vm chart, %s", (_, interpreted) => {
  const running = () => {
    const vm = walkChart(vmChart, interpreted);
    vm.holds.add("isLastAnswer").add("isSuspended");
    vm.send("vm.boot");
    return vm;
  };

  it("starts once", () => {
    const vm = walkChart(vmChart, interpreted);
    expect(vm.state).toBe("created");
    expect(vm.send("vm.boot")).toEqual(["start"]);
    expect(vm.state).toEqual({ active: "running" });
    expect(vm.send("vm.boot")).toEqual([]);
  });

  it("sleeps and wakes", () => {
    const vm = running();
    vm.send("sched.asleep");
    expect(vm.state).toEqual({ active: "waiting" });
    vm.send("sched.awake");
    expect(vm.state).toEqual({ active: "running" });
  });

  it("pauses when the Switcher has let go, and resumes", () => {
    const vm = running();
    expect(vm.send("vm.pause")).toEqual(["suspend"]);
    expect(vm.state).toEqual({ active: "pausing" });
    vm.send("sched.suspended");
    expect(vm.state).toEqual({ active: "paused" });
    expect(vm.send("vm.resume")).toEqual(["resume"]);
    expect(vm.state).toEqual({ active: "running" });
  });

  it.each([
    ["vm.kill", "killed"],
    ["vm.halt", "halted"],
    ["vm.shutdown", "shutdown"],
    ["vm.reset", "reset"],
    ["vm.fail", "failed"],
  ] as const)("ends on %s as %s, and gives everything back when the Switcher has let go", (event, end) => {
    const vm = running();
    expect(vm.send(event)).toEqual(["retire"]);
    expect(vm.state).toEqual({ ended: end });
    expect(vm.send("sched.removed")).toEqual(["release"]);
    for (const late of ["vm.kill", "vm.fail", "vm.pause", "vm.boot"] as const)
      expect(vm.send(late)).toEqual([]);
    expect(vm.state).toEqual({ ended: end });
  });

  it.each(["vm.reset", "vm.shutdown"] as const)("may begin anew on %s, once for all who ask", (event) => {
    const vm = running();
    vm.holds.add("mayRestart");
    vm.holds.delete("isSuspended");
    expect(vm.send(event)).toEqual(["suspend"]);
    expect(vm.state).toEqual({ active: { resetting: "toRun" } });
    for (const late of ["vm.reset", "vm.shutdown", "sched.suspended", "sched.asleep"] as const)
      expect(vm.send(late)).toEqual([]);
    vm.holds.add("isSuspended");
    expect(vm.send("sched.suspended")).toEqual(["restart", "resume"]);
    expect(vm.state).toEqual({ active: "running" });
    expect(vm.send("sched.suspended")).toEqual([]);
    vm.holds.delete("mayRestart");
    expect(vm.send(event)).toEqual(["retire"]);
  });

  it.each([
    ["before", ["vm.pause", "sched.suspended", "vm.reset"], ["suspend"]],
    ["at the same time", ["vm.pause", "vm.reset"], ["suspend"]],
    ["while it resets", ["vm.reset", "vm.pause"], []],
    ["and resumed, and paused", ["vm.reset", "vm.pause", "vm.resume", "vm.pause"], []],
  ] as const)("stays paused over a reset, paused %s", (_, events, last) => {
    const vm = running();
    vm.holds.add("mayRestart");
    const done = events.map((event) => vm.send(event));
    expect(done.at(-1)).toEqual(last);
    expect(vm.state).toEqual({ active: { resetting: "toPause" } });
    expect(vm.send("sched.suspended")).toEqual(["restart"]);
    expect(vm.state).toEqual({ active: "paused" });
  });

  it("can be killed while it resets", () => {
    const vm = running();
    vm.holds.add("mayRestart");
    vm.send("vm.reset");
    expect(vm.send("vm.kill")).toEqual(["retire"]);
    expect(vm.state).toEqual({ ended: "killed" });
  });

  it("can be killed while it is created, waiting, pausing and paused", () => {
    const created = walkChart(vmChart, interpreted);
    expect(created.send("vm.kill")).toEqual(["retire"]);
    for (const way of [["sched.asleep"], ["vm.pause"], ["vm.pause", "sched.suspended"]] as const) {
      const vm = running();
      for (const event of way) vm.send(event);
      expect(vm.send("vm.kill")).toEqual(["retire"]);
    }
  });

  it("passes output on in every state", () => {
    const vm = running();
    expect(vm.send("console.output")).toEqual(["emitOutput"]);
    vm.send("vm.kill");
    expect(vm.send("console.output")).toEqual(["emitOutput"]);
  });
});
