import { describe, expect, it } from "vitest";
import { MemoryDisk } from "../../src/disk/index.ts";
import { bootProgram, GuestBuilder, mem32 } from "../../src/guest/index.ts";
import type { Gpa } from "../../src/mmu/address.ts";
import { SettingError } from "../../src/vm/errors.ts";
import { createMachine } from "../../src/vm/machine.ts";
import type { VmOptions } from "../../src/vm/options.ts";
import type { Vm } from "../../src/vm/vm.ts";
import { awaitWord, bootTwo, twoProcessors } from "../support/two-processors.ts";

const PAGERS = ["bare", "vtlb", "kvm"] as const;
/** Words in memory. */
const LIVES = 0x500;
const TSC = 0x520;
const REQUESTS = 0x540;
const COUNT = 0x560;
const DIRECTORY = 0x10000;
const LARGE_PAGE = 0x83;
const RESET_CONTROL = 0xcf9;

/** By way of port 0xcf9, and then nothing that ends. */
function resetHard(g: GuestBuilder): void {
  g.mov("edx", RESET_CONTROL).mov("al", 2).out("dx", "al").mov("al", 6).out("dx", "al");
  g.label(`spin${g.here}`).jmp(`spin${g.here}`);
}
/** Without an IDT, whatever the loader left. */
const tripleFault = (g: GuestBuilder) => g.mov("esp", 0).lidt(mem32(0x8000)).plain("ud2");

/** Notes what it finds, has a timer's interrupt pending and paging on, and then resets; at the last life it ends, with the count of lives. */
function livesOf(count: number, reset: (g: GuestBuilder) => void) {
  const g = new GuestBuilder({ origin: 0x100000 });
  g.inc(mem32(LIVES)).mov("ebx", mem32(LIVES));
  g.rdtsc().mov(mem32({ index: "ebx", scale: 4, displacement: TSC }), "eax");
  g.mov("eax", 0)
    .in("al", 0x20)
    .mov(mem32({ index: "ebx", scale: 4, displacement: REQUESTS }), "eax");
  g.mov("al", 0x40).out(0x70, "al").in("al", 0x71).inc("al").out(0x71, "al");
  g.mov("al", 0x34).out(0x43, "al").mov("al", 0x10).out(0x40, "al").mov("al", 0).out(0x40, "al");
  g.mov("ecx", 5000).label("wait").loop("wait");
  g.mov(mem32(DIRECTORY), LARGE_PAGE).mov("eax", DIRECTORY).mov("cr3", "eax");
  g.mov("eax", 0x10).mov("cr4", "eax").mov("eax", "cr0").or("eax", 0x80000000).mov("cr0", "eax");
  g.mov("al", "bl").out(0xe9, "al");
  g.cmp("ebx", count).jcc("ae", "end");
  reset(g);
  g.label("end").mov("al", "bl").out(0xf4, "al");
  return g.build();
}

/** Made once: an engine takes a while to compile. */
const shared = createMachine({ memoryMiB: 64 });
const interpreted = createMachine({ memoryMiB: 64, interpreted: true });

function create(options: Partial<VmOptions>, machine = shared): Vm {
  return machine.createVm({
    name: `g${machine.vms.size}`,
    pager: "bare",
    memoryMiB: 8,
    maxInstructions: 1_000_000,
    boot: bootProgram(livesOf(3, resetHard)),
    ...options,
  });
}

const words = (vm: Vm, gpa: number) => [1, 2, 3].map((n) => vm.memory.read32((gpa + 4 * n) as Gpa));

describe.each(PAGERS)("a guest under %s that resets the machine", (pager) => {
  it("begins anew as at power-on, but for memory, the clock's battery and time", () => {
    const vm = create({ pager, reboots: 2 });
    const told: unknown[] = [];
    vm.machine.bus.of("vm.restarted").subscribe(({ message }) => told.push(message));
    const heard: unknown[] = [];
    vm.on("restarted", (...facts) => heard.push(facts));
    const devices = vm.devices;
    // Seen before the vm gives its memory back.
    const tap = vm.machine.bus.tap(
      ({ message }) => message.type === "vm.exit" && heard.push(words(vm, TSC), words(vm, REQUESTS)),
    );
    const result = vm.run();
    tap.detach();
    expect(result).toMatchObject({ status: "exited", exitCode: 7 });
    const by = "port 0xcf9";
    expect(told).toEqual([1, 2].map((count) => ({ type: "vm.restarted", by, count })));
    const [tscs, requests] = heard.splice(2) as number[][];
    expect(heard).toEqual([
      [by, 1],
      [by, 2],
    ]);
    expect(new Set(tscs).size).toBe(1);
    expect(requests).toEqual([0, 0, 0]);
    expect(vm.restarts).toBe(2);
    expect(vm.devices).not.toBe(devices);
    expect(vm.devices.rtc.state.cmos[0x40]).toBe(3);
    expect(vm.console.text).toBe("\x01\x02\x03");
    expect(vm.machine.frames.heldBy(vm.name)).toBe(0);
  });

  it("does the same in every run, and interpreted", () => {
    const [first, ...others] = [shared, shared, interpreted].map((machine) => {
      const before = machine.bus.lastSeq;
      const vm = create({ pager, reboots: 2 }, machine);
      let hash = "";
      const tap = machine.bus.tap(({ message }) => {
        if (message.type === "vm.exit") hash = vm.memoryHash();
      });
      const result = vm.run();
      tap.detach();
      return { result, hash, messages: machine.bus.lastSeq - before };
    });
    expect(first?.hash).toMatch(/^[0-9a-f]{64}$/);
    for (const other of others) expect(other).toEqual(first);
  });

  it("ends when it has been reset as often as it may", () => {
    const vm = create({ pager, reboots: 1 });
    expect(vm.run()).toMatchObject({ status: "reset", reason: "reset by port 0xcf9" });
    expect(vm.restarts).toBe(1);
    expect(create({ pager }).run().status).toBe("reset");
  });
});

