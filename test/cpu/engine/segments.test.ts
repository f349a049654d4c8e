import { describe, expect, it } from "vitest";
import * as L from "../../../src/cpu/layout.ts";
import {
  codeSegment,
  dataSegment,
  GuestBuilder,
  mem8,
  mem16,
  mem32,
} from "../../../src/guest/builder/index.ts";
import { CODE, DATA, EngineGuest, GDT, IDT, Sel, STACK } from "./support/guest.ts";

let last: EngineGuest | undefined;
function guest(): EngineGuest {
  last = new EngineGuest({ after: last });
  return last;
}
const GP = 13;
const SS = 12;
const code = () => new GuestBuilder({ origin: CODE });

describe("data segments in protected mode", () => {
  /** Runs `access` with FS (or GS) described by `descriptor`; the vector that it ended in, -1 for none. */
  function through(
    descriptor: Uint8Array,
    access: (g: GuestBuilder) => GuestBuilder,
  ): { g: EngineGuest; vector: number } {
    const g = guest();
    const program = access(code().mov("ecx", Sel.spare).mov("fs", "cx").mov("eax", 0x11223344)).hlt();
    g.write(GDT + Sel.spare, descriptor);
    g.start(program.build(), { paged: true });
    expect(g.runToExit().reason).toBe("hlt");
    if (g.haltedIn >= 0) expect(g.frame(true).errorCode).toBe(0);
    return { g, vector: g.haltedIn };
  }
  const small = dataSegment({ base: DATA + 0x100, limit: 0xff });
  const store32 = (displacement: number) => (g: GuestBuilder) =>
    g.mov(mem32({ displacement, segment: "fs" }), "eax");
  const load8 = (displacement: number) => (g: GuestBuilder) =>
    g.mov("al", mem8({ displacement, segment: "fs" }));

  it("add their base and end at their limit, the last byte counting", () => {
    const { g, vector } = through(small, store32(0xfc));
    expect([vector, g.read32(DATA + 0x1fc)]).toEqual([-1, 0x11223344]);
    expect(through(small, store32(0xfd)).vector).toBe(GP);
    expect(through(small, load8(0xff)).vector).toBe(-1);
    expect(through(small, load8(0x100)).vector).toBe(GP);
    expect(through(small, store32(0xfffffffe)).vector).toBe(GP);
  });

  it("that expand down begin above their limit", () => {
    const down = dataSegment({ base: DATA - 0x1000, limit: 0xfff, isExpandDown: true });
    expect(through(down, load8(0xfff)).vector).toBe(GP);
    expect(through(down, load8(0x1000)).vector).toBe(-1);
    expect(through(down, store32(0xffe)).vector).toBe(GP);
    const narrow = dataSegment({ base: DATA - 0xf000, limit: 0xefff, isExpandDown: true, is32: false });
    expect(through(narrow, load8(0xffff)).vector).toBe(-1);
    expect(through(narrow, store32(0xfffe)).vector).toBe(GP);
    expect(through(narrow, load8(0x10000)).vector).toBe(GP);
  });

  it("that are read-only, or null, or code, refuse what they must", () => {
    const readOnly = dataSegment({ base: DATA, limit: 0xfff, isWritable: false });
    expect(through(readOnly, load8(0)).vector).toBe(-1);
    expect(through(readOnly, store32(0)).vector).toBe(GP);
    expect(through(codeSegment({ base: DATA, limit: 0xfff }), load8(0)).vector).toBe(-1);
    expect(through(codeSegment({ base: DATA, limit: 0xfff }), store32(0)).vector).toBe(GP);
    expect(through(small, (g) => load8(0)(g.xor("ecx", "ecx").mov("fs", "cx"))).vector).toBe(GP);
  });

  it("code is not written through CS, though all segments are flat", () => {
    const g = guest();
    g.start(
      code()
        .mov("eax", mem32({ displacement: DATA, segment: "cs" }))
        .mov(mem32({ displacement: DATA, segment: "cs" }), "eax")
        .build(),
    );
    g.write32(DATA, 77);
    g.runToExit();
    expect([g.haltedIn, g.frame(true).eip, g.registers[0]]).toEqual([GP, CODE + 7, 77]);
  });

  it("a flat guest whose DS gets a limit is checked from then on", () => {
    const g = guest();
    g.write(GDT + Sel.spare, dataSegment({ limit: DATA + 0xfff }));
    const program = code()
      .mov(mem32(DATA + 0x1000), "eax")
      .mov("ecx", Sel.spare)
      .mov("ds", "cx")
      .mov(mem32(DATA + 0xffc), "ecx")
      .label("beyond")
      .mov(mem32(DATA + 0xffd), "ecx");
    const built = program.build();
    g.start(built);
    g.runToExit();
    expect([g.haltedIn, g.frame(true).eip, g.read32(DATA + 0xffc)]).toEqual([
      GP,
      built.symbol("beyond"),
      Sel.spare,
    ]);
  });

  it("the stack segment faults as #SS, with ESP as it was", () => {
    const g = guest();
    g.write(GDT + Sel.spare, dataSegment({ limit: STACK - 1 }));
    g.start(
      code()
        .mov("ecx", Sel.spare)
        .mov("ss", "cx")
        .mov("esp", STACK + 2)
        .push("eax")
        .build(),
      { ring: 0 },
    );
    // The fault handler needs a stack: a task gate is none, so it ends in a triple fault; the state is that of the fault.
    expect(g.cpu.run(100).reason).toBe("tripleFault");
    expect([g.cpu.retired, g.registers[4], g.cpu.state.eip]).toEqual([3, STACK + 2, CODE + 12]);
    const h = guest();
    h.write(GDT + Sel.spare, dataSegment({ limit: STACK - 1, dpl: 3 }));
    h.start(
      code()
        .mov("ecx", Sel.spare | 3)
        .mov("ss", "cx")
        .mov("eax", mem32({ base: "ebp", displacement: 0 }))
        .build(),
      { ring: 3, paged: true },
    );
    h.cpu.state.setReg(5, STACK - 3);
    h.runToExit();
    expect([h.haltedIn, h.frame(true).errorCode]).toEqual([SS, 0]);
  });
});

