import { describe, expect, it } from "vitest";
import * as L from "../../../src/cpu/layout.ts";
import { Flag } from "../../../src/cpu/state.ts";
import {
  combineExceptions,
  deliverEvent,
  deliverWithFaults,
  type Event,
  raiseAndDeliver,
} from "../../../src/cpu/system/index.ts";
import { FakeCore, Outcome, Vector } from "./fake-core.ts";
import {
  Access,
  gateWords,
  ProtectedCore,
  Sel,
  STACK0,
  STACK3,
  segmentWords,
  TSS,
} from "./protected-core.ts";

const INTERRUPT32 = 0x8e;
const TRAP32 = 0x8f;
const INTERRUPT16 = 0x86;
const DPL3 = 0x60;

const external = (vector: number): Event => ({
  vector,
  errorCode: -1,
  address: 0,
  kind: "external",
  returnEip: 0x5000,
});
const fault = (vector: number, errorCode: number, address = 0) =>
  ({ kind: "guest-fault", vector, errorCode, address }) as const;

describe("real-mode delivery", () => {
  it("pushes FLAGS, CS and IP as words and clears IF and TF", () => {
    const core = new FakeCore();
    core.state.setReg(4, 0x2000);
    core.state.eip = 0x100;
    core.state.eflags = Flag.IF | Flag.TF | Flag.CF | 2;
    core.memory.fill16(0x21 * 4, [0x1234, 0x0800]);
    expect(core.run("int_n", { immediate: 0x21 })).toBe(Outcome.jump);
    expect(core.where()).toEqual({ cs: 0x0800, eip: 0x1234, ss: 0, esp: 0x1ffa, cpl: 0 });
    expect(core.memory.words(0x1ffa, 3)).toEqual([0x102, 0, 0x303]);
    expect(core.state.eflags).toBe(Flag.CF | 2);
    expect(core.state.segBase(1)).toBe(0x8000);
  });

  it("is undone by IRET", () => {
    const core = new FakeCore();
    core.state.setReg(4, 0x2000);
    core.state.eip = 0x100;
    core.state.eflags = Flag.IF | Flag.ZF | 2;
    core.memory.fill16(0x21 * 4, [0x1234, 0x0800]);
    core.run("int_n", { immediate: 0x21 });
    expect(core.run("iret", { operandSize: 16 })).toBe(Outcome.jump);
    expect(core.where()).toEqual({ cs: 0, eip: 0x102, ss: 0, esp: 0x2000, cpl: 0 });
    expect(core.state.eflags).toBe(Flag.IF | Flag.ZF | 2);
  });

  it("shuts down when the vector table is too small even for a double fault", () => {
    const core = new FakeCore();
    core.state.set(L.IDTR_LIMIT, 0x1f);
    expect(core.thrown(() => deliverWithFaults(core, external(0x20)))).toBe("exit");
    expect(core.exitRecord.reason).toBe("tripleFault");
  });
});

