import { describe, expect, it } from "vitest";
import { createMachine, MachineBusyError, SettingError, VmEndedError, VmNameError } from "../../src/index.ts";
import type { Gpa } from "../../src/mmu/address.ts";
import { hlt, out, sti } from "../support/pc-scripts.ts";
import { scriptedMachine } from "../support/scripted-machine.ts";

const say = (text: string) => [...text].map((character) => out(0x3f8, character.charCodeAt(0)));

describe("run", () => {
  it("comes back when the console shows what was waited for", () => {
    const { vms } = scriptedMachine([[...say("boot\nlogin: "), ...say("more")]]);
    const vm = vms[0]!;
    expect(vm.run({ until: /login: $/ }).status).toBe("until");
    expect(vm.console.text).toBe("boot\nlogin: ");
  });

  it("searches only what came since the call", () => {
    const { vms } = scriptedMachine([[...say("ready"), hlt]]);
    const vm = vms[0]!;
    expect(vm.run({ until: /ready/ }).status).toBe("until");
    expect(vm.run({ until: /ready/ }).status).toBe("halted");
  });

  it("comes back when a function says so", () => {
    const { vms } = scriptedMachine([[out(0x80, 1), out(0x80, 2), out(0x80, 3)]]);
    const vm = vms[0]!;
    expect(vm.run({ until: ({ devices }) => devices.postCode.state.last === 2 }).status).toBe("until");
    expect(vm.stats().exits.io).toBe(2);
  });

  it("comes back at a break point of the bus, and goes on from there", () => {
    const { machine, vms } = scriptedMachine([[out(0x80, 1), hlt]]);
    machine.bus.breakOn(({ message }) => message.type === "io.write");
    expect(vms[0]?.run().status).toBe("break");
    expect(vms[0]?.devices.postCode.state.writes).toBe(0);
    expect(vms[0]?.run().status).toBe("halted");
    expect(vms[0]?.devices.postCode.state.writes).toBe(1);
  });

  it("comes back when a tap stops it", () => {
    const { machine, vms } = scriptedMachine([[out(0x80, 1), hlt]]);
    machine.bus.tap(() => machine.stop(), { types: ["io.write"] });
    expect(vms[0]?.run().status).toBe("stopped");
  });

  it("cannot be called from inside itself", () => {
    const { machine, vms } = scriptedMachine([[...say("\n"), hlt]]);
    const vm = vms[0]!;
    let thrown: unknown;
    vm.on("console", () => {
      try {
        machine.step();
      } catch (error) {
        thrown = error;
      }
    });
    vm.run();
    expect(thrown).toBeInstanceOf(MachineBusyError);
  });

  it("of an ended vm says again how it ended", () => {
    const { vms } = scriptedMachine([[hlt]]);
    const first = vms[0]?.run();
    expect(vms[0]?.run()).toEqual(first);
  });

  it("refuses a budget that is no number of instructions", () => {
    const { vms } = scriptedMachine([[]]);
    expect(() => vms[0]?.run({ budget: 0 })).toThrow(SettingError);
    expect(() => vms[0]?.run({ budget: 1.5 })).toThrow(/whole number/);
  });
});

describe("runAsync", () => {
  it("lets timers of the host run meanwhile", async () => {
    const { vms } = scriptedMachine([[]]);
    const vm = vms[0]!;
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const result = await vm.runAsync({ until: () => ticks > 2 });
    clearInterval(timer);
    expect(result.status).toBe("until");
  });

  it("comes back when aborted", async () => {
    const { vms } = scriptedMachine([[]]);
    const result = await vms[0]!.runAsync({ signal: AbortSignal.timeout(10) });
    expect(result.status).toBe("stopped");
  });

  it("paced, lets an idle guest's time pass no faster than the wall clock", async () => {
    const { eoi, initialisePic, iret, startTimer } = await import("../support/pc-scripts.ts");
    const tick = [hlt, eoi, iret];
    const script = [...startTimer(11_932), ...initialisePic(1), sti, ...tick, ...tick, ...tick, ...tick, hlt];
    const paced = scriptedMachine([script]).vms[0]!;
    const begin = performance.now();
    await paced.runAsync({ paced: true, until: (vm) => vm.stats().exits.hlt === 5 });
    const wallNs = (performance.now() - begin) * 1e6;
    expect(wallNs).toBeGreaterThan(paced.stats().virtualNs * 0.9);
  });
});

