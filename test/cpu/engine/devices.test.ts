import { describe, expect, it } from "vitest";
import { GuestBuilder, mem8, mem16, mem32 } from "../../../src/guest/builder/index.ts";
import { CODE, DATA, EngineGuest, STACK, U, W } from "./support/guest.ts";

let last: EngineGuest | undefined;
function guest(): EngineGuest {
  last = new EngineGuest({ after: last });
  return last;
}
const code = () => new GuestBuilder({ origin: CODE });
/** No memory is there. */
const DEVICE = 0x80000000;

/** One access as the monitor saw it: "r4 80000000", "w1 80000003=41", "in2 1f0", "out1 80=5". */
type Seen = string;

/** Answers every device access with `value` of its number until something else ends the run; what was seen, in order. */
function serve(
  g: EngineGuest,
  value: (n: number) => number = () => 0xffffffff,
): { seen: Seen[]; reason: string } {
  const seen: Seen[] = [];
  for (;;) {
    const exit = g.cpu.run(1000);
    const hex = (n: number) => (n >>> 0).toString(16);
    if (exit.reason !== "io" && exit.reason !== "mmio") return { seen, reason: exit.reason };
    const where = exit.reason === "io" ? exit.port : exit.gpa;
    const [read, write] = exit.reason === "io" ? ["in", "out"] : ["r", "w"];
    expect(exit.write).toBe(exit.access === 1);
    seen.push(
      exit.write
        ? `${write}${exit.size} ${hex(where)}=${hex(exit.value)}`
        : `${read}${exit.size} ${hex(where)}`,
    );
    const before = [g.cpu.retired, g.cpu.state.eip, ...g.registers];
    g.cpu.answer(value(seen.length - 1));
    expect([g.cpu.retired, g.cpu.state.eip, ...g.registers]).toEqual(before);
    if (seen.length > 1000) throw new Error("no end");
  }
}

const MODES = [{ paged: false }, { paged: true }] as const;

describe.each(MODES)("memory-mapped devices, paged: $paged", ({ paged }) => {
  function run(program: GuestBuilder, value?: (n: number) => number) {
    const g = guest();
    if (paged) g.map(DEVICE, DEVICE, W, 2);
    g.start(program.hlt().build(), { paged });
    return { g, ...serve(g, value) };
  }

  it("loads and stores of every size", () => {
    const { g, seen } = run(
      code()
        .mov("al", mem8(DEVICE + 3))
        .mov("bx", mem16(DEVICE + 6))
        .mov("ecx", mem32(DEVICE + 8))
        .mov(mem8(DEVICE), "al")
        .mov(mem16(DEVICE), "bx")
        .mov(mem32(DEVICE), "ecx"),
      (n) => 0x11223344 + n,
    );
    expect(seen).toEqual([
      "r1 80000003",
      "r2 80000006",
      "r4 80000008",
      "w1 80000000=44",
      "w2 80000000=3345",
      "w4 80000000=11223346",
    ]);
    expect([g.registers[0], g.registers[3], g.registers[1], g.cpu.retired]).toEqual([
      0x44, 0x3345, 0x11223346, 7,
    ]);
  });

  it("a read-modify-write is a read and then a write, done once", () => {
    const { g, seen } = run(
      code()
        .mov("eax", 5)
        .add(mem32(DEVICE), "eax")
        .xchg(mem8(DEVICE + 1), "al"),
      (n) => 100 + n,
    );
    expect(seen).toEqual(["r4 80000000", "w4 80000000=69", "r1 80000001", "w1 80000001=5"]);
    expect([g.registers[0], g.cpu.retired]).toEqual([102, 4]);
  });

  it("CMPXCHG8B reads and writes both halves in order", () => {
    const { g, seen } = run(
      code()
        .mov("eax", 7)
        .mov("edx", 8)
        .mov("ebx", 9)
        .mov("ecx", 10)
        .cmpxchg8b(mem32(DEVICE) as never),
      (n) => 7 + n,
    );
    expect(seen).toEqual(["r4 80000000", "r4 80000004", "w4 80000000=9", "w4 80000004=a"]);
    expect(g.cpu.state.eflags & 0x40).toBe(0x40);
  });

  it("an access that crosses two pages of devices goes byte by byte", () => {
    const { g, seen } = run(
      code()
        .mov("eax", mem32(DEVICE + 0xffe))
        .mov(mem16(DEVICE + 0xfff), "ax"),
      (n) => 0x10 + n,
    );
    expect(seen).toEqual([
      "r1 80000ffe",
      "r1 80000fff",
      "r1 80001000",
      "r1 80001001",
      "w1 80000fff=10",
      "w1 80001000=11",
    ]);
    expect(g.registers[0]).toBe(0x13121110);
  });

  it("PUSH and POP between a device and memory", () => {
    const { g, seen } = run(
      code()
        .push(mem32(DEVICE))
        .pop(mem32(DEVICE + 4)),
      () => 0x77,
    );
    expect(seen).toEqual(["r4 80000000", "w4 80000004=77"]);
    expect([g.registers[4], g.cpu.retired]).toEqual([STACK, 3]);
  });

  it("CALL through a device pushes once", () => {
    const { g, seen } = run(code().call(mem32(DEVICE)), () => CODE + 6);
    expect(seen).toEqual(["r4 80000000"]);
    expect([g.registers[4], g.read32(STACK - 4)]).toEqual([STACK - 4, CODE + 6]);
  });

  it("repeated string instructions access one element after the other", () => {
    const { g, seen } = run(
      code()
        .mov("esi", DEVICE)
        .mov("edi", DATA)
        .mov("ecx", 3)
        .string("movs", 32, "rep")
        .mov("edi", DEVICE + 8)
        .mov("ecx", 2)
        .string("stos", 8, "rep"),
      (n) => n + 1,
    );
    expect(seen).toEqual(["r4 80000000", "r4 80000004", "r4 80000008", "w1 80000008=0", "w1 80000009=0"]);
    expect([g.read32(DATA), g.read32(DATA + 8), g.registers[1], g.registers[6], g.registers[7]]).toEqual([
      1,
      3,
      0,
      DEVICE + 12,
      DEVICE + 10,
    ]);
    expect(g.cpu.retired).toBe(8);
  });

  it("REPE CMPS stops at the answer that differs", () => {
    const { g, seen } = run(
      code().mov("esi", DEVICE).mov("edi", DATA).mov("ecx", 5).string("cmps", 8, "repe"),
      (n) => (n === 2 ? 1 : 0),
    );
    expect(seen).toHaveLength(3);
    expect([g.registers[1], g.cpu.state.eflags & 0x40]).toEqual([2, 0]);
  });
});

