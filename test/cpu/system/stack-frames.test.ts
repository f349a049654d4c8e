import { describe, expect, it } from "vitest";
import { FakeCore, Outcome, Vector } from "./fake-core.ts";
import { ProtectedCore, STACK0 } from "./protected-core.ts";

describe("HLT", () => {
  it("HLT retires and leaves at the next instruction", () => {
    const core = new ProtectedCore();
    expect(core.run("hlt", { length: 1 })).toBe(Outcome.retireAndExit);
    expect([core.state.eip, core.exitRecord.eip, core.exitRecord.reason]).toEqual([0x5001, 0x5001, "hlt"]);
  });
});

describe("stack frames", () => {
  it("PUSHA and POPA round trip all but ESP", () => {
    const core = new ProtectedCore();
    for (const index of [0, 1, 2, 3, 5, 6, 7]) core.state.setReg(index, 0x100 + index);
    core.run("pusha");
    expect(core.memory.dwords(STACK0 - 32, 8)).toEqual([
      0x107,
      0x106,
      0x105,
      STACK0,
      0x103,
      0x102,
      0x101,
      0x100,
    ]);
    core.memory.fill32(STACK0 - 20, [0xdead]);
    for (const index of [0, 1, 2, 3, 5, 6, 7]) core.state.setReg(index, 0);
    core.run("popa");
    expect([0, 1, 2, 3, 4, 5, 6, 7].map((index) => core.state.reg(index))).toEqual([
      0x100,
      0x101,
      0x102,
      0x103,
      STACK0,
      0x105,
      0x106,
      0x107,
    ]);
  });

  it("PUSHA writes nothing when the frame crosses into a page that faults", () => {
    const core = new ProtectedCore();
    core.state.setReg(0, 0x77);
    core.state.setReg(4, 0x8010);
    core.memory.pages.set(7, "absent");
    expect(core.faultOf("pusha")).toMatchObject({ vector: Vector.PF });
    expect(core.memory.dwords(0x8000, 4)).toEqual([0, 0, 0, 0]);
  });

  it("ENTER builds a nested frame", () => {
    const core = new ProtectedCore();
    core.state.setReg(5, 0x8800);
    core.memory.fill32(0x8800 - 8, [0x222, 0x111]);
    core.run("enter", { immediate: 0x20, immediate2: 3 });
    const frame = STACK0 - 4;
    expect(core.memory.dwords(STACK0 - 16, 4)).toEqual([frame, 0x222, 0x111, 0x8800]);
    expect([core.state.reg(5), core.state.reg(4)]).toEqual([frame, STACK0 - 16 - 0x20]);
  });

  it("ENTER changes no register when the new top of the stack faults", () => {
    const core = new ProtectedCore();
    core.memory.pages.set(7, "absent");
    const before = core.registers();
    expect(core.faultOf("enter", { immediate: 0x1800, immediate2: 0 })).toMatchObject({ vector: Vector.PF });
    expect(core.registers()).toEqual(before);
  });

  it("POP to memory based on ESP uses the incremented pointer", () => {
    const core = new ProtectedCore();
    core.memory.fill32(STACK0, [0xabcd, 0, 0]);
    core.run("pop_memory", { memory: true, segment: 2, offset: STACK0 + 4, baseIsEsp: true });
    expect(core.memory.dwords(STACK0, 3)).toEqual([0xabcd, 0, 0xabcd]);
    expect(core.state.reg(4)).toBe(STACK0 + 4);
  });

  it("pushes wrap in a 16-bit stack and keep the upper half of ESP", () => {
    const core = new FakeCore();
    core.state.setReg(4, 0xabcd0002);
    core.run("pusha", { operandSize: 16 });
    expect(core.state.reg(4)).toBe(0xabcdfff2);
    expect(core.memory.words(0, 1)).toEqual([0]);
    expect(core.memory.words(0xfff8, 1)).toEqual([2]);
  });

  it("BOUND raises #BR outside signed bounds", () => {
    const core = new ProtectedCore();
    core.memory.fill32(0x10000, [0xfffffff6, 10]);
    const bound = (value: number) => {
      core.state.setReg(1, value);
      return core.faultOf("bound", { reg: 1, memory: true, offset: 0x10000 });
    };
    expect([bound(-10), bound(10), bound(11)]).toEqual([
      "nothing",
      "nothing",
      { vector: Vector.BR, errorCode: -1 },
    ]);
  });
});
