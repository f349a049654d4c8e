import { describe, expect, it } from "vitest";
import {
  addInterruptController,
  addKeyboardController,
  addPorts,
  addRtc,
  addressesOf,
  addTimer,
  addUart,
  addVirtualClock,
  CPU,
  createTestStage,
  SWITCHER,
} from "../../src/actors/index.ts";
import { TimerWheel } from "../../src/devices/timer-wheel.ts";
import { VirtualTime } from "../../src/index.ts";
import type { Gpa } from "../../src/mmu/address.ts";

const addresses = addressesOf("g");
const SCALE = { nsPerInstruction: 1, ioNs: 1000, tscMHz: 1000 };

/** A stage with stand-ins for everybody but the actors named. */
function bench(...real: (keyof typeof addresses)[]) {
  const { stage, bus } = createTestStage();
  let retired = 0;
  const time = new VirtualTime(() => retired, SCALE);
  for (const [role, address] of Object.entries(addresses))
    if (!(real as string[]).includes(role)) bus.stub(address);
  bus.stub(CPU);
  bus.stub(SWITCHER);
  const post = (receiver: string, message: Parameters<typeof bus.post>[2]) => {
    bus.post("test", receiver, message);
    bus.drain();
  };
  return {
    stage,
    bus,
    time,
    post,
    parts: { addresses, time },
    pass: (ns: number) => (retired += ns),
  };
}

describe("the uart actor", () => {
  it("sends what the guest writes to its vm, and answers the Switcher", () => {
    const { stage, bus, post, parts } = bench("uart");
    addUart(stage, parts);
    post("uart:g", { type: "io.write", vcpu: 3, port: 0x3f8, size: 1, value: 65 });
    bus.expectMessages([
      { type: "io.write", to: "uart:g" },
      { type: "console.output", from: "uart:g", to: "vm:g", with: { byte: 65 } },
      { type: "io.done", from: "uart:g", to: SWITCHER, with: { vcpu: 3 } },
    ]);
  });

  it("asserts line 4 for input when the guest has enabled that, and drops it when the byte is read", () => {
    const { stage, bus, post, parts } = bench("uart");
    addUart(stage, parts);
    post("uart:g", { type: "io.write", vcpu: 3, port: 0x3fc, size: 1, value: 0x08 });
    post("uart:g", { type: "io.write", vcpu: 3, port: 0x3f9, size: 1, value: 0x01 });
    bus.forget();
    post("uart:g", { type: "console.input", bytes: Uint8Array.of(120) });
    bus.expectMessages([{ type: "console.input" }, { type: "irq.assert", to: "pic:g", with: { line: 4 } }]);
    post("uart:g", { type: "io.read", vcpu: 3, port: 0x3f8, size: 1 });
    bus.expectMessages([
      { type: "io.read" },
      { type: "irq.deassert", to: "pic:g", with: { line: 4 } },
      { type: "io.data", to: SWITCHER, with: { value: 120, vcpu: 3 } },
    ]);
  });

  it("asks the clock for its time-out, and asserts when it comes", () => {
    const { stage, bus, post, parts } = bench("uart");
    addUart(stage, parts);
    post("uart:g", { type: "io.write", vcpu: 3, port: 0x3fa, size: 1, value: 0xc1 });
    post("uart:g", { type: "io.write", vcpu: 3, port: 0x3fc, size: 1, value: 0x08 });
    post("uart:g", { type: "io.write", vcpu: 3, port: 0x3f9, size: 1, value: 0x01 });
    bus.forget();
    post("uart:g", { type: "console.input", bytes: Uint8Array.of(1) });
    bus.expectMessages([
      { type: "console.input" },
      { type: "clock.arm", to: "clock:g", with: { device: "uart:g", id: "timeout" } },
    ]);
    post("uart:g", { type: "clock.alarm", id: "timeout", nowNs: 1_000_000 });
    bus.expectMessages([{ type: "clock.alarm" }, { type: "irq.assert", with: { line: 4 } }]);
  });
});

