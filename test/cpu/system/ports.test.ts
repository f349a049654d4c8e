import { describe, expect, it } from "vitest";
import { Flag } from "../../../src/cpu/state.ts";
import { Outcome, Vector } from "./fake-core.ts";
import { ProtectedCore, TSS } from "./protected-core.ts";

const GP0 = { vector: Vector.GP, errorCode: 0 };

describe("ports", () => {
  it("IN takes the answer in AL only; an unanswered access leaves", () => {
    const core = new ProtectedCore();
    core.state.setReg(0, 0x11223344);
    expect(core.run("in", { opcode: 0xe4, immediate: 0x60 })).toBe(Outcome.exit);
    core.answers = [0x99];
    expect(core.run("in", { opcode: 0xe4, immediate: 0x60 })).toBe(Outcome.next);
    expect([core.state.reg(0), core.ports]).toEqual([
      0x11223399,
      [{ port: 0x60, size: 1, write: false, value: 0 }],
    ]);
  });

  it("OUT sends AX to the port in DX", () => {
    const core = new ProtectedCore();
    core.state.setReg(0, 0x11223344);
    core.state.setReg(2, 0xffff03d4);
    core.answers = [0];
    core.run("out", { opcode: 0xef, operandSize: 16 });
    expect(core.ports).toEqual([{ port: 0x3d4, size: 2, write: true, value: 0x3344 }]);
  });

  it("ring 3 needs IOPL or a clear bit for every byte", () => {
    const core = new ProtectedCore();
    core.enterRing(3);
    core.state.setSegment(7, 0x28, TSS, 0x67 + 0x20, 0x8b);
    core.memory.fill16(TSS + 102, [0x68]);
    core.memory.fill(TSS + 0x68, Array(0x20).fill(0xff));
    core.memory.fill(TSS + 0x68 + 0xc, [0x7f, 0xfe]); // ports 67 and 68 are free
    core.answers = [0, 0];
    const input = (port: number, operandSize: 16 | 32) =>
      core.thrown(() => core.run("in", { opcode: 0xe5, immediate: port, operandSize }));
    expect([input(0x67, 16), input(0x66, 16), input(0x68, 16), input(0x67, 32)]).toEqual([
      "nothing",
      GP0,
      GP0,
      GP0,
    ]);
    core.state.eflags = Flag.IOPL | 2;
    expect(input(0x66, 16)).toBe("nothing");
  });

  it("a map that ends before the port allows nothing", () => {
    const core = new ProtectedCore();
    core.enterRing(3);
    core.memory.fill16(TSS + 102, [0x68]);
    expect(core.faultOf("in", { opcode: 0xe4, immediate: 0 })).toEqual(GP0);
  });
});
