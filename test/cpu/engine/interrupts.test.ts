import { describe, expect, it } from "vitest";
import * as L from "../../../src/cpu/layout.ts";
import { GuestBuilder, mem32, ref } from "../../../src/guest/builder/index.ts";
import { CODE, DATA, EngineGuest, IDT, Sel, STACK, W } from "./support/guest.ts";

let last: EngineGuest | undefined;
function guest(): EngineGuest {
  last = new EngineGuest({ after: last });
  return last;
}
const code = () => new GuestBuilder({ origin: CODE });
const external = (vector: number) => ({ kind: "external", vector }) as const;

describe("instruction counts at exits", () => {
  it.each([
    { name: "HLT", end: (g: GuestBuilder) => g.hlt(), reason: "hlt", retired: 4, past: 1 },
    { name: "OUT", end: (g: GuestBuilder) => g.out(0x80, "al"), reason: "io", retired: 3, past: 0 },
    { name: "IN", end: (g: GuestBuilder) => g.in("eax", "dx"), reason: "io", retired: 3, past: 0 },
    {
      name: "MMIO",
      end: (g: GuestBuilder) => g.mov(mem32(0x80000000), "eax"),
      reason: "mmio",
      retired: 3,
      past: 0,
    },
    {
      name: "CPUID",
      end: (g: GuestBuilder) => g.cpuid(),
      reason: "cpuid",
      retired: 3,
      past: 0,
      controls: 1 << 5,
    },
    {
      name: "MOV to CR3",
      end: (g: GuestBuilder) => g.mov("cr3", "eax"),
      reason: "controlRegister",
      retired: 3,
      past: 0,
      controls: 1 << 2,
    },
  ])("are exact at $name, whatever the budget", ({ end, reason, retired, past, controls = 0 }) => {
    for (const budget of [1, 2, 3, 4, 100]) {
      const g = guest();
      g.start(end(code().nop().inc("ecx").nop().label("at")).nop().nop().build());
      g.cpu.controls = controls;
      let exit = g.cpu.run(budget);
      while (exit.reason === "budget") {
        expect(g.cpu.retired % budget).toBe(0);
        exit = g.cpu.run(budget);
      }
      expect([exit.reason, g.cpu.retired, exit.eip, g.cpu.state.eip]).toEqual([
        reason,
        retired,
        CODE + 3 + past,
        CODE + 3 + past,
      ]);
    }
  });

  it("counts an exception's instruction only when it has been carried out", () => {
    const g = guest();
    g.start(code().nop().ud2().build());
    g.runToExit();
    expect([g.haltedIn, g.cpu.retired]).toEqual([6, 2]);
    const h = guest();
    h.start(code().nop().int(0x21).build());
    h.runToExit();
    expect([h.haltedIn, h.cpu.retired]).toEqual([0x21, 3]);
  });

  it("time stamps are those of the instruction, in the middle of a block too", () => {
    const g = guest();
    g.start(code().nop().rdtsc().mov("ebx", "eax").nop().rdtsc().hlt().build());
    g.cpu.timestampSource = (retired) => BigInt(retired) * 10n;
    g.runToExit();
    expect([g.registers[3], g.registers[0]]).toEqual([10, 40]);
  });
});

