import { describe, expect, it } from "vitest";
import {
  addKvmRoots,
  addKvmShadowManager,
  addMmu,
  addressesOf,
  createTestStage,
  type KvmMechanism,
  SWITCHER,
} from "../../src/actors/index.ts";
import { Access } from "../../src/cpu/exit.ts";
import type { Gfn, Gpa, Gva, Hpa } from "../../src/mmu/address.ts";
import { FrameAllocator } from "../../src/mmu/frames.ts";
import { GuestMemory } from "../../src/mmu/guest-memory.ts";
import { MachineMemory } from "../../src/mmu/machine-memory.ts";
import { P2m } from "../../src/mmu/p2m.ts";
import { PagerError } from "../../src/mmu/pager.ts";
import { FactLog } from "../../src/mmu/shadow/kvm/listener.ts";
import { GuestWalker } from "../../src/mmu/walker.ts";

const addresses = addressesOf("g");
const gva = 0x400000 as Gva;
const gpa = 0x3010 as Gpa;
const ROOT = 0x5000 as Hpa;
const walk = {
  kind: "mapped",
  gfn: 3 as Gfn,
  gpa,
  writable: true,
  user: true,
  executable: true,
  global: false,
  dirty: true,
  level: 1,
} as const;
const fault = { type: "shadow.fault", gva, errorCode: 3, walk } as const;

interface Doings {
  readonly requests: { reload: boolean; sync: boolean };
  readonly stats: { unsynced: number; zapped: number; created: number };
  rootsLoaded: boolean;
  isShort: boolean;
}

/** The real actors on a mechanism that does what the test says; the Mmu and the Vm are stand-ins. */
function manager(mechanism: (doings: Doings) => Partial<KvmMechanism> = () => ({})) {
  const { stage, bus } = createTestStage();
  const facts = new FactLog();
  const doings: Doings = {
    requests: { reload: false, sync: false },
    stats: { unsynced: 0, zapped: 0, created: 0 },
    rootsLoaded: true,
    isShort: false,
  };
  const pager = {
    name: "kvm",
    hardware: { root: ROOT },
    shadow: Object.assign(doings, { slots: { all: [{ id: 0, baseGfn: 0x100, pages: 64 }] } }),
    makeRoom: () => {},
    fault: () => ({ kind: "resume" }),
    store: () => {},
    changeContext: () => false,
    enter: () => {},
    invalidatePage: () => {},
    ...mechanism(doings),
  } as unknown as KvmMechanism;
  addKvmShadowManager(stage, { addresses, pager, facts, eip: () => 0xc0de });
  const roots = addKvmRoots(stage, addresses);
  bus.stub(addresses.mmu);
  bus.stub(addresses.vm);
  bus.stub(SWITCHER);
  const post = (message: Parameters<typeof bus.post>[2], to = addresses.shadow) => {
    bus.post("mmu:g", to, message);
    bus.drain();
  };
  return { bus, facts, roots, post };
}

