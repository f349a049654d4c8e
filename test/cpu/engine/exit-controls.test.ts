import { describe, expect, it } from "vitest";
import { DescriptorTable, ExitControl, type ExitRecord } from "../../../src/cpu/exit.ts";
import * as L from "../../../src/cpu/layout.ts";
import { Cr0, Cr4 } from "../../../src/cpu/state.ts";
import { GuestBuilder, mem16, mem32, tssBytes, tssSegment } from "../../../src/guest/builder/index.ts";
import { CODE, DATA, EngineGuest, GDT, Sel } from "./support/guest.ts";

/** What leaves the guest because the monitor asks for it, and what `perform` makes of it then. */

let last: EngineGuest | undefined;
function guest(program: GuestBuilder, ring: 0 | 3 = 0): EngineGuest {
  last = new EngineGuest({ after: last });
  Object.assign(last.cpu.intercepts, { exceptions: 0, cr0Mask: -1, cr4Mask: -1 });
  last.start(program.build(), { ring, paged: ring === 3 });
  return last;
}
const code = () => new GuestBuilder({ origin: CODE });
const told = (exit: ExitRecord, ...names: (keyof ExitRecord)[]) => names.map((name) => exit[name]);

describe("an exit control makes", () => {
  it.each([
    { name: "RDTSC", control: "rdtsc", build: (g: GuestBuilder) => g.rdtsc(), says: {} },
    {
      name: "MOV to DR2",
      control: "debugRegister",
      build: (g: GuestBuilder) => g.mov("dr2", "ebx"),
      says: { register: 2, write: true, value: 0x1234 },
    },
    {
      name: "MOV from DR7",
      control: "debugRegister",
      build: (g: GuestBuilder) => g.mov("ecx", "dr7"),
      says: { register: 7, write: false },
    },
    {
      name: "LGDT",
      control: "descriptorTable",
      build: (g: GuestBuilder) => g.lgdt(mem32(DATA)),
      says: { register: DescriptorTable.gdtr, write: true },
    },
    {
      name: "SIDT",
      control: "descriptorTable",
      build: (g: GuestBuilder) => g.sidt(mem32(DATA)),
      says: { register: DescriptorTable.idtr, write: false },
    },
    {
      name: "LLDT",
      control: "descriptorTable",
      build: (g: GuestBuilder) => g.lldt(mem16(DATA + 8)),
      says: { register: DescriptorTable.ldtr, write: true },
    },
    {
      name: "STR",
      control: "descriptorTable",
      build: (g: GuestBuilder) => g.raw([0x0f, 0x00, 0xc8]),
      says: { register: DescriptorTable.tr, write: false },
    },
    { name: "PAUSE", control: "pause", build: (g: GuestBuilder) => g.raw([0xf3, 0x90]), says: {} },
    { name: "WBINVD", control: "wbinvd", build: (g: GuestBuilder) => g.plain("wbinvd"), says: {} },
    {
      name: "MOV from CR3",
      control: "cr3Store",
      build: (g: GuestBuilder) => g.mov("ecx", "cr3"),
      says: { reason: "controlRegister", register: 3, write: false },
    },
  ] as const)("$name leave, with nothing done; performed, it is as without", ({ control, build, says }) => {
    const program = () => build(code()).label("behind").hlt();
    const start = () => {
      const g = guest(program());
      g.write(DATA, [0xff, 0, 0, 0x10, 0, 0]);
      g.cpu.state.setReg(3, 0x1234);
      return g;
    };
    const bytes = (g: EngineGuest) => {
      const state = new Uint8Array(L.STATE_SIZE);
      g.cpu.saveState(state);
      return [[...state.subarray(0, L.TEMP)], g.read32(DATA), g.read32(DATA + 4)];
    };
    const plain = start();
    plain.cpu.run(1);
    const expected = bytes(plain);
    const g = start();
    const reason = (says as { reason?: string }).reason ?? control;
    const before = g.registers;
    g.cpu.controls = ExitControl[control];
    expect(g.cpu.run(1000)).toMatchObject({ ...says, reason, eip: CODE });
    expect([g.registers, g.cpu.retired]).toEqual([before, 0]);
    g.cpu.perform();
    const state = bytes(g);
    // Bookkeeping of generated code and controls apart.
    expect((state[0] as number[]).slice(0, L.LINEAR)).toEqual((expected[0] as number[]).slice(0, L.LINEAR));
    expect((state[0] as number[]).slice(L.SEG)).toEqual((expected[0] as number[]).slice(L.SEG));
    expect(state.slice(1)).toEqual(expected.slice(1));
    expect([g.cpu.retired, g.cpu.state.eip]).toEqual([1, program().build().symbols.get("behind")]);
    expect(g.cpu.run(1000).reason).toBe("hlt");
  });

  it("RDPMC leave where it is allowed; performed it is #GP, because there are no counters", () => {
    const g = guest(code().raw([0x0f, 0x33]).hlt(), 3);
    g.cpu.controls = ExitControl.rdpmc;
    g.cpu.state.set(L.CR4, g.cpu.state.cr4 | Cr4.PCE);
    expect(g.cpu.run(1000).reason).toBe("rdpmc");
    g.cpu.perform();
    expect(g.cpu.run(1000).reason).toBe("hlt");
    expect(g.haltedIn).toBe(13);
  });

  it("NOP no exit where PAUSE does", () => {
    const g = guest(
      code().nop().raw([0x0f, 0x90, 0xc0]).raw([0xf2, 0x90]).label("at").raw([0xf3, 0x90]).hlt(),
    );
    g.cpu.controls = ExitControl.pause;
    expect(told(g.cpu.run(1000), "reason", "eip", "length")).toEqual(["pause", CODE + 6, 2]);
    g.cpu.controls = 0;
    expect(g.cpu.run(1000).reason).toBe("hlt");
  });

  it("nothing of what the ring may not do leave", () => {
    const g = guest(code().mov("ecx", "dr7").hlt(), 3);
    g.cpu.controls = ExitControl.debugRegister;
    expect(g.cpu.run(1000).reason).toBe("hlt");
    expect(g.haltedIn).toBe(13);
  });
});

