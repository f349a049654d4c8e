import { describe, expect, it } from "vitest";
import * as L from "../../../src/cpu/layout.ts";
import { Mode } from "../../../src/cpu/modes.ts";
import { linearAddress, SegmentAccess } from "../../../src/cpu/system/index.ts";
import { FakeCore, Outcome, Vector } from "./fake-core.ts";
import { Access, LDT, ProtectedCore, Sel, STACK0, STACK3, segmentWords, TSS } from "./protected-core.ts";

const ES = 0;
const SS = 2;
const DS = 3;
const FS = 4;

const loadDs = (core: FakeCore, selector: number): Outcome => {
  core.state.setReg(0, selector);
  return core.run("mov_to_seg", { reg: DS, rm: 0 });
};
const faultOfLoad = (core: FakeCore, index: number, selector: number): unknown => {
  core.state.setReg(0, selector);
  return core.faultOf("mov_to_seg", { reg: index, rm: 0 });
};

describe("the segmentation check", () => {
  it("adds the base, wrapped to 32 bits", () => {
    const core = new ProtectedCore();
    core.state.setSegment(DS, Sel.spare, 0xfffff000, 0xffffffff, 0xc093);
    expect(linearAddress(core, DS, 0x2000, 4, SegmentAccess.read)).toBe(0x1000);
  });

  it.each([
    ["the last byte at the limit", 0x0ffc, 4, "nothing"],
    ["the last byte past the limit", 0x0ffd, 4, { vector: Vector.GP, errorCode: 0 }],
    ["an offset whose end wraps", 0xffffffff, 2, { vector: Vector.GP, errorCode: 0 }],
  ])("judges %s", (_what, offset, size, expected) => {
    const core = new ProtectedCore();
    core.state.setSegment(DS, Sel.spare, 0, 0xfff, 0x4093);
    expect(core.thrown(() => linearAddress(core, DS, offset, size, SegmentAccess.read))).toEqual(expected);
  });

  it("turns the limit round for expand-down data", () => {
    const core = new ProtectedCore();
    loadDs(core, Sel.expandDown);
    const at = (offset: number) => core.thrown(() => linearAddress(core, DS, offset, 1, SegmentAccess.write));
    expect([at(0x7fff), at(0x8000), at(0xffffffff)]).toEqual([
      { vector: Vector.GP, errorCode: 0 },
      "nothing",
      "nothing",
    ]);
  });

  it("refuses writes to read-only data and any use of a null segment", () => {
    const core = new ProtectedCore();
    loadDs(core, Sel.readOnly0);
    const of = (access: SegmentAccess) => core.thrown(() => linearAddress(core, DS, 0, 1, access));
    expect([of(SegmentAccess.read), of(SegmentAccess.write)]).toEqual([
      "nothing",
      { vector: Vector.GP, errorCode: 0 },
    ]);
    loadDs(core, 3);
    expect(of(SegmentAccess.read)).toEqual({ vector: Vector.GP, errorCode: 0 });
  });

  it("raises #SS for the stack segment", () => {
    const core = new ProtectedCore();
    core.state.setSegment(SS, Sel.spare, 0, 0xfff, 0x4093);
    expect(core.thrown(() => linearAddress(core, SS, 0x1000, 1, SegmentAccess.read))).toEqual({
      vector: Vector.SS,
      errorCode: 0,
    });
  });
});

