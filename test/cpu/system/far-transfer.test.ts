import { describe, expect, it } from "vitest";
import * as L from "../../../src/cpu/layout.ts";
import { Mode } from "../../../src/cpu/modes.ts";
import { Flag } from "../../../src/cpu/state.ts";
import { FakeCore, Outcome, Vector } from "./fake-core.ts";
import { Access, gateWords, ProtectedCore, Sel, STACK0, STACK3, segmentWords } from "./protected-core.ts";

const CALL_GATE32 = 0x8c;
const CALL_GATE16 = 0x84;
const DPL3 = 0x60;

const gp = (errorCode: number) => ({ vector: Vector.GP, errorCode });

describe("CALL far", () => {
  it("pushes CS and EIP and keeps the privilege", () => {
    const core = new ProtectedCore();
    expect(
      core.run("call_far", { opcode: 0x9a, immediate: 0x6000, immediate2: Sel.conforming0, length: 7 }),
    ).toBe(Outcome.jump);
    expect(core.where()).toEqual({
      cs: Sel.conforming0,
      eip: 0x6000,
      ss: Sel.data0,
      esp: STACK0 - 8,
      cpl: 0,
    });
    expect(core.memory.dwords(STACK0 - 8, 2)).toEqual([0x5007, Sel.code0]);
  });

  it("takes its target from memory in the 16-bit form", () => {
    const core = new ProtectedCore();
    core.memory.fill16(0x10000, [0x6000, Sel.code16]);
    core.run("call_far", { opcode: 0xff, memory: true, offset: 0x10000, operandSize: 16 });
    expect(core.where()).toMatchObject({ cs: Sel.code16, eip: 0x6000, esp: STACK0 - 4 });
    expect(core.state.get(L.MODE) & Mode.code32).toBe(0);
  });

  it("runs conforming code of an inner ring at the caller's ring", () => {
    const core = new ProtectedCore();
    core.enterRing(3);
    core.run("call_far", { immediate: 0x6000, immediate2: Sel.conforming0 });
    expect(core.where()).toMatchObject({ cs: Sel.conforming0 | 3, cpl: 3 });
  });

  it.each([
    ["a null selector", 3, 3, gp(0)],
    ["a selector outside the table", 3, Sel.outside, gp(0x100)],
    ["data", 3, Sel.data3, gp(0x20)],
    ["code of an inner ring", 3, Sel.code0, gp(Sel.code0)],
    ["code of an outer ring", 0, Sel.code3, gp(0x18)],
    ["code that is not present", 0, Sel.absentCode0, { vector: Vector.NP, errorCode: 0x60 }],
    ["an LDT selector without an LDT", 0, 0x0c, gp(0x0c)],
    ["a busy TSS (no hardware task switch)", 0, Sel.tss, gp(Sel.tss)],
  ] as const)("refuses %s", (_what, ring, selector, expected) => {
    const core = new ProtectedCore();
    core.enterRing(ring);
    const before = core.registers();
    expect(core.faultOf("call_far", { immediate: 0x6000, immediate2: selector })).toEqual(expected);
    expect(core.registers()).toEqual(before);
  });

  it("refuses an offset beyond the limit before anything is pushed", () => {
    const core = new ProtectedCore();
    expect(core.faultOf("call_far", { immediate: 0x10000, immediate2: Sel.code16 })).toEqual(gp(0));
    expect(core.memory.dwords(STACK0 - 8, 2)).toEqual([0, 0]);
  });

  it("goes anywhere in real mode", () => {
    const core = new FakeCore();
    core.state.setReg(4, 0x2000);
    core.state.eip = 0x100;
    core.run("call_far", { immediate: 0x34, immediate2: 0x1200, operandSize: 16, length: 5 });
    expect(core.where()).toMatchObject({ cs: 0x1200, eip: 0x34, esp: 0x1ffc });
    expect(core.memory.words(0x1ffc, 2)).toEqual([0x105, 0]);
    expect(core.state.segBase(1)).toBe(0x12000);
  });
});