describe("a mask of CR0", () => {
  it("lets writes of other bits through", () => {
    const g = guest(
      code()
        .mov("eax", "cr0")
        .or("eax", Cr0.TS)
        .mov("cr0", "eax")
        .or("eax", Cr0.AM)
        .label("owned")
        .mov("cr0", "eax")
        .hlt(),
    );
    g.cpu.controls = ExitControl.cr0;
    g.cpu.intercepts.cr0Mask = Cr0.AM | Cr0.WP;
    const exit = g.cpu.run(1000);
    expect(told(exit, "reason", "register", "write")).toEqual(["controlRegister", 0, true]);
    expect([exit.value & Cr0.AM, g.cpu.state.cr0 & (Cr0.TS | Cr0.AM), g.cpu.retired]).toEqual([
      Cr0.AM,
      Cr0.TS,
      4,
    ]);
    g.cpu.perform();
    expect(g.cpu.state.cr0 & Cr0.AM).toBe(Cr0.AM);
  });
});

describe("an intercepted exception", () => {
  const divide = () => code().mov("ecx", 0).label("at").raw([0xf7, 0xf1]).hlt();

  it("leaves in place of its delivery; performed, the guest gets it", () => {
    const g = guest(divide());
    g.cpu.intercepts.exceptions = 1 << 0;
    const exit = g.cpu.run(1000);
    expect(told(exit, "reason", "vector", "errorCode", "vectoring")).toEqual(["exception", 0, -1, -1]);
    expect(g.cpu.state.eip).toBe(divide().build().symbols.get("at"));
    g.cpu.perform();
    expect(g.cpu.intercepts.exceptions).toBe(1);
    expect([g.cpu.run(1000).reason, g.haltedIn]).toEqual(["hlt", 0]);
  });

  it("may be injected by the monitor, which is not looked at, or replaced", () => {
    const g = guest(divide());
    g.cpu.intercepts.exceptions = 1;
    g.cpu.run(1000);
    g.cpu.inject({ kind: "exception", vector: 0 });
    expect([g.cpu.run(1000).reason, g.haltedIn]).toEqual(["hlt", 0]);
  });

  it("page fault tells address and error code, and CR2 is as it was", () => {
    const g = guest(code().mov("eax", mem32(0x700123)).hlt(), 3);
    g.cpu.intercepts.exceptions = 1 << 14;
    expect(told(g.cpu.run(1000), "reason", "vector", "errorCode", "gva")).toEqual([
      "exception",
      14,
      4,
      0x700123,
    ]);
    expect(g.cpu.state.get(L.CR2)).toBe(0);
    g.cpu.perform();
    expect([g.cpu.run(1000).reason, g.haltedIn, g.cpu.state.get(L.CR2)]).toEqual(["hlt", 14, 0x700123]);
  });

  it("raised by the delivery of another one tells that, and a double fault is one of its own", () => {
    const g = guest(divide());
    g.gate(0, 0, "interrupt");
    g.write(0x2000 + 4, [0, 0, 0, 0]);
    g.cpu.intercepts.exceptions = 1 << 13;
    expect(told(g.cpu.run(1000), "reason", "vector", "errorCode", "vectoring")).toEqual([
      "exception",
      13,
      3,
      0,
    ]);
    g.cpu.intercepts.exceptions = 1 << 8;
    expect(told(g.cpu.run(1000), "reason", "vector", "errorCode", "vectoring")).toEqual([
      "exception",
      8,
      0,
      0,
    ]);
    g.cpu.perform();
    expect([g.cpu.run(1000).reason, g.haltedIn]).toEqual(["hlt", 8]);
  });

  it.each([
    { name: "INT3", bytes: [0xcc], vector: 3 },
    { name: "ICEBP", bytes: [0xf1], vector: 1 },
  ])("of $name has the instruction's length; performed, it returns behind it", ({ bytes, vector }) => {
    const g = guest(code().raw(bytes).hlt());
    g.cpu.intercepts.exceptions = 1 << vector;
    expect(told(g.cpu.run(1000), "reason", "vector", "length", "eip")).toEqual([
      "exception",
      vector,
      1,
      CODE,
    ]);
    g.cpu.perform();
    expect([g.cpu.run(1000).reason, g.haltedIn, g.frame(false).eip]).toEqual(["hlt", vector, CODE + 1]);
  });

  it("debug trap leaves behind its instruction, once", () => {
    const swallowed = guest(code().nop().nop().hlt());
    swallowed.cpu.state.eflags = 0x102;
    swallowed.cpu.intercepts.exceptions = 2;
    expect(told(swallowed.cpu.run(1000), "reason", "vector", "eip")).toEqual(["exception", 1, CODE + 1]);
    expect(told(swallowed.cpu.run(1000), "reason", "vector", "eip")).toEqual(["exception", 1, CODE + 2]);
    swallowed.cpu.perform();
    expect([swallowed.cpu.run(1000).reason, swallowed.haltedIn]).toEqual(["hlt", 1]);
    expect(swallowed.frame(false).eip).toBe(CODE + 2);
  });
});