describe("what else resets", () => {
  it("is a triple fault", () => {
    const boot = bootProgram(livesOf(3, tripleFault));
    const vm = create({ boot, reboots: Number.POSITIVE_INFINITY });
    const by: string[] = [];
    vm.on("restarted", (who) => by.push(who));
    expect(vm.run()).toMatchObject({ status: "exited", exitCode: 7 });
    expect(by).toEqual(["a triple fault", "a triple fault"]);
    expect(create({ boot, reboots: 1 }).run().status).toBe("shutdown");
  });

  it("is the keyboard controller", () => {
    const boot = bootProgram(livesOf(2, (g) => g.mov("al", 0xfe).out(0x64, "al").label("rest").jmp("rest")));
    expect(create({ boot, reboots: 5 }).run()).toMatchObject({ status: "exited", exitCode: 5 });
  });

  it("is the owner's button, while it waits or is paused as well", () => {
    const g = new GuestBuilder({ origin: 0x100000 });
    g.inc(mem32(LIVES)).sti().label("sleep").hlt().jmp("sleep");
    const vm = create({ boot: bootProgram(g.build()), reboots: 3 });
    const lives = () => vm.memory.read32(LIVES as Gpa);
    expect(vm.run().status).toBe("waiting");
    vm.reset();
    expect(vm.run().status).toBe("waiting");
    expect(lives()).toBe(2);
    vm.pause();
    expect(vm.run().status).toBe("paused");
    vm.reset();
    expect(vm.run().status).toBe("paused");
    expect([lives(), vm.restarts]).toEqual([2, 2]);
    vm.reset();
    vm.resume();
    expect(vm.run().status).toBe("waiting");
    expect([lives(), vm.restarts, vm.audit()]).toEqual([3, 3, []]);
    vm.reset();
    expect(vm.run()).toMatchObject({ status: "reset", reason: "reset by its owner" });
    expect(() => vm.reset()).toThrow(/cannot reset: vm "g\d+" has ended/);
  });
});

describe("reboots", () => {
  it.each([-1, 0.5, Number.NaN])("cannot be %s", (reboots) => {
    expect(() => create({ reboots })).toThrow(SettingError);
  });
});

describe.each(PAGERS)("a vm of two processors under %s", (pager) => {
  /** Each time the second one counts, until the first one has seen a thousand; who resets is the second one, in the second life. */
  const program = twoProcessors({
    second: (g) => {
      g.label("count").inc(mem32(COUNT)).cmp(mem32(LIVES), 2).jcc("ne", "count");
      resetHard(g);
    },
    first: (g) => {
      g.inc(mem32(LIVES)).cmp(mem32(LIVES), 2).jcc("b", "race").jcc("e", "idle");
      g.mov("al", 1).out(0xf4, "al").label("idle").cli().label("rest").jmp("rest");
      g.label("race").cmp(mem32(COUNT), 1000).jcc("b", "race");
      resetHard(g);
    },
  });

  it("has its second one wait for a start-up message again", () => {
    const run = () => {
      const { vm, word } = bootTwo(program, { pager, reboots: 2, quantum: 700 });
      const seen: number[] = [];
      vm.on("restarted", () =>
        seen.push(word(COUNT), ...vm.vcpus.map(({ awaitsStartup }) => Number(awaitsStartup))),
      );
      return { result: vm.run(), seen, vcpus: vm.stats().vcpus.map(({ instructions }) => instructions) };
    };
    const first = run();
    expect(first.result).toMatchObject({ status: "exited", exitCode: 3 });
    expect(first.seen[0]).toBeGreaterThanOrEqual(1000);
    expect([...first.seen.slice(1, 3), ...first.seen.slice(4)]).toEqual([0, 1, 0, 1]);
    expect(run()).toEqual(first);
  });

  it("is not disturbed by both asking at once", () => {
    const both = twoProcessors({
      second: (g) => {
        g.inc(mem32(COUNT));
        resetHard(g);
      },
      first: (g) => {
        g.inc(mem32(LIVES));
        awaitWord(g, COUNT, 1);
        resetHard(g);
      },
    });
    const { vm, word } = bootTwo(both, { pager, reboots: 1, quantum: 3 });
    vm.on("restarted", () => vm.pause());
    expect(vm.run().status).toBe("paused");
    expect([word(LIVES), word(COUNT), vm.audit()]).toEqual([1, 1, []]);
  });
});

describe("devices of a vm that restarts", () => {
  it("keep what was written to disks, and the ROM what it had", () => {
    const disk = new MemoryDisk(new Uint8Array(1024));
    const roms = [{ gpa: 0xf0000, bytes: new Uint8Array(0x10000).fill(0x5a) }];
    const vm = create({
      disks: [disk],
      virtioDisks: [{ disk }],
      virtioConsole: true,
      vga: true,
      roms,
      reboots: 2,
    });
    const { ide, virtio } = vm.devices;
    disk.write(1, new Uint8Array(512).fill(7));
    vm.on("restarted", () => expect(vm.memory.read8(0xfffff as Gpa)).toBe(0x5a));
    expect(vm.run().status).toBe("exited");
    expect(vm.devices.ide).toHaveLength(2);
    expect(vm.devices.ide[0]).not.toBe(ide[0]);
    expect(vm.devices.virtio?.functions).toHaveLength(2);
    expect(vm.devices.virtio).not.toBe(virtio);
    expect(disk.read(1, 1)[0]).toBe(7);
  });
});
