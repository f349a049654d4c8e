import { describe, expect, it } from "vitest";
import {
  addMmu,
  addressesOf,
  addShadowManager,
  addVm,
  createTestStage,
  SWITCHER,
} from "../../src/actors/index.ts";
import type { Gfn, Gpa, Gva, Mfn } from "../../src/mmu/address.ts";
import { FrameAllocator } from "../../src/mmu/frames.ts";
import { GuestMemory } from "../../src/mmu/guest-memory.ts";
import { MachineMemory } from "../../src/mmu/machine-memory.ts";
import { P2m } from "../../src/mmu/p2m.ts";
import { type Pager, PagerError } from "../../src/mmu/pager.ts";
import { GuestWalker } from "../../src/mmu/walker.ts";

const addresses = addressesOf("g");
const gva = 0x400000 as Gva;
const walk = {
  kind: "mapped",
  gfn: 3 as Gfn,
  gpa: 0x3000 as Gpa,
  writable: true,
  user: true,
  executable: true,
  global: false,
  dirty: true,
  level: 1,
} as const;

describe("the Mmu actor", () => {
  function mmu() {
    const machine = new MachineMemory(4096);
    const memory = new GuestMemory(machine, new P2m(new FrameAllocator(4096), 4 << 20, "g"));
    memory.write32(0x1004 as Gpa, 0x2007);
    memory.write32(0x2000 as Gpa, 0x3005);
    const { stage, bus } = createTestStage();
    addMmu(stage, {
      addresses,
      vcpu: 2,
      walker: new GuestWalker(memory),
      paging: { cr0: 0x80010001, cr3: 0x1000, cr4: 0, efer: 0, pdptes: new Uint32Array(8) },
      memory,
      emulatesStores: false,
    });
    for (const address of [SWITCHER, addresses.shadow, addresses.ports, addresses.vm]) bus.stub(address);
    const fault = (errorCode: number) => {
      bus.post(SWITCHER, "mmu:g", {
        type: "mmu.fault",
        gva,
        errorCode,
        access: 0,
        size: 4,
        value: 0,
        begun: false,
      });
      bus.drain();
    };
    return { bus, memory, fault };
  }

  it("takes a read that the guest's tables allow to the shadow, with A set in them", () => {
    const { bus, memory, fault } = mmu();
    fault(4);
    bus.expectMessages([
      { type: "mmu.fault" },
      {
        type: "shadow.fault",
        to: "shadow:g",
        with: { gva, errorCode: 4, walk: { gfn: 3 as Gfn, writable: false } },
      },
    ]);
    expect(memory.read32(0x2000 as Gpa)).toBe(0x3025);
  });

  it("reflects a write that they forbid, with the guest's error code and no entry changed", () => {
    const { bus, memory, fault } = mmu();
    fault(6);
    bus.expectMessages([
      { type: "mmu.fault" },
      {
        type: "trap.inject",
        to: SWITCHER,
        with: { vcpu: 2, vector: 14, kind: "exception", errorCode: 7, cr2: gva },
      },
    ]);
    expect(memory.read32(0x2000 as Gpa)).toBe(0x3005);
  });
});