describe("call gates", () => {
  it("copy the parameters to the inner stack, and RETF with a count goes back", () => {
    const core = new ProtectedCore();
    core.enterRing(3);
    core.describe(Sel.spare, gateWords(Sel.code0, 0x6000, CALL_GATE32 | DPL3, 2));
    core.memory.fill32(STACK3, [0xaaaa, 0xbbbb]);
    core.run("call_far", { immediate: 0xdead, immediate2: Sel.spare | 3, length: 7 });
    expect(core.where()).toEqual({ cs: Sel.code0, eip: 0x6000, ss: Sel.data0, esp: STACK0 - 24, cpl: 0 });
    expect(core.memory.dwords(STACK0 - 24, 6)).toEqual([
      0x5007,
      Sel.code3,
      0xaaaa,
      0xbbbb,
      STACK3,
      Sel.data3,
    ]);

    core.run("ret_far", { opcode: 0xca, immediate: 8 });
    expect(core.where()).toEqual({ cs: Sel.code3, eip: 0x5007, ss: Sel.data3, esp: STACK3 + 8, cpl: 3 });
  });

  it("of 16 bits push and copy words", () => {
    const core = new ProtectedCore();
    core.enterRing(3);
    core.describe(Sel.spare, gateWords(Sel.code0, 0x6000, CALL_GATE16 | DPL3, 1));
    core.memory.fill16(STACK3, [0x1234]);
    core.run("call_far", { immediate2: Sel.spare });
    expect(core.where()).toMatchObject({ esp: STACK0 - 10, cpl: 0 });
    expect(core.memory.words(STACK0 - 10, 3)).toEqual([0x5002, Sel.code3, 0x1234]);
  });

  it("stay on the stack when the ring stays", () => {
    const core = new ProtectedCore();
    core.describe(Sel.spare, gateWords(Sel.code0, 0x6000, CALL_GATE32, 3));
    core.run("call_far", { immediate2: Sel.spare });
    expect(core.where()).toMatchObject({ eip: 0x6000, esp: STACK0 - 8 });
  });

  it.each([
    ["whose DPL is below CPL", gateWords(Sel.code0, 0, CALL_GATE32), Sel.spare, gp(Sel.spare)],
    [
      "not present",
      gateWords(Sel.code0, 0, 0x0c | DPL3),
      Sel.spare,
      { vector: Vector.NP, errorCode: Sel.spare },
    ],
    ["to a null selector", gateWords(0, 0, CALL_GATE32 | DPL3), Sel.spare, gp(0)],
    ["to data", gateWords(Sel.data0, 0, CALL_GATE32 | DPL3), Sel.spare, gp(Sel.data0)],
    [
      "to absent code",
      gateWords(Sel.absentCode0, 0, CALL_GATE32 | DPL3),
      Sel.spare,
      { vector: Vector.NP, errorCode: Sel.absentCode0 },
    ],
  ] as const)("%s are refused", (_what, words, selector, expected) => {
    const core = new ProtectedCore();
    core.enterRing(3);
    core.describe(Sel.spare, words);
    expect(core.faultOf("call_far", { immediate2: selector })).toEqual(expected);
  });

  it("leave all as it was when a page of the inner stack must leave the guest", () => {
    const core = new ProtectedCore();
    core.enterRing(3);
    core.describe(Sel.spare, gateWords(Sel.code0, 0x6000, CALL_GATE32 | DPL3));
    core.memory.pages.set(8, "intercepted");
    const before = core.registers();
    expect(core.faultOf("call_far", { immediate2: Sel.spare })).toBe("exit");
    expect(core.registers()).toEqual(before);
  });
});

describe("JMP far", () => {
  it("changes code segment and mode without touching the stack", () => {
    const core = new ProtectedCore();
    core.run("jmp_far", { opcode: 0xea, immediate: 0x6000, immediate2: Sel.code16 });
    expect(core.where()).toMatchObject({ cs: Sel.code16, eip: 0x6000, esp: STACK0 });
    expect(core.state.get(L.MODE) & Mode.code32).toBe(0);
  });

  it("refuses a gate to an inner ring", () => {
    const core = new ProtectedCore();
    core.enterRing(3);
    core.describe(Sel.spare, gateWords(Sel.code0, 0x6000, CALL_GATE32 | DPL3));
    expect(core.faultOf("jmp_far", { immediate2: Sel.spare })).toEqual(gp(Sel.code0));
  });

  it("enters protected mode's code segment from real mode after CR0.PE was set", () => {
    const core = new ProtectedCore();
    core.state.setSegment(1, 0x100, 0x1000, 0xffff, 0x9b);
    core.state.updateMode();
    core.run("jmp_far", { immediate: 0x100000, immediate2: Sel.code0 });
    expect(core.where()).toMatchObject({ cs: Sel.code0, eip: 0x100000 });
    expect(core.state.get(L.MODE)).toBe(Mode.protected | Mode.code32 | Mode.stack32 | Mode.flat);
  });

  it("lets code be written through CS in real mode", () => {
    const core = new FakeCore();
    core.run("jmp_far", { immediate: 0, immediate2: 0x200, operandSize: 16 });
    expect(core.state.get(L.SEG_CS + L.SEG_PERM)).toBe(7);
  });
});

/** At ring 0, a return frame to ring 3 on the stack. */
function outerFrame(words: readonly number[]): ProtectedCore {
  const core = new ProtectedCore();
  core.state.setReg(4, STACK0 - 4 * words.length);
  core.memory.fill32(STACK0 - 4 * words.length, words);
  return core;
}