describe("step", () => {
  it("delivers one message, or runs one burst when none is queued", () => {
    const { machine, vms, envelopes } = scriptedMachine([[out(0x80, 1)]]);
    const seen = () => envelopes.map(({ message }) => message.type);
    for (const expected of [
      "vm.boot",
      "sched.ready",
      "cpu.enter",
      "cpu.run",
      "cpu.exit",
      "io.write",
      "io.done",
    ]) {
      const before = envelopes.length;
      expect(machine.step()).toBe(true);
      expect(seen().slice(before)).toContain(expected);
    }
    expect(vms[0]?.stats().exits.io).toBe(1);
  });

  it("says when there is nothing to do", () => {
    const { machine } = scriptedMachine([[sti, hlt]]);
    let steps = 0;
    while (machine.step() && steps < 1000) steps++;
    expect(steps).toBeLessThan(1000);
    expect(machine.step()).toBe(false);
  });
});

describe("the console", () => {
  it("gives output as events, whole lines at a time", () => {
    const { vms } = scriptedMachine([[...say("one\ntwo\nthr"), hlt]]);
    const lines: string[] = [];
    vms[0]?.on("console", (bytes) => lines.push(Buffer.from(bytes).toString()));
    vms[0]?.run();
    expect(lines).toEqual(["one\n", "two\n", "thr"]);
  });

  it("takes no input for a vm that has ended", () => {
    const { vms } = scriptedMachine([[hlt]]);
    vms[0]?.run();
    expect(() => vms[0]?.console.write("x")).toThrow(VmEndedError);
    expect(() => vms[0]?.console.write("x")).toThrow(/has ended \(halted: HLT with interrupts off/);
  });
});

describe("createVm", () => {
  it("refuses a name that is taken or cannot be part of an address", () => {
    const { machine } = scriptedMachine([[]]);
    const options = { pager: "bare", memoryMiB: 4, boot: () => {} } as const;
    expect(() => machine.createVm({ ...options, name: "a" })).toThrow(VmNameError);
    expect(() => machine.createVm({ ...options, name: "x:y" })).toThrow(VmNameError);
  });

  it("refuses an unknown pager and names those that there are", () => {
    const { machine } = scriptedMachine([[]]);
    const unknown = { name: "x", pager: "ept" as never, memoryMiB: 4, boot: () => {} };
    expect(() => machine.createVm(unknown)).toThrow(/unknown pager "ept".*bare, vtlb/);
  });

  it("keeps nothing of a vm whose loader throws", () => {
    const { machine } = scriptedMachine([[]]);
    const free = machine.frames.freeFrames;
    const boot = () => {
      throw new Error("not an ELF file");
    };
    expect(() => machine.createVm({ name: "x", pager: "vtlb", memoryMiB: 4, boot })).toThrow(
      "not an ELF file",
    );
    expect(machine.frames.freeFrames).toBe(free);
    expect(machine.createVm({ name: "x", pager: "vtlb", memoryMiB: 4, boot: () => {} }).status).toBe(
      "created",
    );
  });

  it("tells when the machine's memory is too small", () => {
    const machine = createMachine({ memoryMiB: 16 });
    expect(() => machine.createVm({ name: "x", pager: "bare", memoryMiB: 64, boot: () => {} })).toThrow(
      /out of machine memory/,
    );
  });

  it("gives a guest clean memory, whoever had the frames before", () => {
    const { machine, vms } = scriptedMachine([[hlt]]);
    vms[0]?.memory.write32(0x5000 as Gpa, 0xdeadbeef);
    vms[0]?.run();
    const next = machine.createVm({ name: "next", pager: "bare", memoryMiB: 4, boot: () => {} });
    expect(next.memory.p2m.base).toBe(vms[0]?.memory.p2m.base);
    expect(next.memory.read32(0x5000 as Gpa)).toBe(0);
  });

  it("while another vm is about to enter its guest, leaves that one's registers alone", () => {
    const { machine, vms, processor } = scriptedMachine([[], []]);
    vms[0]?.run({ budget: 100 });
    machine.createVm({ name: "late", pager: "bare", memoryMiB: 4, boot: (_, state) => state.set(0x18, 1) });
    expect(processor.state.get(0x18)).toBe(0);
    expect(vms[0]?.run({ budget: 100 })).toMatchObject({ status: "budget", instructions: 200 });
  });
});

describe("memoryHash", () => {
  it("changes with the guest's memory, unless the difference is normalised away", () => {
    const { vms } = scriptedMachine([[]]);
    const vm = vms[0]!;
    const before = vm.memoryHash();
    const masked = vm.memoryHash((_, words) => words.fill(0));
    vm.memory.write32(0x3000 as Gpa, 0x20);
    expect(vm.memoryHash()).not.toBe(before);
    expect(vm.memoryHash((_, words) => words.fill(0))).toBe(masked);
  });
});

describe("audit", () => {
  it("tells the bus what it found", () => {
    const { vms, envelopes } = scriptedMachine([[]]);
    expect(vms[0]?.audit()).toEqual([]);
    expect(envelopes.at(-1)).toMatchObject({
      sender: "shadow:a",
      receiver: null,
      message: { type: "shadow.audited", violations: [] },
    });
  });
});