describe("MOV to a segment register", () => {
  it("loads base, scaled limit and attributes and marks the descriptor accessed", () => {
    const core = new ProtectedCore();
    core.describe(Sel.spare, segmentWords(0x12345678, 0x12345, Access.data0 & ~1, 0xc));
    expect(loadDs(core, Sel.spare)).toBe(Outcome.jump);
    expect([core.state.segBase(DS), core.state.segLimit(DS), core.state.segAttr(DS)]).toEqual([
      0x12345678, 0x12345fff, 0xc093,
    ]);
    expect(core.accessByte(Sel.spare)).toBe(Access.data0);
    expect(core.state.get(L.MODE) & Mode.flat).toBe(0);
  });

  it("goes straight on when the mode stays", () => {
    expect(loadDs(new ProtectedCore(), Sel.data3)).toBe(Outcome.next);
  });

  it("reads the LDT once it is loaded", () => {
    const core = new ProtectedCore();
    core.memory.fill32(LDT + 8, segmentWords(0x777000, 0xff, Access.data0, 4));
    expect(faultOfLoad(core, DS, 0x0c)).toEqual({ vector: Vector.GP, errorCode: 0x0c });
    core.state.setReg(0, Sel.ldt);
    core.run("lldt");
    loadDs(core, 0x0c);
    expect(core.state.segBase(DS)).toBe(0x777000);
    expect(faultOfLoad(core, DS, 0x24)).toEqual({ vector: Vector.GP, errorCode: 0x24 });
  });

  it.each([
    ["a selector outside the table", 0, DS, Sel.outside | 3, { vector: Vector.GP, errorCode: 0x100 }],
    ["a system descriptor", 0, DS, Sel.tss, { vector: Vector.GP, errorCode: Sel.tss }],
    ["data of an inner ring", 3, DS, Sel.data0, { vector: Vector.GP, errorCode: Sel.data0 }],
    ["inner data by RPL", 0, DS, Sel.data0 | 3, { vector: Vector.GP, errorCode: Sel.data0 }],
    ["data that is not present", 0, DS, Sel.absentData0, { vector: Vector.NP, errorCode: 0x58 }],
    ["a null stack", 0, SS, 0, { vector: Vector.GP, errorCode: 0 }],
    ["a stack of another ring", 0, SS, Sel.data3, { vector: Vector.GP, errorCode: 0x20 }],
    ["a read-only stack", 0, SS, Sel.readOnly0, { vector: Vector.GP, errorCode: 0x50 }],
    ["a stack that is not present", 0, SS, Sel.absentData0, { vector: Vector.SS, errorCode: 0x58 }],
    ["CS", 0, 1, Sel.code0, { vector: Vector.UD, errorCode: -1 }],
  ] as const)("refuses %s", (_what, ring, index, selector, expected) => {
    const core = new ProtectedCore();
    core.enterRing(ring);
    expect(faultOfLoad(core, index, selector)).toEqual(expected);
  });

  it("lets every ring read conforming code", () => {
    const core = new ProtectedCore();
    core.enterRing(3);
    loadDs(core, Sel.conforming0 | 3);
    expect(core.state.selector(DS)).toBe(Sel.conforming0 | 3);
  });

  it("holds interrupts off after SS", () => {
    const core = new ProtectedCore();
    core.state.setReg(0, Sel.stack16);
    expect(core.run("mov_to_seg", { reg: SS })).toBe(Outcome.jump);
    expect([core.state.get(L.SHADOW), core.state.eip]).toEqual([L.SHADOW_INTERRUPTS | L.SHADOW_STEP, 0x5002]);
    expect(core.state.get(L.MODE) & Mode.stack32).toBe(0);
  });

  it("in real mode sets the base and keeps a limit loaded before", () => {
    const core = new FakeCore();
    core.state.setSegment(DS, 0, 0, 0xffffffff, 0xc093);
    loadDs(core, 0xb800);
    expect([core.state.segBase(DS), core.state.segLimit(DS)]).toEqual([0xb8000, 0xffffffff]);
  });
});

