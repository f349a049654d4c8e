import { describe, expect, it } from "vitest";
import type { SchedSwitched } from "../../src/index.ts";
import type { Gva } from "../../src/mmu/address.ts";
import { eoi, hlt, initialisePic, input, iret, out, startTimer, sti } from "../support/pc-scripts.ts";
import { scriptedMachine } from "../support/scripted-machine.ts";

const SPIN: never[] = [];

describe("several vms on one CPU", () => {
  it("take turns by time slice, each world switch a fact", () => {
    const { machine, vms, envelopes } = scriptedMachine([SPIN, SPIN, SPIN], {}, { timeSlice: 1000 });
    vms[0]?.run({ budget: 2500 });
    const switches = envelopes
      .filter(({ message }) => message.type === "sched.switched")
      .map(({ message }) => `${(message as SchedSwitched).from}>${(message as SchedSwitched).to}`);
    expect(switches).toEqual(["-1>0", "0>1", "1>2", "2>0", "0>1", "1>2", "2>0"]);
    expect(machine.worldSwitches).toBe(7);
    expect(vms.map((vm) => vm.stats().instructions)).toEqual([2500, 2000, 2000]);
  });

  it("keep their own registers, controls and page tables", () => {
    const { vms, processor } = scriptedMachine([SPIN, SPIN], {}, { timeSlice: 10 });
    vms[0]?.run({ budget: 15 });
    vms[0]?.withState((state) => state.setReg(0, 0xaaaa));
    vms[1]?.withState((state) => state.setReg(0, 0xbbbb));
    vms[0]?.run({ budget: 50 });
    expect(vms[0]?.withState((state) => state.reg(0))).toBe(0xaaaa);
    expect(vms[1]?.withState((state) => state.reg(0))).toBe(0xbbbb);
    const roots = new Set(processor.paging.map((paging) => paging.mode === "shadow" && paging.root));
    expect(roots.size).toBe(2);
  });

  it("one alone never swaps", () => {
    const { machine, vms } = scriptedMachine([SPIN], {}, { timeSlice: 10 });
    vms[0]?.run({ budget: 1000 });
    expect(machine.worldSwitches).toBe(1);
  });

  it("one that waits for input leaves the CPU to the others", () => {
    const { vms } = scriptedMachine([[sti, hlt], SPIN], {}, { timeSlice: 1000 });
    vms[1]?.run({ budget: 10_000 });
    expect(vms.map((vm) => vm.status)).toEqual(["waiting", "running"]);
    expect(vms[0]?.stats().instructions).toBe(2 + 1);
  });

  it("one that halts gives the rest of its slice to the others", () => {
    const ticks = [...startTimer(1000), ...initialisePic(1), sti, hlt, eoi, iret, hlt, eoi, iret];
    const { vms } = scriptedMachine([ticks, SPIN], {}, { timeSlice: 1_000_000 });
    const [ticking, spinning] = vms;
    ticking?.run({ until: (vm) => vm.stats().exits.hlt === 2 });
    expect(ticking!.stats().instructions).toBeLessThan(100);
    expect(spinning!.stats().instructions).toBe(1_000_000);
  });

  it("a paused one stands still, the others go on, and it goes on when resumed", () => {
    const { vms } = scriptedMachine([SPIN, SPIN], {}, { timeSlice: 1000 });
    const [a, b] = vms;
    a?.run({ budget: 500 });
    a?.pause();
    b?.run({ budget: 5000 });
    expect(a?.status).toBe("paused");
    expect(a?.stats().instructions).toBe(500);
    expect(a?.run().status).toBe("paused");
    a?.resume();
    expect(a?.run({ budget: 100 })).toMatchObject({ status: "budget", instructions: 600 });
  });

  it("pausing and resuming before the next burst changes nothing", () => {
    const { vms } = scriptedMachine([SPIN]);
    vms[0]?.run({ budget: 500 });
    vms[0]?.pause();
    vms[0]?.resume();
    expect(vms[0]?.run({ budget: 100 })).toMatchObject({ status: "budget", instructions: 600 });
  });
});