describe("the interrupt window", () => {
  it("opens as soon as IF is set, after the instruction behind STI", () => {
    for (const budget of [1, 2, 3, 100]) {
      const g = guest();
      g.start(code().cli().nop().sti().inc("ebx").inc("ecx").hlt().build());
      g.cpu.windowRequested = true;
      let exit = g.cpu.run(budget);
      while (exit.reason === "budget") exit = g.cpu.run(budget);
      expect([exit.reason, g.cpu.retired, g.cpu.state.eip]).toEqual(["interruptWindow", 4, CODE + 4]);
      expect([g.registers[3], g.registers[1]]).toEqual([1, 0]);
      expect(g.cpu.interruptible).toBe(true);
    }
  });

  it("stays shut when the instruction behind STI clears IF", () => {
    const g = guest();
    g.start(code().sti().cli().nop().hlt().build());
    g.cpu.windowRequested = true;
    expect(g.cpu.run(100).reason).toBe("hlt");
    expect(g.cpu.retired).toBe(4);
  });

  it("tells the monitor that the burst ended in the shadow of STI", () => {
    const g = guest();
    g.start(code().sti().nop().hlt().build());
    g.cpu.run(1);
    expect([g.cpu.state.eflags & 0x200, g.cpu.interruptible]).toEqual([0x200, false]);
    g.cpu.run(1);
    expect(g.cpu.interruptible).toBe(true);
  });

  it("STI with IF set already holds nothing off", () => {
    const g = guest();
    g.start(code().sti().nop().sti().nop().hlt().build());
    g.cpu.run(3);
    expect(g.cpu.interruptible).toBe(true);
  });

  it.each([
    { name: "MOV SS", load: (g: GuestBuilder) => g.mov("eax", Sel.data0).mov("ss", "ax"), retired: 4 },
    { name: "POP SS", load: (g: GuestBuilder) => g.push(Sel.data0).pop("ss"), retired: 4 },
  ])("stays shut for the instruction behind $name, so that ESP can be loaded", ({ load, retired }) => {
    const g = guest();
    g.start(
      load(code().nop())
        .mov("esp", STACK - 64)
        .nop()
        .hlt()
        .build(),
    );
    g.cpu.state.eflags = 0x202;
    g.cpu.run(3);
    expect(g.cpu.interruptible).toBe(false);
    g.cpu.windowRequested = true;
    expect(g.cpu.run(100).reason).toBe("interruptWindow");
    expect([g.cpu.retired, g.registers[4]]).toEqual([retired, STACK - 64]);
  });

  it("the shadow ends when an exception is delivered", () => {
    const g = guest();
    g.gate(6, CODE + 0x100, "trap");
    g.load(new GuestBuilder({ origin: CODE + 0x100 }).nop().hlt().build());
    g.start(code().sti().ud2().build());
    g.cpu.windowRequested = true;
    expect(g.cpu.run(100).reason).toBe("interruptWindow");
    expect([g.cpu.state.eip, g.cpu.retired]).toEqual([CODE + 0x100, 1]);
  });

  it("opens after POPF and IRET that set IF", () => {
    const g = guest();
    g.start(code().push(0x202).raw([0x9d]).nop().hlt().build());
    g.cpu.windowRequested = true;
    expect([g.cpu.run(100).reason, g.cpu.retired]).toEqual(["interruptWindow", 2]);
    g.start(code().push(0x202).push(Sel.code0).push(ref("on")).iret().label("on").nop().hlt().build());
    expect([g.cpu.run(100).reason, g.cpu.retired]).toEqual(["interruptWindow", 4]);
  });

  it("opens between the iterations of a repeated instruction", () => {
    const g = guest();
    g.start(code().mov("edi", DATA).mov("ecx", 20000).string("stos", 8, "rep").hlt().build());
    g.cpu.run(2);
    g.cpu.state.eflags = 0x202;
    g.cpu.windowRequested = true;
    expect(g.cpu.run(100).reason).toBe("interruptWindow");
    g.cpu.windowRequested = false;
    g.cpu.state.setReg(0, 0x5a);
    expect(g.cpu.run(100).reason).toBe("hlt");
    expect([g.registers[1], g.registers[7], g.cpu.retired]).toEqual([0, DATA + 20000, 4]);
    expect(g.read8(DATA + 19999)).toBe(0x5a);
  });
});