describe("delivery to the same ring", () => {
  it("pushes EFLAGS, CS, EIP and the error code of a fault, with RF in the image", () => {
    const core = new ProtectedCore();
    core.state.eflags = Flag.IF | 2;
    core.describeGate(Vector.GP, gateWords(Sel.code0, 0x12345678, INTERRUPT32));
    raiseAndDeliver(core, fault(Vector.GP, 0x58));
    expect(core.where()).toEqual({
      cs: Sel.code0,
      eip: 0x12345678,
      ss: Sel.data0,
      esp: STACK0 - 16,
      cpl: 0,
    });
    expect(core.memory.dwords(STACK0 - 16, 4)).toEqual([0x58, 0x5000, Sel.code0, Flag.RF | Flag.IF | 2]);
    expect(core.state.eflags).toBe(2);
    expect(core.exitRecord.vectoring).toBe(-1);
  });

  it("leaves IF set through a trap gate", () => {
    const core = new ProtectedCore();
    core.state.eflags = Flag.IF | Flag.TF | Flag.NT | 2;
    core.describeGate(3, gateWords(Sel.code0, 0x6000, TRAP32));
    core.run("int3", { length: 1 });
    expect(core.state.eflags).toBe(Flag.IF | 2);
    expect(core.memory.dwords(STACK0 - 12, 1)).toEqual([0x5001]);
  });

  it("pushes words through a 286 gate and enters at 16 bits of offset", () => {
    const core = new ProtectedCore();
    core.describeGate(0x30, gateWords(Sel.code0, 0xdead6000, INTERRUPT16));
    deliverEvent(core, external(0x30));
    expect(core.where()).toMatchObject({ eip: 0x6000, esp: STACK0 - 6 });
    expect(core.memory.words(STACK0 - 6, 3)).toEqual([0x5000, Sel.code0, 2]);
  });

  it("runs conforming code at the caller's privilege", () => {
    const core = new ProtectedCore();
    core.enterRing(3);
    core.describeGate(0x30, gateWords(Sel.conforming0, 0x6000, INTERRUPT32 | DPL3));
    core.run("int_n", { immediate: 0x30 });
    expect(core.where()).toEqual({
      cs: Sel.conforming0 | 3,
      eip: 0x6000,
      ss: Sel.data3,
      esp: STACK3 - 12,
      cpl: 3,
    });
  });

  it("loads CR2 with the address of a page fault", () => {
    const core = new ProtectedCore();
    core.describeGate(Vector.PF, gateWords(Sel.code0, 0x6000, INTERRUPT32));
    raiseAndDeliver(core, fault(Vector.PF, 2, 0xc0001234));
    expect(core.state.get(L.CR2)).toBe(0xc0001234);
    expect(core.memory.dwords(STACK0 - 16, 1)).toEqual([2]);
  });

  it("clears the interrupt shadow", () => {
    const core = new ProtectedCore();
    core.state.set(L.SHADOW, 1);
    core.describeGate(0x30, gateWords(Sel.code0, 0x6000, INTERRUPT32));
    deliverEvent(core, external(0x30));
    expect(core.state.get(L.SHADOW)).toBe(0);
  });
});

describe("delivery to an inner ring", () => {
  it("takes the stack from the TSS, and IRET goes all the way back", () => {
    const core = new ProtectedCore();
    core.enterRing(3);
    core.state.eflags = Flag.IF | Flag.CF | 2;
    core.describeGate(0x80, gateWords(Sel.code0, 0x6000, TRAP32 | DPL3));
    core.run("int_n", { immediate: 0x80 });
    expect(core.where()).toEqual({ cs: Sel.code0, eip: 0x6000, ss: Sel.data0, esp: STACK0 - 20, cpl: 0 });
    expect(core.memory.dwords(STACK0 - 20, 5)).toEqual([
      0x5002,
      Sel.code3,
      Flag.IF | Flag.CF | 2,
      STACK3,
      Sel.data3,
    ]);
    expect(core.state.get(L.TLB_PRIV)).toBe(0);

    expect(core.run("iret")).toBe(Outcome.jump);
    expect(core.where()).toEqual({ cs: Sel.code3, eip: 0x5002, ss: Sel.data3, esp: STACK3, cpl: 3 });
    expect(core.state.eflags).toBe(Flag.IF | Flag.CF | 2);
    expect(core.state.get(L.TLB_PRIV)).toBe(L.TLB_USER);
  });

  it("takes the stack from a 286 TSS", () => {
    const core = new ProtectedCore();
    core.enterRing(3);
    core.state.setSegment(7, Sel.tss, TSS, 0x2b, 0x83);
    core.memory.fill16(TSS + 2, [0x8800, Sel.data0]);
    core.describeGate(0x30, gateWords(Sel.code0, 0x6000, INTERRUPT32));
    deliverEvent(core, external(0x30));
    expect(core.where()).toMatchObject({ ss: Sel.data0, esp: 0x8800 - 20 });
  });

  it("marks the stack and code descriptors accessed", () => {
    const core = new ProtectedCore();
    core.enterRing(3);
    core.describe(Sel.code0, segmentWords(0, 0xfffff, Access.code0 & ~1, 0xc));
    core.describe(Sel.data0, segmentWords(0, 0xfffff, Access.data0 & ~1, 0xc));
    core.describeGate(0x30, gateWords(Sel.code0, 0x6000, INTERRUPT32));
    deliverEvent(core, external(0x30));
    expect([core.accessByte(Sel.code0), core.accessByte(Sel.data0)]).toEqual([Access.code0, Access.data0]);
    expect([core.state.segAttr(1), core.state.segAttr(2)]).toEqual([0xc09b, 0xc093]);
  });

  it.each([
    ["a null stack selector", () => 0, { vector: Vector.TS, errorCode: 1 }],
    ["a stack selector outside the table", () => Sel.outside, { vector: Vector.TS, errorCode: 0x101 }],
    ["a stack that is read-only", () => Sel.readOnly0, { vector: Vector.TS, errorCode: 0x51 }],
    ["a stack of another ring", () => Sel.data3, { vector: Vector.TS, errorCode: 0x21 }],
    ["a stack that is not present", () => Sel.absentData0, { vector: Vector.SS, errorCode: 0x59 }],
  ])("refuses %s", (_what, selector, expected) => {
    const core = new ProtectedCore();
    core.enterRing(3);
    core.memory.fill32(TSS + 8, [selector()]);
    core.describeGate(0x30, gateWords(Sel.code0, 0x6000, INTERRUPT32));
    const before = core.registers();
    expect(core.thrown(() => deliverEvent(core, external(0x30)))).toEqual(expected);
    expect(core.registers()).toEqual(before);
  });

  it("refuses a TSS too short to hold the stack", () => {
    const core = new ProtectedCore();
    core.enterRing(3);
    core.state.setSegment(7, Sel.tss, TSS, 8, 0x8b);
    core.describeGate(0x30, gateWords(Sel.code0, 0x6000, INTERRUPT32));
    expect(core.thrown(() => deliverEvent(core, external(0x30)))).toEqual({
      vector: Vector.TS,
      errorCode: Sel.tss | 1,
    });
  });

  it("raises #SS with the new selector when the frame does not fit", () => {
    const core = new ProtectedCore();
    core.enterRing(3);
    core.describe(Sel.spare, segmentWords(0, 0xff, Access.data0, 4));
    core.memory.fill32(TSS + 4, [0x200, Sel.spare]);
    core.describeGate(0x30, gateWords(Sel.code0, 0x6000, INTERRUPT32));
    expect(core.thrown(() => deliverEvent(core, external(0x30)))).toEqual({
      vector: Vector.SS,
      errorCode: Sel.spare | 1,
    });
  });
});