describe("an access half in memory and half in a device", () => {
  it("writes and reads both halves", () => {
    const g = guest();
    g.start(
      code()
        .mov("eax", 0x44332211)
        .mov(mem32(STACK - 2), "eax")
        .mov("ebx", mem32(STACK - 2))
        .hlt()
        .build(),
    );
    const { seen } = serve(g, (n) => (n < 2 ? 0 : 0x80 + n));
    expect(seen).toEqual(["w1 120000=33", "w1 120001=44", "r1 120000", "r1 120001"]);
    expect(g.registers[3]).toBe(0x83822211);
  });

  it("accesses no device when the memory half faults", () => {
    const g = guest();
    g.start(
      code()
        .mov(mem32(STACK - 0x1002), "eax")
        .hlt()
        .build(),
      { ring: 3, paged: true },
    );
    g.map(STACK - 0x1000, DEVICE, U | W);
    g.unmap(STACK - 0x2000);
    expect(serve(g)).toEqual({ seen: [], reason: "hlt" });
    expect(g.haltedIn).toBe(14);
  });
});

describe("ports", () => {
  it("IN and OUT of every size, by number and by DX", () => {
    const g = guest();
    g.start(
      code()
        .mov("edx", 0x1f0)
        .in("al", 0x60)
        .out(0x80, "al")
        .in("ax", "dx")
        .in("eax", "dx")
        .out("dx", "eax")
        .out("dx", "ax")
        .hlt()
        .build(),
    );
    expect(serve(g, (n) => 0xa1b2c300 + n).seen).toEqual([
      "in1 60",
      "out1 80=0",
      "in2 1f0",
      "in4 1f0",
      "out4 1f0=a1b2c303",
      "out2 1f0=c303",
    ]);
    expect(g.cpu.retired).toBe(8);
  });

  it("INS stores what was read, an element for each answer", () => {
    const g = guest();
    g.start(
      code()
        .mov("edx", 0x1f0)
        .mov("edi", DATA)
        .mov("ecx", 3)
        .string("ins", 16, "rep")
        .string("ins", 8)
        .hlt()
        .build(),
    );
    expect(serve(g, (n) => 0x1111 * (n + 1)).seen).toEqual(["in2 1f0", "in2 1f0", "in2 1f0", "in1 1f0"]);
    expect([g.read32(DATA), g.read32(DATA + 4), g.registers[1], g.registers[7]]).toEqual([
      0x22221111,
      0x443333,
      0,
      DATA + 7,
    ]);
    expect(g.cpu.retired).toBe(6);
  });

  it("INS to a device reads the port once for each store", () => {
    const g = guest();
    g.start(code().mov("edx", 0x1f0).mov("edi", DEVICE).mov("ecx", 2).string("ins", 8, "rep").hlt().build());
    expect(serve(g, (n) => n + 5).seen).toEqual(["in1 1f0", "w1 80000000=5", "in1 1f0", "w1 80000001=7"]);
  });

  it("INS does not touch the port while its store would fault, and goes on after the page has come", () => {
    const g = guest();
    g.start(
      code()
        .mov("edx", 0x1f0)
        .mov("edi", DATA + 0xfff)
        .mov("ecx", 3)
        .string("ins", 8, "rep")
        .hlt()
        .build(),
      { paged: true },
    );
    g.unmap(DATA + 0x1000);
    expect(serve(g, (n) => n + 1)).toEqual({ seen: ["in1 1f0"], reason: "hlt" });
    expect(g.haltedIn).toBe(14);
    expect([g.registers[1], g.registers[7], g.cpu.state.get(0x208)]).toEqual([
      2,
      DATA + 0x1000,
      DATA + 0x1000,
    ]);
    const { eip } = g.frame(true);
    g.map(DATA + 0x1000, DATA + 0x1000, W);
    g.cpu.state.eip = eip;
    g.cpu.state.setReg(4, STACK);
    expect(serve(g, (n) => n + 8).seen).toEqual(["in1 1f0", "in1 1f0"]);
    expect([g.read8(DATA + 0xfff), g.read8(DATA + 0x1000), g.read8(DATA + 0x1001)]).toEqual([1, 8, 9]);
  });

  it("OUTS sends elements in order, with the segment it is told", () => {
    const g = guest();
    g.start(code().mov("edx", 0x3f8).mov("esi", DATA).mov("ecx", 3).string("outs", 8, "rep").hlt().build());
    g.write(DATA, [0x41, 0x42, 0x43]);
    expect(serve(g).seen).toEqual(["out1 3f8=41", "out1 3f8=42", "out1 3f8=43"]);
    expect([g.registers[6], g.registers[1]]).toEqual([DATA + 3, 0]);
  });

  it("are refused in ring 3 without leaving", () => {
    const g = guest();
    g.start(code().in("al", 0x60).build(), { ring: 3, paged: true });
    expect(serve(g)).toEqual({ seen: [], reason: "hlt" });
    expect(g.haltedIn).toBe(13);
  });
});