describe("16-bit protected mode", () => {
  /** Code at base CODE, data at base DATA, stack at base DATA + 0x8000, each 64 KiB at most and 16 bits wide. */
  function sixteen(program: GuestBuilder, codeLimit = 0xffff): EngineGuest {
    const g = guest();
    const built = program.build();
    g.start(built);
    g.write(GDT + Sel.spare, codeSegment({ base: CODE, limit: codeLimit, is32: false }));
    g.write(GDT + Sel.spare + 8, dataSegment({ base: DATA, limit: 0x7fff, is32: false }));
    const { state } = g.cpu;
    state.setSegment(1, Sel.spare, CODE, codeLimit, 0x009b);
    for (const n of [0, 3]) state.setSegment(n, Sel.spare + 8, DATA, 0x7fff, 0x0093);
    state.setSegment(2, Sel.spare + 8, DATA, 0x7fff, 0x0093);
    state.updateMode();
    state.eip = 0;
    state.setReg(4, 0xabcd4000);
    return g;
  }
  const code16 = () => new GuestBuilder({ origin: CODE, bits: 16 });

  it("addresses wrap at 64 KiB, operands are words, and the upper halves stay", () => {
    const g = sixteen(
      code16()
        .mov(mem16({ base: "bx", index: "si", displacement: 0x10 }), "ax")
        .inc("ax")
        .push("ax")
        .pop("cx")
        .hlt(),
    );
    const { state } = g.cpu;
    state.setReg(0, 0x1111ffff);
    state.setReg(1, 0x22220000);
    state.setReg(3, 0xffff8000);
    state.setReg(6, 0xffff9000);
    expect(g.runToExit().reason).toBe("hlt");
    expect(g.read32(DATA + 0x1010)).toBe(0xffff);
    expect([g.registers[0], g.registers[1], g.registers[4], g.cpu.retired]).toEqual([
      0x11110000, 0x22220000, 0xabcd4000, 5,
    ]);
    expect(g.read32(DATA + 0x3ffc)).toBe(0);
  });

  it("the stack pointer wraps below zero, alone", () => {
    const g = sixteen(code16().push("ax").hlt());
    const { state } = g.cpu;
    state.setSegment(2, Sel.spare + 8, DATA, 0xffff, 0x0093);
    state.updateMode();
    state.setReg(0, 0x4321);
    state.setReg(4, 0x55550000);
    expect(g.runToExit().reason).toBe("hlt");
    expect([g.registers[4], g.read8(DATA + 0xfffe), g.read8(DATA + 0xffff)]).toEqual([
      0x5555fffe, 0x21, 0x43,
    ]);
  });

  it("a 32-bit operand, a 32-bit address, and a 32-bit branch through their prefixes", () => {
    const g = sixteen(
      // mov eax, 12345678; mov [ebx], eax; jmp +0 with a 32-bit displacement
      code16()
        .raw([0x66, 0xb8, 0x78, 0x56, 0x34, 0x12])
        .raw([0x66, 0x67, 0x89, 0x03])
        .raw([0x66, 0xe9, 0, 0, 0, 0])
        .hlt(),
    );
    g.cpu.state.setReg(3, 0x20);
    expect(g.runToExit().reason).toBe("hlt");
    expect([g.registers[0], g.read32(DATA + 0x20), g.cpu.retired]).toEqual([0x12345678, 0x12345678, 4]);
  });

  it("branches wrap at 64 KiB", () => {
    const program = code16()
      .raw([0xeb, 0x80 - 2])
      .org(CODE + 0x80)
      .raw([0xe9, 0x80, 0xff])
      .label("wrong")
      .hlt();
    // E9 at 0x80 with displacement ff80 goes to 0x83 + 0xff80 = 0x10003, cut to 3.
    const g = sixteen(program.org(CODE + 0x90).hlt());
    g.write(CODE + 3, [0xb8, 0x99, 0x00, 0xf4]);
    expect(g.runToExit().reason).toBe("hlt");
    expect([g.registers[0] & 0xffff, g.cpu.state.eip]).toEqual([0x99, 7]);
  });

  it("calls and returns push words", () => {
    const g = sixteen(code16().raw([0xe8, 3, 0]).inc("ax").hlt().nop().inc("bx").ret());
    expect(g.runToExit().reason).toBe("hlt");
    expect([g.registers[0] & 0xffff, g.registers[3] & 0xffff, g.registers[4]]).toEqual([1, 1, 0xabcd4000]);
    expect(g.read32(DATA + 0x3ffc) >>> 16).toBe(3);
  });

  it.each([0x20, 0x21, 0x22])(
    "code stops at the limit of CS: limit %i, the MOV at 0x20 has three bytes",
    (limit) => {
      const g = sixteen(
        code16()
          .mov("bx", 1)
          .raw([0xeb, 0x20 - 5])
          .org(CODE + 0x20)
          .mov("ax", 5)
          .hlt(),
        limit,
      );
      // #GP through a 32-bit gate to flat code.
      g.runToExit();
      const reached = limit >= 0x22;
      expect([g.registers[0], g.frame(true).eip]).toEqual(reached ? [5, 0x23] : [0, 0x20]);
      expect([g.haltedIn, g.frame(true).errorCode, g.registers[3]]).toEqual([GP, 0, 1]);
    },
  );

  it("a block decoded under one limit does not run past a smaller one", () => {
    const program = code16().inc("ax").inc("ax").inc("ax").inc("ax").hlt();
    const g = sixteen(program);
    expect(g.runToExit().reason).toBe("hlt");
    expect(g.haltedIn).toBe(-1);
    for (const [limit, done] of [
      [3, 4],
      [2, 3],
      [0, 1],
    ] as const) {
      const { state } = g.cpu;
      state.setSegment(1, Sel.spare, CODE, limit, 0x009b);
      state.setSegment(2, Sel.spare + 8, DATA, 0x7fff, 0x0093);
      state.set(L.CPL, 0);
      state.updateMode();
      state.eip = 0;
      state.setReg(0, 0);
      state.setReg(4, 0x4000);
      g.runToExit();
      expect([g.haltedIn, g.registers[0] & 0xffff, g.frame(true).eip]).toEqual([GP, done, limit + 1]);
    }
  });

  it("the same code at two bases with another distance to the limit", () => {
    const g = sixteen(
      code16()
        .org(CODE + 0xf0)
        .inc("ax")
        .inc("ax")
        .inc("ax")
        .hlt(),
    );
    const { state } = g.cpu;
    state.eip = 0xf0;
    expect(g.runToExit().reason).toBe("hlt");
    // The bytes at CODE + f0 are now at fffe of a segment whose limit is ffff: two fit.
    state.setSegment(1, Sel.spare, CODE + 0xf0 - 0xfffe, 0xffff, 0x009b);
    state.updateMode();
    state.eip = 0xfffe;
    state.setReg(0, 0);
    g.runToExit();
    expect([g.haltedIn, g.registers[0] & 0xffff, g.frame(true).eip]).toEqual([GP, 2, 0x10000]);
  });
});