describe("the timer actor", () => {
  it("arms an alarm for counter 0, and drives line 0 when it comes", () => {
    const { stage, bus, post, parts, pass } = bench("timer");
    addTimer(stage, parts);
    for (const [port, value] of [
      [0x43, 0x34],
      [0x40, 0xe8],
      [0x40, 0x03],
    ] as const)
      post("timer:g", { type: "io.write", vcpu: 3, port, size: 1, value });
    const lines = () =>
      bus.envelopes.map(({ message }) => message.type).filter((type) => type.startsWith("irq."));
    let now = 0;
    for (let alarm = 0; alarm < 3; alarm++) {
      const arm = bus.envelopes.map(({ message }) => message).findLast(({ type }) => type === "clock.arm");
      if (arm?.type !== "clock.arm") throw new Error("no alarm was armed");
      expect(arm).toMatchObject({ device: "timer:g", id: "out0" });
      expect(arm.atNs).toBeGreaterThan(now);
      pass(arm.atNs - now);
      now = arm.atNs;
      post("timer:g", { type: "clock.alarm", id: "out0", nowNs: now });
    }
    // Mode 2: high from the control word on, low for one clock pulse at the end of each period of 1000.
    expect(lines()).toEqual(["irq.assert", "irq.deassert", "irq.assert"]);
    expect(now).toBeGreaterThan(838_000);
    expect(now).toBeLessThan(841_000);
  });

  it("ignores an alarm that it has cancelled meanwhile", () => {
    const { stage, bus, post, parts } = bench("timer");
    addTimer(stage, parts);
    post("timer:g", { type: "clock.alarm", id: "out0", nowNs: 5 });
    bus.expectMessages([{ type: "clock.alarm" }]);
  });

  it("answers port 0x61 too", () => {
    const { stage, bus, post, parts } = bench("timer");
    addTimer(stage, parts);
    post("timer:g", { type: "io.write", vcpu: 3, port: 0x61, size: 1, value: 0x01 });
    bus.forget();
    post("timer:g", { type: "io.read", vcpu: 3, port: 0x61, size: 1 });
    bus.expectMessages([
      { type: "io.read" },
      { type: "io.data", with: { value: (value) => (value & 0x0f) === 1 } },
    ]);
  });
});

describe("the rtc actor", () => {
  it("shows the time that it was given", () => {
    const { stage, bus, post, parts } = bench("rtc");
    addRtc(stage, { ...parts, memoryBytes: 4 << 20, epochSeconds: Date.UTC(2031, 4, 6, 7, 8, 9) / 1000 });
    post("rtc:g", { type: "io.write", vcpu: 3, port: 0x70, size: 1, value: 0 });
    bus.forget();
    post("rtc:g", { type: "io.read", vcpu: 3, port: 0x71, size: 1 });
    bus.expectMessages([{ type: "io.read" }, { type: "io.data", to: SWITCHER, with: { value: 0x09 } }]);
  });

  it("arms an alarm once an interrupt is enabled, and drives line 8", () => {
    const { stage, bus, post, parts, pass } = bench("rtc");
    addRtc(stage, { ...parts, memoryBytes: 4 << 20 });
    post("rtc:g", { type: "io.write", vcpu: 3, port: 0x70, size: 1, value: 0x0b });
    post("rtc:g", { type: "io.write", vcpu: 3, port: 0x71, size: 1, value: 0x12 });
    const arm = bus.envelopes.map(({ message }) => message).find(({ type }) => type === "clock.arm");
    if (arm?.type !== "clock.arm") throw new Error("no alarm was armed");
    pass(arm.atNs);
    bus.forget();
    post("rtc:g", { type: "clock.alarm", id: arm.id, nowNs: arm.atNs });
    expect(bus.envelopes.map(({ message }) => message)).toContainEqual({ type: "irq.assert", line: 8 });
  });
});

describe("the keyboard controller actor", () => {
  it("tells its vm when the guest pulls the reset line, and still answers", () => {
    const { stage, bus, post, parts } = bench("kbd");
    addKeyboardController(stage, { ...parts, hasKeyboard: false });
    post("kbd:g", { type: "io.write", vcpu: 3, port: 0x64, size: 1, value: 0xfe });
    bus.expectMessages([
      { type: "io.write" },
      { type: "vm.reset", to: "vm:g", with: { by: "the keyboard controller" } },
      { type: "io.done", to: SWITCHER },
    ]);
  });
});

describe("the ports actor", () => {
  it("answers ports and memory that nobody claims with all ones", () => {
    const { stage, bus, post, parts } = bench("ports");
    const { unassigned } = addPorts(stage, {
      ...parts,
      memoryBytes: 1 << 20,
      vga: false,
      functions: new Map(),
    });
    post("ports:g", { type: "io.read", vcpu: 3, port: 0x300, size: 2 });
    post("ports:g", { type: "mmio.read", gpa: 0xc0000 as Gpa, size: 4 });
    post("ports:g", { type: "mmio.write", gpa: 0xc0000 as Gpa, size: 4, value: 1 });
    bus.expectMessages([
      { type: "io.read" },
      { type: "io.data", to: SWITCHER, with: { value: 0xffff } },
      { type: "mmio.read" },
      { type: "mmio.data", to: "mmu:g", with: { value: 0xffffffff } },
      { type: "mmio.write" },
      { type: "mmio.done", to: "mmu:g" },
    ]);
    expect(unassigned.state).toMatchObject({ reads: 1, lastPort: 0x300 });
  });

  it("takes a reset through 0xCF9 to its vm", () => {
    const { stage, bus, post, parts } = bench("ports");
    addPorts(stage, { ...parts, memoryBytes: 1 << 20, vga: false, functions: new Map() });
    post("ports:g", { type: "io.write", vcpu: 3, port: 0xcf9, size: 1, value: 0x06 });
    bus.expectMessages([
      { type: "io.write" },
      { type: "vm.reset", to: "vm:g", with: { by: "port 0xcf9" } },
      { type: "io.done" },
    ]);
  });
});