describe("the ShadowManager actor of kvm", () => {
  it("tells the facts of a fault after the turn, and before it answers", () => {
    const { bus, facts, post } = manager(() => ({
      fault: () => {
        facts.created(7, 3, 0x21);
        facts.filled(0xe10, 9, 0x9067, 0);
        return { kind: "resume" };
      },
    }));
    post(fault);
    bus.expectMessages([
      { type: "shadow.fault" },
      { type: "shadow.created", to: null, with: { sid: 7, gfn: 3 as Gfn, role: 0x21 } },
      { type: "shadow.filled", to: null, with: { g: 0xe10, gfn: 9 as Gfn } },
      { type: "shadow.resolved", to: "mmu:g", with: { gva, outcome: "resume" } },
    ]);
  });

  it("has roots loaded first when there are none, and the fault begun anew", () => {
    const { bus, roots, post } = manager((doings) => {
      doings.rootsLoaded = false;
      return {
        enter: () => {
          doings.rootsLoaded = true;
          doings.stats.created += 4;
        },
      };
    });
    post(fault);
    bus.expectMessages([
      { type: "shadow.fault" },
      { type: "shadow.reload", to: "roots:g" },
      { type: "shadow.resolved", to: "mmu:g", with: { outcome: "reload" } },
      { type: "shadow.load", from: "roots:g", to: "shadow:g", with: { change: "reload" } },
      { type: "shadow.loaded", to: "roots:g", with: { root: ROOT, created: 4 } },
    ]);
    expect(roots).toEqual({ root: ROOT, loads: 1, cachedLoads: 0 });
  });

  it("loses its own root to the search for room, and fills nothing then", () => {
    const { bus, post } = manager((doings) => {
      doings.isShort = true;
      return {
        makeRoom: () => {
          doings.requests.reload = true;
        },
        fault: () => {
          throw new Error("filled a root that is gone");
        },
        enter: () => {
          doings.requests.reload = false;
        },
      };
    });
    post(fault);
    bus.expectMessages([
      { type: "shadow.fault" },
      { type: "shadow.reload" },
      { type: "shadow.resolved", with: { outcome: "reload" } },
      { type: "shadow.load", with: { change: "reload" } },
      { type: "shadow.loaded" },
    ]);
  });

  it("serves a change of registers through the Roots: lets go of the old ones, takes the new ones", () => {
    const done: string[] = [];
    const { bus, roots, post } = manager((doings) => ({
      changeContext: (change) => {
        done.push(`release for ${change}`);
        doings.rootsLoaded = false;
        return true;
      },
      enter: () => {
        done.push("load");
        doings.rootsLoaded = true;
      },
    }));
    post({ type: "shadow.cr", vcpu: 2, change: "cr3" }, addresses.roots);
    bus.expectMessages([
      { type: "shadow.cr", to: "roots:g" },
      { type: "shadow.load", to: "shadow:g", with: { change: "cr3" } },
      { type: "shadow.loaded", to: "roots:g", with: { created: 0 } },
      { type: "shadow.flushed", from: "roots:g", to: SWITCHER, with: { vcpu: 2 } },
    ]);
    expect(done).toEqual(["release for cr3", "load"]);
    expect(roots.cachedLoads).toBe(1);
  });

  it("writes a table before it confirms, and has roots reloaded that the store has cost", () => {
    const written: unknown[] = [];
    const { bus, post } = manager((doings) => ({
      store: (...what) => {
        written.push(what);
        doings.stats.zapped++;
        doings.requests.reload = true;
      },
      enter: () => {
        doings.requests.reload = false;
      },
    }));
    post({ type: "shadow.write", gpa, bytes: 4, value: 0x1007 });
    bus.expectMessages([
      { type: "shadow.write" },
      { type: "shadow.reload", to: "roots:g" },
      { type: "shadow.written", to: "mmu:g", with: { gpa } },
      { type: "shadow.load" },
      { type: "shadow.loaded" },
    ]);
    expect(written).toEqual([[gpa, 4, 0x1007]]);
  });

  it.each(["tableWrite", "mmio"] as const)("names the place of an access to emulate: %s", (why) => {
    const { bus, post } = manager(() => ({ fault: () => ({ kind: "emulate", why, gpa }) }));
    post(fault);
    bus.expectMessages([
      { type: "shadow.fault" },
      { type: "shadow.emulate", to: "mmu:g", with: { gva, gpa, why } },
    ]);
  });

  it("synchronises before it answers when the pager asks for it", () => {
    const done: string[] = [];
    const { post } = manager((doings) => ({
      fault: () => {
        doings.requests.sync = true;
        return { kind: "emulate", why: "tableWrite", gpa };
      },
      enter: () => void done.push("synchronised"),
    }));
    post(fault);
    expect(done).toEqual(["synchronised"]);
  });

  it("kills the guest when the pager refuses a fault, or its roots", () => {
    const refuse = () => {
      throw new PagerError("no frame is left");
    };
    const first = manager(() => ({ fault: refuse }));
    first.post(fault);
    first.bus.expectMessages([
      { type: "shadow.fault" },
      {
        type: "vm.kill",
        to: "vm:g",
        with: { reason: "pager kvm: no frame is left (access to 0x400000, eip 0xc0de)" },
      },
    ]);
    const second = manager((doings) => {
      doings.rootsLoaded = false;
      return { enter: refuse };
    });
    second.post({ type: "shadow.cr", vcpu: 2, change: "cr3" }, addresses.roots);
    second.bus.expectMessages([
      { type: "shadow.cr" },
      { type: "shadow.load" },
      { type: "vm.kill", with: { reason: "pager kvm: no frame is left (loading its roots, eip 0xc0de)" } },
    ]);
  });

  it("lets a defect of the pager out, to be contained by the bus", () => {
    const { bus, post } = manager(() => ({
      fault: () => {
        throw new RangeError("index out of range");
      },
    }));
    post(fault);
    expect(String(bus.faults[0]?.error)).toContain("index out of range");
  });

  it("tells the pages of the dirty log in ascending order", () => {
    const { bus, post } = manager(() => ({
      startDirtyLog: () => {},
      readDirtyLog: () => Uint32Array.of(0x80000001, 1 << 3),
    }));
    post({ type: "dirty.start" });
    post({ type: "dirty.read" });
    bus.expectMessages([
      { type: "dirty.start" },
      { type: "dirty.read" },
      { type: "dirty.pages", to: null, with: { gfns: [0x100, 0x11f, 0x123] as Gfn[] } },
    ]);
  });
});