describe("gate checks", () => {
  it.each([
    ["beyond the table's limit", 0x80, [0, 0], 0x7f, "external", { vector: Vector.GP, errorCode: 0x403 }],
    [
      "of a wrong type",
      0x80,
      gateWords(Sel.code0, 0, 0x8c),
      0x7ff,
      "external",
      { vector: Vector.GP, errorCode: 0x403 },
    ],
    [
      "not present",
      0x80,
      gateWords(Sel.code0, 0, 0x0e),
      0x7ff,
      "external",
      { vector: Vector.NP, errorCode: 0x403 },
    ],
    [
      "guarded from software by its DPL",
      0x80,
      gateWords(Sel.code0, 0, INTERRUPT32),
      0x7ff,
      "software",
      { vector: Vector.GP, errorCode: 0x402 },
    ],
    [
      "to a null selector",
      0x80,
      gateWords(0, 0, INTERRUPT32),
      0x7ff,
      "external",
      { vector: Vector.GP, errorCode: 1 },
    ],
    [
      "to data",
      0x80,
      gateWords(Sel.data0, 0, INTERRUPT32),
      0x7ff,
      "external",
      { vector: Vector.GP, errorCode: 0x11 },
    ],
    [
      "to code that is not present",
      0x80,
      gateWords(Sel.absentCode0, 0, INTERRUPT32),
      0x7ff,
      "external",
      { vector: Vector.NP, errorCode: 0x61 },
    ],
  ] as const)("refuses a gate %s", (_what, vector, words, limit, kind, expected) => {
    const core = new ProtectedCore();
    core.enterRing(3);
    core.state.set(L.IDTR_LIMIT, limit);
    core.describeGate(vector, words);
    const event: Event = { ...external(vector), kind };
    expect(core.thrown(() => deliverEvent(core, event))).toEqual(expected);
  });

  it("lets hardware events through whatever the gate's DPL", () => {
    const core = new ProtectedCore();
    core.enterRing(3);
    core.describeGate(0x80, gateWords(Sel.code0, 0x6000, INTERRUPT32));
    deliverEvent(core, external(0x80));
    expect(core.state.cpl).toBe(0);
  });

  it("refuses a gate to an outer ring", () => {
    const core = new ProtectedCore();
    core.describeGate(0x80, gateWords(Sel.code3, 0x6000, INTERRUPT32));
    expect(core.thrown(() => deliverEvent(core, external(0x80)))).toEqual({
      vector: Vector.GP,
      errorCode: (Sel.code3 & ~3) | 1,
    });
  });

  it("refuses an entry point beyond the code segment", () => {
    const core = new ProtectedCore();
    core.describeGate(0x80, gateWords(Sel.code16, 0x10000, INTERRUPT32));
    expect(core.thrown(() => deliverEvent(core, external(0x80)))).toEqual({
      vector: Vector.GP,
      errorCode: 1,
    });
  });
});