describe("the interrupt controller actor", () => {
  function controller() {
    const made = bench("pic");
    const pic = addInterruptController(made.stage, { ...made.parts, vcpu: 3 });
    const out = (port: number, value: number) =>
      made.post("pic:g", { type: "io.write", vcpu: 3, port, size: 1, value });
    for (const [port, value] of [
      [0x20, 0x11],
      [0x21, 0x20],
      [0x21, 0x04],
      [0x21, 0x01],
      [0x21, 0x00],
    ] as const)
      out(port, value);
    made.bus.forget();
    return { ...made, pic, out };
  }

  it("goes from the line to the request, the vector and the end of interrupt", () => {
    const { bus, post, out, pic } = controller();
    post("pic:g", { type: "irq.assert", line: 4 });
    bus.expectMessages([{ type: "irq.assert" }, { type: "intr.request", to: SWITCHER, with: { vcpu: 3 } }]);
    post("pic:g", { type: "intr.acknowledge", vcpu: 3 });
    bus.expectMessages([
      { type: "intr.acknowledge" },
      { type: "intr.vector", to: SWITCHER, with: { vector: 0x24, spurious: false } },
    ]);
    expect(pic.statusOf(4)).toBe("inService");
    out(0x20, 0x20);
    bus.expectMessages([
      { type: "io.write" },
      { type: "intr.eoi", to: null, with: { lines: 1 << 4 } },
      { type: "io.done", to: SWITCHER },
    ]);
  });

  it("withdraws a request whose line is masked, and gives a spurious vector to a late acknowledge", () => {
    const { bus, post, out } = controller();
    post("pic:g", { type: "irq.assert", line: 4 });
    bus.forget();
    out(0x21, 0xff);
    bus.expectMessages([
      { type: "io.write" },
      { type: "io.done" },
      { type: "intr.withdraw", to: SWITCHER, with: { vcpu: 3 } },
    ]);
    post("pic:g", { type: "intr.acknowledge", vcpu: 3 });
    bus.expectMessages([
      { type: "intr.acknowledge" },
      { type: "intr.vector", with: { vector: 0x27, spurious: true } },
    ]);
  });

  it("requests once for two lines, and again when the first is acknowledged and a higher one waits", () => {
    const { bus, post } = controller();
    post("pic:g", { type: "irq.assert", line: 4 });
    post("pic:g", { type: "intr.acknowledge", vcpu: 3 });
    bus.forget();
    post("pic:g", { type: "irq.assert", line: 1 });
    bus.expectMessages([{ type: "irq.assert" }, { type: "intr.request" }]);
  });
});

describe("the clock actor", () => {
  function clock() {
    const made = bench("clock");
    const wheel = new TimerWheel();
    addVirtualClock(made.stage, { ...made.parts, wheel });
    const arm = (id: string, atNs: number) =>
      made.post("clock:g", { type: "clock.arm", device: "timer:g", id, atNs });
    return { ...made, wheel, arm };
  }

  it("rings what is due, in the order of time, before it confirms", () => {
    const { bus, post, arm, pass } = clock();
    arm("late", 300);
    arm("soon", 100);
    arm("later", 900);
    pass(500);
    bus.forget();
    post("clock:g", { type: "clock.advance", vcpu: 3, nowNs: 500 });
    bus.expectMessages([
      { type: "clock.advance" },
      { type: "clock.alarm", to: "timer:g", with: { id: "soon", nowNs: 500 } },
      { type: "clock.alarm", to: "timer:g", with: { id: "late" } },
      { type: "clock.advanced", to: SWITCHER, with: { vcpu: 3 } },
    ]);
  });

  it("jumps over idle time to the next alarm", () => {
    const { bus, post, arm, time } = clock();
    arm("soon", 1000);
    bus.forget();
    post("clock:g", { type: "clock.idle", vcpu: 3, nowNs: 0 });
    bus.expectMessages([
      { type: "clock.idle" },
      { type: "clock.alarm", with: { id: "soon", nowNs: 1000 } },
      { type: "clock.jumped", to: CPU, with: { nowNs: 1000 } },
    ]);
    expect(time.nowNs()).toBe(1000);
  });

  it("says when nothing is armed, also after a cancel", () => {
    const { bus, post, arm } = clock();
    arm("soon", 1000);
    post("clock:g", { type: "clock.cancel", device: "timer:g", id: "soon" });
    bus.forget();
    post("clock:g", { type: "clock.idle", vcpu: 3, nowNs: 0 });
    bus.expectMessages([{ type: "clock.idle" }, { type: "clock.none", to: CPU, with: { vcpu: 3 } }]);
  });
});