describe("injected events", () => {
  it("an interrupt is delivered before the next instruction and costs no instruction", () => {
    const g = guest();
    g.start(code().sti().nop().nop().hlt().build());
    g.cpu.run(3);
    g.cpu.inject(external(0x31));
    expect(g.cpu.run(100).reason).toBe("hlt");
    expect([g.haltedIn, g.cpu.retired, g.cpu.pending]).toEqual([0x31, 4, undefined]);
    expect(g.frame(false)).toMatchObject({ eip: CODE + 3 });
    expect(g.frame(false).eflags & 0x200).toBe(0x200);
    expect(g.cpu.state.eflags & 0x200).toBe(0);
  });

  it("stays pending while its delivery leaves for the monitor", () => {
    const g = guest();
    g.start(code().nop().hlt().build(), { ring: 3, paged: true });
    g.cpu.controls = 1;
    g.unmap(0x5000);
    g.cpu.inject(external(0x31));
    for (let n = 0; n < 2; n++) {
      expect(g.cpu.run(100)).toMatchObject({ reason: "pageFault", vectoring: -1 });
      expect(g.cpu.pending).toEqual(external(0x31));
      expect([g.cpu.state.eip, g.cpu.retired, g.cpu.state.cpl]).toEqual([CODE, 0, 3]);
    }
    g.map(0x5000, 0x5000, W);
    g.cpu.run(100);
    expect([g.haltedIn, g.cpu.pending]).toEqual([0x31, undefined]);
    expect(g.frame(false).eip).toBe(CODE);
  });

  it("a page fault loads CR2 and pushes its error code", () => {
    const g = guest();
    g.start(code().nop().hlt().build());
    g.cpu.inject({ kind: "exception", vector: 14, errorCode: 7, cr2: 0xdeadb000 });
    g.cpu.run(100);
    expect(g.haltedIn).toBe(14);
    expect(g.cpu.state.get(L.CR2)).toBe(0xdeadb000);
    expect(g.frame(true)).toMatchObject({ errorCode: 7, eip: CODE });
  });

  it("an exception that cannot be delivered becomes a double fault", () => {
    const g = guest();
    g.start(code().nop().hlt().build());
    g.write(0x2000 + 13 * 8 + 5, [0x0e]);
    g.cpu.inject({ kind: "exception", vector: 13, errorCode: 0 });
    g.cpu.run(100);
    expect(g.haltedIn).toBe(8);
  });
});

describe("the IRET of a handler of non-maskable interrupts", () => {
  /** In that handler, with a stack that is not there. */
  function inHandler(): EngineGuest {
    const g = guest();
    g.start(code().hlt().build(), { paged: true });
    g.load(new GuestBuilder({ origin: CODE + 0x400 }).nop().iret().build());
    g.gate(2, CODE + 0x400);
    g.cpu.inject({ kind: "nmi", vector: 2 });
    g.cpu.run(1);
    g.cpu.controls = 1;
    g.unmap(STACK - 0x1000);
    g.cpu.flushTlbAll();
    return g;
  }

  it("lets none come while it has left for the monitor, and then one", () => {
    const g = inHandler();
    for (let turn = 0; turn < 2; turn++) {
      expect(g.cpu.run(100)).toMatchObject({ reason: "pageFault", eip: CODE + 0x401 });
      expect(g.cpu.nmiReady).toBe(false);
    }
    g.map(STACK - 0x1000, STACK - 0x1000, W);
    expect([g.cpu.run(100).reason, g.cpu.state.eip, g.cpu.nmiReady]).toEqual(["hlt", CODE + 1, true]);
  });

  it("lets one come once it has faulted", () => {
    const g = inHandler();
    g.cpu.run(100);
    g.cpu.inject({ kind: "exception", vector: 14, errorCode: 0, cr2: STACK - 12 });
    expect(g.cpu.nmiReady).toBe(true);
    const h = inHandler();
    h.cpu.run(100);
    h.cpu.inject(external(0x31));
    expect(h.cpu.nmiReady).toBe(false);
  });

  it("is needed after a delivery that has faulted, too", () => {
    const g = guest();
    g.start(code().nop().hlt().build());
    // Its gate is absent: #NP(12h).
    g.write(IDT + 2 * 8 + 5, [0x0e]);
    g.cpu.inject({ kind: "nmi", vector: 2 });
    g.cpu.run(100);
    expect([g.haltedIn, g.cpu.nmiReady]).toEqual([11, false]);
    const h = guest();
    h.start(code().nop().hlt().build(), { ring: 3, paged: true });
    h.cpu.controls = 1;
    h.unmap(0x5000);
    h.cpu.inject({ kind: "nmi", vector: 2 });
    expect(h.cpu.run(100).reason).toBe("pageFault");
    expect(h.cpu.nmiReady).toBe(true);
    h.cpu.inject({ kind: "exception", vector: 14, errorCode: 2, cr2: 0x5ffc });
    expect(h.cpu.nmiReady).toBe(false);
  });
});