describe("real mode", () => {
  const BASE = 0x8000;
  function real(program: (g: GuestBuilder) => GuestBuilder): EngineGuest {
    const g = guest();
    const built = program(new GuestBuilder({ origin: BASE, bits: 16 })).build();
    g.cpu.reset();
    g.load(built);
    const { state } = g.cpu;
    for (const n of [0, 2, 3, 4, 5]) state.setSegment(n, BASE >> 4, BASE, 0xffff, 0x93);
    state.setSegment(1, BASE >> 4, BASE, 0xffff, 0x9b);
    state.set(L.SEG_CS + L.SEG_PERM, 7);
    state.set(L.IDTR_BASE, IDT);
    state.set(L.IDTR_LIMIT, 0x3ff);
    for (let vector = 0; vector < 256; vector++) g.write32(IDT + vector * 4, (0x400 << 16) | (vector * 16));
    state.updateMode();
    state.eip = 0;
    state.setReg(4, 0x2000);
    return g;
  }

  it("begins at F000:FFF0 in the topmost 64 KiB", () => {
    const g = guest();
    g.cpu.reset();
    const { state } = g.cpu;
    expect([state.eip, state.selector(1), state.segBase(1)]).toEqual([0xfff0, 0xf000, 0xffff0000]);
    // No memory there: the first fetch is of ones, and the exception finds no table either.
    expect(["tripleFault", "hlt", "mmio"]).toContain(g.cpu.run(10).reason);
  });

  it("writes its own code through CS, from reset on", () => {
    const g = guest();
    g.cpu.reset();
    expect(g.cpu.state.get(L.SEG_CS + L.SEG_PERM)).toBe(7);
    const h = real((p) =>
      p
        .mov("ax", 0x1234)
        .mov(mem16({ displacement: 0x100, segment: "cs" }), "ax")
        .hlt(),
    );
    expect(h.runToExit().reason).toBe("hlt");
    expect(h.read32(BASE + 0x100)).toBe(0x1234);
  });

  it("loads segments by shifting, and far transfers and interrupts go there and back", () => {
    const g = real((p) =>
      p
        .mov("ax", 0x400)
        .mov("es", "ax")
        .mov(mem8({ displacement: 0x100, segment: "es" }), 0xcf) // the handler of INT 10: IRET
        .int(0x10)
        .mov("bx", "sp")
        .raw([0x9a, 0x00, 0x01, 0x00, 0x08]) // CALL 0800:0100
        .hlt()
        .org(BASE + 0x100)
        .mov("cx", "cs")
        .retFar(),
    );
    expect(g.runToExit().reason).toBe("hlt");
    expect([g.registers[3], g.registers[1], g.registers[4], g.cpu.state.selector(1)]).toEqual([
      0x2000, 0x800, 0x2000, 0x800,
    ]);
  });

  it.each([
    {
      name: "a word at FFFF",
      access: (p: GuestBuilder) => p.mov("ax", mem16({ displacement: 0xffff })),
      vector: GP,
    },
    {
      name: "a byte at FFFF",
      access: (p: GuestBuilder) => p.mov("al", mem8({ displacement: 0xffff })),
      vector: -1,
    },
    {
      name: "a word of the stack at FFFF",
      access: (p: GuestBuilder) => p.mov("bp", 0xffff).mov("ax", mem16({ base: "bp", displacement: 0 })),
      vector: SS,
    },
  ])("$name of a segment", ({ access, vector }) => {
    const g = real((p) => access(p).hlt());
    for (const v of [GP, SS]) g.write(0x4000 + v * 16, [0xf4]);
    // DS at 0: its last byte lies at FFFF, in memory.
    g.cpu.state.setSegment(3, 0, 0, 0xffff, 0x93);
    g.cpu.state.setSegment(2, 0, 0, 0xffff, 0x93);
    g.cpu.state.updateMode();
    expect(g.runToExit().reason).toBe("hlt");
    expect(g.haltedIn).toBe(-1);
    expect(g.cpu.state.segBase(1)).toBe(vector < 0 ? BASE : 0x4000);
    if (vector >= 0) expect(g.cpu.state.eip).toBe(vector * 16 + 1);
  });

  it("running past FFFF is a general protection fault, not a wrap", () => {
    const g = real((p) => p.hlt());
    g.cpu.state.setSegment(1, 0, 0, 0xffff, 0x9b);
    g.cpu.state.updateMode();
    g.write(0xfffe, [0x40, 0x40]);
    g.cpu.state.eip = 0xfffe;
    g.runToExit();
    expect([g.cpu.state.eip, g.registers[0], g.cpu.state.segBase(1)]).toEqual([GP * 16 + 1, 2, 0x4000]);
    g.cpu.reset();
  });

  it("an address of a page-crossing instruction below 1 MiB wraps nowhere: FFFF:0010 is at 1 MiB", () => {
    const g = real((p) =>
      p
        .mov("ax", 0xffff)
        .mov("ds", "ax")
        .mov("al", mem8({ displacement: 0x10 }))
        .hlt(),
    );
    g.write(CODE, [0x77]);
    expect(g.runToExit().reason).toBe("hlt");
    expect(g.registers[0]).toBe(0xff77);
  });

  it("goes to protected mode and back, with big segments if it likes", () => {
    const g = real((p) =>
      p
        .mov("eax", "cr0")
        .or("al", 1)
        .mov("cr0", "eax")
        .mov("bx", Sel.data0)
        .mov("ds", "bx")
        .and("al", 0xfe)
        .mov("cr0", "eax")
        .xor("bx", "bx")
        .mov("ds", "bx")
        .raw([
          0x66,
          0x67,
          0xc7,
          0x05,
          DATA & 0xff,
          (DATA >> 8) & 0xff,
          (DATA >> 16) & 0xff,
          DATA >>> 24,
          0x78,
          0x56,
          0x34,
          0x12,
        ])
        .hlt(),
    );
    g.cpu.state.set(L.GDTR_BASE, GDT);
    g.cpu.state.set(L.GDTR_LIMIT, 0xff);
    expect(g.runToExit().reason).toBe("hlt");
    expect(g.read32(DATA)).toBe(0x12345678);
    expect(g.cpu.state.selector(3)).toBe(0);
  });
});