describe("RET far to an outer ring", () => {
  it("makes data segments of the inner ring null and keeps the others", () => {
    const core = outerFrame([0x6000, Sel.code3, STACK3, Sel.data3]);
    core.state.setSegment(3, Sel.data3, 0, 0xffffffff, 0xc0f3);
    core.state.setSegment(4, Sel.conforming0, 0, 0xffffffff, 0xc09f);
    core.run("ret_far", { opcode: 0xcb });
    expect([0, 3, 4, 5].map((index) => core.state.selector(index))).toEqual([
      0,
      Sel.data3,
      Sel.conforming0,
      0,
    ]);
    expect([0, 3, 4, 5].map((index) => core.state.segAttr(index))).toEqual([0, 0xc0f3, 0xc09f, 0]);
  });

  it("keeps the upper half of ESP for a 16-bit stack", () => {
    const core = outerFrame([0x6000, Sel.code3, 0x12345678, Sel.spare | 3]);
    core.describe(Sel.spare, segmentWords(0, 0xffff, Access.data3, 0));
    core.run("ret_far", { opcode: 0xcb });
    expect(core.where()).toMatchObject({ ss: Sel.spare | 3, esp: 0x5678 });
    expect(core.state.get(L.MODE) & Mode.stack32).toBe(0);
  });

  it.each([
    ["a null code selector", [0, 0, STACK3, Sel.data3], gp(0)],
    ["code of another ring than its RPL", [0, Sel.code0 | 3, STACK3, Sel.data3], gp(Sel.code0)],
    ["a null stack", [0, Sel.code3, STACK3, 3], gp(0)],
    ["a stack of another RPL", [0, Sel.code3, STACK3, Sel.data3 & ~3], gp(0x20)],
    ["a stack of another DPL", [0, Sel.code3, STACK3, Sel.data0 | 3], gp(Sel.data0)],
  ] as const)("refuses %s", (_what, frame, expected) => {
    const core = outerFrame(frame);
    const before = core.registers();
    expect(core.faultOf("ret_far", { opcode: 0xcb })).toEqual(expected);
    expect(core.registers()).toEqual(before);
  });

  it("refuses an absent stack with #SS", () => {
    const core = outerFrame([0, Sel.code3, STACK3, Sel.spare | 3]);
    core.describe(Sel.spare, segmentWords(0, 0xfffff, Access.data3 & 0x7f, 0xc));
    expect(core.faultOf("ret_far", { opcode: 0xcb })).toEqual({ vector: Vector.SS, errorCode: Sel.spare });
  });

  it("never goes to an inner ring", () => {
    const core = new ProtectedCore();
    core.enterRing(3);
    core.memory.fill32(STACK3, [0x6000, Sel.code0]);
    expect(core.faultOf("ret_far", { opcode: 0xcb })).toEqual(gp(Sel.code0));
  });
});

describe("IRET", () => {
  it("lets ring 3 change neither IF nor IOPL", () => {
    const core = new ProtectedCore();
    core.enterRing(3);
    core.state.eflags = Flag.IF | 2;
    core.memory.fill32(STACK3, [0x6000, Sel.code3, Flag.IOPL | Flag.CF | Flag.ID | 2]);
    core.run("iret");
    expect(core.state.eflags).toBe(Flag.IF | Flag.CF | Flag.ID | 2);
    expect(core.where()).toMatchObject({ eip: 0x6000, esp: STACK3 + 12 });
  });

  it("lets ring 0 change both, and does not keep RF", () => {
    const core = outerFrame([0x6000, Sel.code0, Flag.IOPL | Flag.IF | Flag.RF | 2]);
    core.run("iret");
    expect(core.state.eflags).toBe(Flag.IOPL | Flag.IF | 2);
  });

  it("changes only the low half of EFLAGS in the 16-bit form", () => {
    const core = new ProtectedCore();
    core.state.eflags = Flag.ID | Flag.AC | 2;
    core.state.setReg(4, STACK0 - 6);
    core.memory.fill16(STACK0 - 6, [0x6000, Sel.code0, Flag.DF | 2]);
    core.run("iret", { operandSize: 16 });
    expect(core.state.eflags).toBe(Flag.ID | Flag.AC | Flag.DF | 2);
    expect(core.where()).toMatchObject({ eip: 0x6000, esp: STACK0 });
  });

  it("of a nested task whose back link names no busy TSS is refused", () => {
    const nested = outerFrame([0x6000, Sel.code0, 2]);
    nested.state.eflags = Flag.NT | 2;
    expect(nested.faultOf("iret")).toMatchObject({ vector: 10 });
  });

  it("goes to virtual-8086 mode from ring 0, and nowhere beyond 64 KiB", () => {
    const frame = (eip: number) => [eip, 0x1234, Flag.VM | Flag.IF | 2, 0x100, 0x2000, 1, 2, 3, 4];
    const core = outerFrame(frame(0x10));
    core.run("iret");
    const { state } = core;
    expect([state.eip, state.cpl, state.reg(4)]).toEqual([0x10, 3, 0x100]);
    expect([0, 1, 2, 3, 4, 5].map((n) => [state.selector(n), state.segBase(n), state.segLimit(n)])).toEqual(
      [1, 0x1234, 0x2000, 2, 3, 4].map((selector) => [selector, selector << 4, 0xffff]),
    );
    expect(outerFrame(frame(0x10000)).faultOf("iret")).toEqual(gp(0));
  });

  it("changes nothing when the outer stack's descriptor must leave the guest", () => {
    const core = outerFrame([0x6000, Sel.code3, 2, STACK3, Sel.data3]);
    core.memory.pages.set(1, "intercepted");
    const before = core.registers();
    expect(core.faultOf("iret")).toBe("exit");
    expect(core.registers()).toEqual(before);
  });
});