describe("the ShadowManager actor", () => {
  function manager(fill: Pager["fill"]) {
    const { stage, bus } = createTestStage();
    const pager: Pager = {
      name: "vtlb",
      controls: 0,
      hardware: { mode: "guest", p2m: new Int32Array(0) },
      framesHeld: 0,
      fill,
      contextChanged: () => 17,
      remapped: () => {},
      invalidatePage: () => {},
      audit: () => [],
      dispose: () => {},
    };
    addShadowManager(stage, { addresses, pager, eip: () => 0xc0de });
    bus.stub(addresses.mmu);
    bus.stub(addresses.vm);
    bus.stub(SWITCHER);
    const fault = () => {
      bus.post("mmu:g", "shadow:g", { type: "shadow.fault", gva, errorCode: 0, walk });
      bus.drain();
    };
    return { bus, fault };
  }

  it("announces the fill as a fact before it answers", () => {
    const filled = { gva, gfn: 3 as Gfn, mfn: 1027 as Mfn, writable: true, user: true, level: 1 } as const;
    const { bus, fault } = manager(() => ({ ...filled, tablesAllocated: 1 }));
    fault();
    bus.expectMessages([
      { type: "shadow.fault" },
      { type: "shadow.filled", to: null, with: { ...filled, tablesAllocated: 1 } },
      { type: "shadow.resolved", to: "mmu:g", with: { gva } },
    ]);
  });

  it("kills the guest when the pager refuses, saying what, where and at which eip", () => {
    const { bus, fault } = manager(() => {
      throw new PagerError("no frame is left");
    });
    fault();
    bus.expectMessages([
      { type: "shadow.fault" },
      {
        type: "vm.kill",
        to: "vm:g",
        with: { reason: "pager vtlb: no frame is left (access to 0x400000, eip 0xc0de)" },
      },
    ]);
  });

  it("lets a defect of the pager out, to be contained by the bus", () => {
    const { bus, fault } = manager(() => {
      throw new RangeError("index out of range");
    });
    fault();
    expect(bus.faults).toHaveLength(1);
    expect(String(bus.faults[0]?.error)).toContain("index out of range");
  });

  it("answers a flush with the number of entries dropped", () => {
    const { bus } = manager(() => {
      throw new Error("not called");
    });
    bus.post(SWITCHER, "shadow:g", { type: "shadow.cr", vcpu: 2, change: "cr3" });
    bus.post(SWITCHER, "shadow:g", { type: "shadow.invlpg", vcpu: 2, gva });
    bus.drain();
    bus.expectMessages([
      { type: "shadow.cr" },
      { type: "shadow.invlpg" },
      { type: "shadow.flushed", to: SWITCHER, with: { vcpu: 2, dropped: 17 } },
      { type: "shadow.invalidated", to: SWITCHER, with: { vcpu: 2, gva } },
    ]);
  });
});

describe("the Vm actor", () => {
  function supervisor() {
    const { stage, bus } = createTestStage();
    const told: unknown[] = [];
    addVm(stage, {
      addresses,
      vcpus: [0],
      started: () => told.push("started"),
      isSuspended: () => true,
      mayRestart: () => false,
      restart: () => 1,
      retired: (end) => told.push(end),
      release: () => told.push("released"),
      output: (byte) => told.push(byte),
      log: (byte) => told.push(byte),
    });
    bus.stub(SWITCHER);
    const post = (message: Parameters<typeof bus.post>[2]) => {
      bus.post("test", "vm:g", message);
      bus.drain();
    };
    return { bus, told, post };
  }

  it("hands its vcpu to the Switcher, and takes it away again before it lets go of the frames", () => {
    const { bus, told, post } = supervisor();
    post({ type: "vm.boot" });
    bus.expectMessages([{ type: "vm.boot" }, { type: "sched.ready", to: SWITCHER, with: { vcpu: 0 } }]);
    post({ type: "vm.kill", reason: "it ate the carpet" });
    bus.expectMessages([{ type: "vm.kill" }, { type: "sched.remove", to: SWITCHER }]);
    expect(told).toEqual(["started", { status: "killed", reason: "it ate the carpet", error: undefined }]);
    post({ type: "sched.removed", vcpu: 0 });
    bus.expectMessages([
      { type: "sched.removed" },
      { type: "vm.ended", to: null, with: { status: "killed", reason: "it ate the carpet" } },
    ]);
    expect(told.at(-1)).toBe("released");
  });

  it("ends with the exit code that the guest has given", () => {
    const { told, post } = supervisor();
    post({ type: "vm.boot" });
    post({ type: "vm.exit", code: 33 });
    expect(told.at(-1)).toMatchObject({ status: "exited", exitCode: 33 });
  });

  it("tells a failure with who threw, what, and the messages that led there", () => {
    const { told, post } = supervisor();
    post({ type: "vm.boot" });
    const error = new TypeError("x is not a function");
    post({
      type: "vm.fail",
      actor: "uart:g",
      error,
      causes: [
        { seq: 9, type: "io.write", sender: "switcher0", receiver: "uart:g", cause: 8 },
        { seq: 8, type: "cpu.exit", sender: "cpu0", receiver: "switcher0", cause: null },
      ],
    });
    expect(told.at(-1)).toEqual({
      status: "failed",
      reason:
        "the monitor has a defect: uart:g threw TypeError: x is not a function (#9 io.write ← #8 cpu.exit)",
      error,
    });
  });
});