describe("faults during delivery", () => {
  it("leaves everything unchanged when an access must leave the guest, and names the vector", () => {
    const core = new ProtectedCore();
    core.enterRing(3);
    core.describeGate(Vector.GP, gateWords(Sel.code0, 0x6000, INTERRUPT32));
    core.memory.pages.set((STACK0 - 4) >>> 12, "intercepted");
    const before = core.registers();
    expect(core.thrown(() => raiseAndDeliver(core, fault(Vector.GP, 0)))).toBe("exit");
    expect(core.registers()).toEqual(before);
    expect(core.exitRecord.vectoring).toBe(Vector.GP);

    core.memory.pages.clear();
    raiseAndDeliver(core, fault(Vector.GP, 0));
    expect(core.where()).toMatchObject({ cs: Sel.code0, eip: 0x6000, esp: STACK0 - 24 });
  });

  it("writes nothing of a frame whose second page faults", () => {
    const core = new ProtectedCore();
    core.describeGate(0x30, gateWords(Sel.code0, 0x6000, INTERRUPT32));
    core.state.setReg(4, 0x8004);
    core.memory.pages.set(7, "readOnly");
    expect(core.thrown(() => deliverEvent(core, external(0x30)))).toEqual({
      vector: Vector.PF,
      errorCode: 3,
      address: 0x7ff8,
    });
    expect(core.memory.dwords(0x8000, 1)).toEqual([0]);
  });

  it("turns a contributory fault during another into a double fault with error code 0", () => {
    const core = new ProtectedCore();
    core.describeGate(Vector.DF, gateWords(Sel.code0, 0x7000, INTERRUPT32));
    raiseAndDeliver(core, fault(Vector.NP, 0x10));
    expect(core.where()).toMatchObject({ eip: 0x7000, esp: STACK0 - 16 });
    expect(core.memory.dwords(STACK0 - 16, 2)).toEqual([0, 0x5000]);
  });

  it("delivers a page fault met while delivering #GP as a page fault", () => {
    const core = new ProtectedCore();
    core.enterRing(3);
    core.memory.pages.set(0xa, "absent");
    core.state.setReg(4, STACK3);
    core.describeGate(Vector.GP, gateWords(Sel.conforming0, 0x6000, INTERRUPT32));
    core.describeGate(Vector.PF, gateWords(Sel.code0, 0x7000, INTERRUPT32));
    raiseAndDeliver(core, fault(Vector.GP, 0));
    expect(core.where()).toMatchObject({ eip: 0x7000, cpl: 0 });
    expect(core.state.get(L.CR2)).toBe(STACK3 - 4);
  });

  it("delivers the fault of an external interrupt whose vector looks like a double fault", () => {
    const core = new ProtectedCore();
    core.describeGate(Vector.NP, gateWords(Sel.code0, 0x7000, INTERRUPT32));
    core.describeGate(8, gateWords(Sel.code0, 0x6000, 0x0e));
    deliverWithFaults(core, external(8));
    expect(core.where()).toMatchObject({ eip: 0x7000 });
    expect(core.memory.dwords(STACK0 - 16, 1)).toEqual([0x43]);
  });

  it("shuts down when the double fault cannot be delivered", () => {
    const core = new ProtectedCore();
    expect(core.thrown(() => raiseAndDeliver(core, fault(Vector.GP, 0)))).toBe("exit");
    expect(core.exitRecord).toMatchObject({ reason: "tripleFault", eip: 0x5000, vectoring: -1 });
  });

  it.each([
    [Vector.GP, Vector.GP, "doubleFault"],
    [Vector.DE, Vector.SS, "doubleFault"],
    [Vector.GP, Vector.PF, "second"],
    [Vector.PF, Vector.PF, "doubleFault"],
    [Vector.PF, Vector.TS, "doubleFault"],
    [Vector.PF, Vector.DB, "second"],
    [Vector.UD, Vector.GP, "second"],
    [Vector.GP, Vector.UD, "second"],
    [-1, Vector.GP, "second"],
    [Vector.DF, Vector.NP, "tripleFault"],
    [Vector.DF, Vector.PF, "tripleFault"],
    [Vector.DF, Vector.AC, "second"],
  ] as const)("combines %i then %i into %s", (first, second, expected) => {
    expect(combineExceptions(first, second)).toBe(expected);
  });
});