describe("a task switch", () => {
  it("leaves before it begins where that is asked for, and happens once it is allowed", () => {
    const OTHER = DATA + 0x1000;
    const g = guest(code().jmpFar(Sel.spare, 0));
    g.load(new GuestBuilder({ origin: CODE + 0x400 }).hlt().build());
    g.write(GDT + Sel.spare, tssSegment(OTHER));
    g.write(OTHER, tssBytes({ esp0: 0, ss0: 0 }));
    g.write32(OTHER + 0x20, CODE + 0x400, 2);
    [Sel.data0, Sel.code0, Sel.data0, Sel.data0, 0, 0].forEach((selector, n) => {
      g.write32(OTHER + 0x48 + 4 * n, selector);
    });
    g.cpu.controls = ExitControl.taskSwitch;
    expect(told(g.cpu.run(1000), "reason", "value", "eip")).toEqual(["taskSwitchAttempt", Sel.spare, CODE]);
    expect(g.cpu.state.selector(7)).toBe(Sel.tss);
    expect(g.cpu.run(1000).reason).toBe("taskSwitchAttempt");
    g.cpu.perform();
    expect(g.cpu.run(1000).reason).toBe("hlt");
    expect([g.cpu.state.selector(7), g.cpu.state.eip]).toEqual([Sel.spare, CODE + 0x401]);
  });
});

describe("the window for non-maskable interrupts", () => {
  it("opens with the IRET of the handler", () => {
    const g = guest(code().label("at").nop().hlt());
    g.load(new GuestBuilder({ origin: CODE + 0x400 }).nop().iret().build());
    g.gate(2, CODE + 0x400);
    g.cpu.inject({ kind: "nmi", vector: 2 });
    g.cpu.controls = ExitControl.nmiWindow;
    expect(told(g.cpu.run(1000), "reason", "eip")).toEqual(["nmiWindow", CODE]);
    expect(g.cpu.retired).toBe(2);
    g.cpu.controls = 0;
    expect(g.cpu.run(1000).reason).toBe("hlt");
  });
});