describe("an instruction whose device has answered", () => {
  it("finishes before an interrupt is taken, so that no device is accessed twice", () => {
    const g = guest();
    g.start(code().in("al", 0x60).nop().hlt().build());
    g.cpu.state.eflags = 0x202;
    expect(g.cpu.interruptible).toBe(true);
    expect(g.cpu.run(100).reason).toBe("io");
    g.cpu.answer(0x1c);
    expect(g.cpu.interruptible).toBe(false);
    g.cpu.windowRequested = true;
    expect(g.cpu.run(100).reason).toBe("interruptWindow");
    expect([g.registers[0], g.cpu.retired, g.cpu.interruptible]).toEqual([0x1c, 1, true]);
  });

  it("lets interrupts in between two iterations of INS", () => {
    const g = guest();
    g.start(code().mov("edx", 0x1f0).mov("edi", DATA).mov("ecx", 3).string("ins", 8, "rep").hlt().build());
    g.cpu.state.eflags = 0x202;
    g.cpu.run(100);
    g.cpu.answer(1);
    g.cpu.windowRequested = true;
    expect(g.cpu.run(100).reason).toBe("interruptWindow");
    expect([g.registers[1], g.registers[7], g.cpu.retired]).toEqual([2, DATA + 1, 3]);
  });

  it("finishes after another guest has had the CPU", () => {
    const g = guest();
    g.start(code().add(mem32(DEVICE), "eax").in("al", 0x60).hlt().build());
    g.cpu.state.setReg(0, 3);
    const mine = new Uint8Array(4096);
    const seen: string[] = [];
    while (seen.length < 10) {
      const exit = g.cpu.run(100);
      if (exit.reason === "hlt") break;
      seen.push(`${exit.reason} ${exit.access} ${exit.value}`);
      g.cpu.answer(40);
      g.cpu.saveState(mine);
      g.cpu.reset();
      g.cpu.loadState(mine);
    }
    expect(seen).toEqual(["mmio 0 0", "mmio 1 43", "io 0 0"]);
    expect(g.registers[0]).toBe(40);
  });

  it("forgets the answer when the guest turns out to do something else", () => {
    const g = guest();
    g.start(code().in("al", 0x60).hlt().build());
    g.cpu.run(100);
    g.cpu.answer(9);
    // The monitor rewrites the instruction: IN AL, 61.
    g.write(CODE + 1, [0x61]);
    expect(g.cpu.run(100)).toMatchObject({ reason: "io", port: 0x61 });
  });

  it("can be skipped by the monitor", () => {
    const g = guest();
    g.start(code().out(0x80, "al").in("eax", "dx").hlt().build());
    for (let n = 0; n < 2; n++) {
      expect(g.cpu.run(100).reason).toBe("io");
      g.cpu.skip();
    }
    expect(g.cpu.run(100).reason).toBe("hlt");
    expect(g.cpu.retired).toBe(3);
  });
});