describe("PUSH, POP and MOV of selectors", () => {
  it("zero-extends a pushed selector", () => {
    const core = new ProtectedCore();
    core.memory.fill32(STACK0 - 4, [0xffffffff]);
    core.run("push_seg", { opcode: 0x1e });
    expect([core.memory.dwords(STACK0 - 4, 1), core.state.reg(4)]).toEqual([[Sel.data0], STACK0 - 4]);
  });

  it.each([
    [0x07, ES],
    [0x17, SS],
    [0x1f, DS],
    [0xa1, FS],
    [0xa9, 5],
  ])("pops by opcode %i", (opcode, index) => {
    const core = new ProtectedCore();
    core.state.setSegment(index, 0, 0, 0xffffffff, 0xc093);
    core.memory.fill32(STACK0, [Sel.data0]);
    core.run("pop_seg", { opcode });
    expect([core.state.selector(index), core.state.reg(4)]).toEqual([Sel.data0, STACK0 + 4]);
    expect(core.state.get(L.SHADOW)).toBe(index === SS ? L.SHADOW_INTERRUPTS | L.SHADOW_STEP : 0);
  });

  it("leaves ESP alone when the popped selector faults", () => {
    const core = new ProtectedCore();
    core.memory.fill32(STACK0, [Sel.outside]);
    expect(core.faultOf("pop_seg", { opcode: 0x1f })).toEqual({ vector: Vector.GP, errorCode: 0x100 });
    expect(core.state.reg(4)).toBe(STACK0);
  });

  it("stores 16 bits to memory and zero-extends into a register", () => {
    const core = new ProtectedCore();
    core.memory.fill32(0x10000, [0xffffffff]);
    core.run("mov_from_seg", { reg: DS, memory: true, offset: 0x10000 });
    core.state.setReg(3, 0xffffffff);
    core.run("mov_from_seg", { reg: DS, rm: 3 });
    core.state.setReg(1, 0xffffffff);
    core.run("mov_from_seg", { reg: DS, rm: 1, operandSize: 16 });
    expect([core.memory.dwords(0x10000, 1)[0], core.state.reg(3), core.state.reg(1)]).toEqual([
      0xffff0010,
      Sel.data0,
      0xffff0010,
    ]);
  });

  it("loads segment and register of a far pointer, or neither", () => {
    const core = new ProtectedCore();
    core.memory.fill32(0x10000, [0x89abcdef, Sel.data3, 0x11111111, Sel.outside]);
    core.run("load_far_pointer", { opcode: 0xb4, reg: 1, memory: true, offset: 0x10000 });
    expect([core.state.reg(1), core.state.selector(FS)]).toEqual([0x89abcdef, Sel.data3]);
    expect(core.faultOf("load_far_pointer", { opcode: 0xc4, reg: 1, memory: true, offset: 0x10008 })).toEqual(
      {
        vector: Vector.GP,
        errorCode: 0x100,
      },
    );
    expect(core.state.reg(1)).toBe(0x89abcdef);
  });
});

describe("system segments", () => {
  it("SGDT stores limit and base", () => {
    const core = new ProtectedCore();
    core.state.set(L.GDTR_LIMIT, 0x123);
    const base = core.state.get(L.GDTR_BASE);
    core.run("sgdt", { memory: true, segment: 3, offset: 0x700 });
    expect([core.memory.read16(0x700, true), core.memory.read32(0x702, true)]).toEqual([0x123, base]);
  });

  it("LTR marks the TSS busy in the table and in TR", () => {
    const core = new ProtectedCore();
    core.describe(Sel.tss, segmentWords(TSS, 0x67, 0x89, 0));
    core.state.setReg(0, Sel.tss);
    core.run("ltr");
    expect([core.accessByte(Sel.tss), core.state.segAttr(7), core.state.segBase(7)]).toEqual([
      0x8b,
      0x8b,
      TSS,
    ]);
    expect(core.faultOf("ltr")).toEqual({ vector: Vector.GP, errorCode: Sel.tss });
  });

  it.each([
    ["lldt", Sel.tss, { vector: Vector.GP, errorCode: Sel.tss }],
    ["lldt", 0x0c, { vector: Vector.GP, errorCode: 0x0c }],
    ["ltr", 0, { vector: Vector.GP, errorCode: 0 }],
    ["ltr", Sel.ldt, { vector: Vector.GP, errorCode: Sel.ldt }],
  ])("%s refuses selector %i", (name, selector, expected) => {
    const core = new ProtectedCore();
    core.state.setReg(0, selector);
    expect(core.faultOf(name)).toEqual(expected);
  });

  it("a null LLDT leaves no table; SLDT and STR read the selectors", () => {
    const core = new ProtectedCore();
    core.state.setReg(0, Sel.ldt);
    core.run("lldt");
    core.run("sldt", { rm: 1 });
    core.run("str", { rm: 2 });
    expect([core.state.reg(1), core.state.reg(2)]).toEqual([Sel.ldt, Sel.tss]);
    core.state.setReg(0, 0);
    core.run("lldt");
    expect(core.state.segAttr(6)).toBe(0);
  });

  it("are undefined in real mode", () => {
    for (const name of ["lldt", "ltr", "sldt", "str", "lar", "lsl", "verr", "verw", "arpl"]) {
      expect(new FakeCore().faultOf(name)).toEqual({ vector: Vector.UD, errorCode: -1 });
    }
  });

  it("LGDT takes 24 bits of base in the 16-bit form; SGDT stores the table", () => {
    const core = new ProtectedCore();
    core.memory.fill16(0x10000, [0x7ff, 0x5678, 0x1234]);
    core.run("lgdt", { memory: true, offset: 0x10000, operandSize: 16 });
    expect([core.state.get(L.GDTR_BASE), core.state.get(L.GDTR_LIMIT)]).toEqual([0x345678, 0x7ff]);
    core.run("lidt", { memory: true, offset: 0x10000 });
    expect(core.state.get(L.IDTR_BASE)).toBe(0x12345678);
    core.enterRing(3);
    core.run("sidt", { memory: true, offset: 0x10010 });
    expect(core.memory.words(0x10010, 3)).toEqual([0x7ff, 0x5678, 0x1234]);
    expect(core.faultOf("lgdt", { memory: true, offset: 0x10000 })).toEqual({
      vector: Vector.GP,
      errorCode: 0,
    });
  });
});