describe("a vm that ends", () => {
  it("killed by its owner, gives its frames back while another goes on", () => {
    const { machine, vms } = scriptedMachine([SPIN, SPIN], {}, { timeSlice: 100 });
    const [a, b] = vms;
    b?.run({ budget: 1000 });
    const held = machine.frames.heldBy("a");
    expect(held).toBeGreaterThan(0);
    a?.kill("enough");
    b?.run({ budget: 1000 });
    expect(a).toMatchObject({ status: "killed", reason: "enough", ended: true });
    expect(machine.frames.heldBy("a")).toBe(0);
    expect(b?.run({ budget: 1000 })).toMatchObject({ status: "budget", instructions: 3000 });
  });

  it("in the middle of an exit being served, leaves nothing under way", () => {
    const fault = { reason: "pageFault", gva: 0x5000 as Gva, errorCode: 0, access: 0, size: 4 } as const;
    for (let messages = 1; messages <= 8; messages++) {
      const { machine, vms } = scriptedMachine([[{ ...fault, after: 10 }], SPIN], {}, { timeSlice: 100 });
      const [a, b] = vms;
      let steps = 0;
      while (a?.stats().exits.pageFault === 0 && steps++ < 100) machine.step();
      for (let i = 1; i < messages; i++) machine.step();
      a?.kill("in the middle");
      expect(b?.run({ budget: 1000 })).toMatchObject({ status: "budget" });
      expect(a?.status).toBe("killed");
      expect(machine.frames.heldBy("a")).toBe(0);
    }
  });

  it("at its instruction limit is killed, at exactly that instruction", () => {
    const { vms } = scriptedMachine([SPIN, SPIN], { maxInstructions: 12_345 }, { timeSlice: 1000 });
    expect(vms[0]?.run()).toMatchObject({
      status: "killed",
      reason: expect.stringMatching(/instruction limit of 12345/),
      instructions: 12_345,
    });
  });

  it("that exits without end and never retires an instruction is killed", () => {
    const stuck = { reason: "io", port: 0x80, size: 1, after: 0, eip: 0 } as const;
    const { vms } = scriptedMachine([new Array(200).fill(stuck)], { maxStalledExits: 100 });
    expect(vms[0]?.run()).toMatchObject({
      status: "killed",
      reason: expect.stringMatching(/no instruction retired in 100 exits/),
    });
  });

  it("by a triple fault is shut down", () => {
    const { vms } = scriptedMachine([[{ reason: "tripleFault", eip: 0x77 }]]);
    expect(vms[0]?.run()).toMatchObject({ status: "shutdown", reason: expect.stringContaining("0x77") });
  });

  it("by a defect of the engine has failed, and another goes on", () => {
    const defect = new TypeError("no such handler");
    const { vms } = scriptedMachine([[{ throws: defect }], SPIN], {}, { timeSlice: 100 });
    const [a, b] = vms;
    expect(b?.run({ budget: 1000 }).status).toBe("budget");
    expect(a).toMatchObject({ status: "failed", error: defect, ended: true });
    expect(a?.reason).toMatch(/cpu0 threw TypeError: no such handler \(#\d+ cpu.run/);
  });

  it("by a defect in one of its actors has failed with the chain of causes, and another goes on", () => {
    const { machine, vms } = scriptedMachine([[out(0x80, 1)], SPIN], {}, { timeSlice: 100 });
    const [a, b] = vms;
    a!.devices.postCode.writePort = () => {
      throw new Error("broken post code");
    };
    expect(b?.run({ budget: 1000 }).status).toBe("budget");
    expect(a?.status).toBe("failed");
    expect(a?.reason).toMatch(
      /ports:a threw Error: broken post code \(#\d+ io.write ← #\d+ cpu.exit ← #\d+ cpu.run\)/,
    );
    expect(machine.frames.heldBy("a")).toBe(0);
  });

  it("because the pager has no frame left is killed with the pager's words", () => {
    const fault = { reason: "pageFault", gva: 0x5000 as Gva, errorCode: 0, access: 0, size: 4 } as const;
    const { machine, vms } = scriptedMachine([[fault]]);
    let taken = 0;
    for (; machine.frames.freeFrames > 0; taken++) machine.frames.allocate("hog");
    const result = vms[0]?.run({ budget: 100 });
    expect(taken).toBeGreaterThan(0);
    expect(result).toMatchObject({ status: "killed", reason: expect.stringMatching(/pager vtlb: .*0x5000/) });
  });
});

describe("virtual time of several vms", () => {
  it("is each vm's own: alarms of one do not hurry another", () => {
    const { vms } = scriptedMachine([[...initialisePic(0), input(0x61)], SPIN], {}, { timeSlice: 100 });
    vms[1]?.run({ budget: 5000 });
    expect(vms[0]!.stats().virtualNs).toBe(vms[0]!.stats().instructions + 11_000);
    expect(vms[1]!.stats().virtualNs).toBe(5000);
  });
});