describe("the Mmu actor, told to do an access for the guest", () => {
  function mmu() {
    const machine = new MachineMemory(4096);
    const memory = new GuestMemory(machine, new P2m(new FrameAllocator(4096), 4 << 20, "g"));
    memory.write32(0x1004 as Gpa, 0x2007);
    memory.write32(0x2000 as Gpa, 0x3067);
    memory.write32(gpa, 0xcafe);
    const { stage, bus } = createTestStage();
    addMmu(stage, {
      addresses,
      vcpu: 2,
      walker: new GuestWalker(memory),
      paging: { cr0: 0x80010001, cr3: 0x1000, cr4: 0, efer: 0, pdptes: new Uint32Array(8) },
      memory,
      emulatesStores: true,
    });
    let why: "tableWrite" | "mmio" = "tableWrite";
    bus.stub(addresses.shadow, (message, reply) => {
      if (message.type === "shadow.fault")
        reply("mmu:g", { type: "shadow.emulate", gva: message.gva, gpa: message.walk.gpa, why });
      if (message.type === "shadow.write") reply("mmu:g", { type: "shadow.written", gpa: message.gpa });
    });
    for (const address of [SWITCHER, addresses.roots, addresses.ports, addresses.vm]) bus.stub(address);
    return {
      bus,
      answer: (access: Access, size: number, value: number, as: typeof why, begun = false) => {
        why = as;
        bus.post(SWITCHER, "mmu:g", {
          type: "mmu.fault",
          gva: (gva + 0x10) as Gva,
          errorCode: access === Access.execute ? 16 : 3,
          access,
          size,
          value,
          begun,
        });
        bus.drain();
        return bus.envelopes
          .map(({ message }) => message)
          .filter(({ type }) => !type.startsWith("mmu.fault"));
      },
    };
  }

  it("hands a store to the ShadowManager, and lets the instruction go on when it is written", () => {
    expect(mmu().answer(Access.write, 4, 0x1234, "tableWrite").slice(2)).toEqual([
      { type: "shadow.write", gpa, bytes: 4, value: 0x1234 },
      { type: "shadow.written", gpa },
      { type: "mmu.emulated", vcpu: 2, value: 0 },
    ]);
  });

  it("does the rest of an instruction that it has begun without asking, whatever the shadow would allow by now", () => {
    expect(mmu().answer(Access.write, 4, 0x1234, "tableWrite", true)).toEqual([
      { type: "shadow.write", gpa, bytes: 4, value: 0x1234 },
      { type: "shadow.written", gpa },
      { type: "mmu.emulated", vcpu: 2, value: 0 },
    ]);
  });

  it("reads memory for the first half of a read-modify-write", () => {
    expect(mmu().answer(Access.read, 2, 0, "tableWrite").at(-1)).toEqual({
      type: "mmu.emulated",
      vcpu: 2,
      value: 0xcafe,
    });
  });

  it("lets a check of size 0 pass", () => {
    expect(mmu().answer(Access.write, 0, 0, "tableWrite").at(-1)).toEqual({
      type: "mmu.emulated",
      vcpu: 2,
      value: 0,
    });
  });

  it("takes an access where no memory is to a device", () => {
    expect(mmu().answer(Access.write, 2, 7, "mmio").at(-1)).toEqual({
      type: "mmio.write",
      gpa,
      size: 2,
      value: 7,
    });
    expect(mmu().answer(Access.read, 4, 0, "mmio").at(-1)).toEqual({ type: "mmio.read", gpa, size: 4 });
  });

  it("raises #UD for a fetch where no memory is", () => {
    expect(mmu().answer(Access.execute, 1, 0, "mmio").at(-1)).toMatchObject({
      type: "trap.inject",
      vector: 6,
    });
  });
});