describe("questions about selectors", () => {
  const zero = (core: FakeCore): boolean => core.state.get(L.FLAG_ZR) === 0;
  const ask = (core: FakeCore, name: string, selector: number): number | undefined => {
    core.state.setReg(3, selector);
    core.state.setReg(1, 0);
    core.run(name, { reg: 1, rm: 3 });
    return zero(core) ? core.state.reg(1) : undefined;
  };

  it("LAR and LSL answer for what the ring may see", () => {
    const core = new ProtectedCore();
    core.enterRing(3);
    expect(ask(core, "lar", Sel.data3)).toBe(0x00c0f300);
    expect(ask(core, "lsl", Sel.data3)).toBe(0xffffffff);
    expect(ask(core, "lsl", Sel.data0)).toBeUndefined();
    expect(ask(core, "lar", Sel.conforming0)).toBe(0x00c09f00);
    expect(ask(core, "lar", 0)).toBeUndefined();
    expect(ask(core, "lar", Sel.outside)).toBeUndefined();
  });

  it("LSL answers for a TSS and not for a gate, LAR for both", () => {
    const core = new ProtectedCore();
    core.describe(Sel.spare, [0, 0x8c00]);
    expect(ask(core, "lsl", Sel.tss)).toBe(0x67);
    expect(ask(core, "lsl", Sel.spare)).toBeUndefined();
    expect(ask(core, "lar", Sel.spare)).toBe(0x8c00);
  });

  it("VERR and VERW tell readable from writable", () => {
    const core = new ProtectedCore();
    core.enterRing(3);
    const both = (selector: number) => [
      ask(core, "verr", selector) !== undefined,
      ask(core, "verw", selector) !== undefined,
    ];
    expect([both(Sel.data3), both(Sel.code3), both(Sel.data0), both(0)]).toEqual([
      [true, true],
      [true, false],
      [false, false],
      [false, false],
    ]);
  });

  it("ARPL raises a low RPL only", () => {
    const core = new ProtectedCore();
    core.state.setReg(1, 3);
    core.memory.fill16(0x10000, [0x20, 0x23]);
    core.run("arpl", { reg: 1, memory: true, offset: 0x10000 });
    expect([core.memory.words(0x10000, 1), zero(core)]).toEqual([[0x23], true]);
    core.run("arpl", { reg: 1, memory: true, offset: 0x10002 });
    expect([core.memory.words(0x10002, 1), zero(core)]).toEqual([[0x23], false]);
  });
});

it("user stacks are written at ring 3's rights", () => {
  const core = new ProtectedCore();
  core.enterRing(3);
  core.memory.pages.set((STACK3 - 4) >>> 12, "absent");
  expect(core.faultOf("push_seg", { opcode: 0x1e })).toEqual({
    vector: Vector.PF,
    errorCode: 6,
    address: STACK3 - 4,
  });
});
