import { describe, expect, it } from "vitest";
import * as L from "../../../src/cpu/layout.ts";
import { Flag } from "../../../src/cpu/state.ts";
import { Outcome, Vector } from "./fake-core.ts";
import { ProtectedCore, STACK0 } from "./protected-core.ts";

const GP0 = { vector: Vector.GP, errorCode: 0 };

describe("flags", () => {
  it("POPF lets ring 3 change neither IF nor IOPL, ring 0 both", () => {
    const core = new ProtectedCore();
    core.memory.fill32(STACK0, [Flag.IF | Flag.IOPL | Flag.CF | Flag.VM | Flag.RF | 2]);
    expect(core.run("popf", { length: 1 })).toBe(Outcome.jump);
    expect([core.state.eflags, core.state.eip]).toEqual([Flag.IF | Flag.IOPL | Flag.CF | 2, 0x5001]);
    core.state.eflags = 2;
    core.enterRing(3);
    core.memory.fill32(core.state.reg(4), [Flag.IF | Flag.IOPL | Flag.ZF | 2]);
    core.run("popf");
    expect(core.state.eflags).toBe(Flag.ZF | 2);
  });

  it("POPF may change IF where IOPL allows", () => {
    const core = new ProtectedCore();
    core.enterRing(3);
    core.state.eflags = Flag.IOPL | 2;
    core.memory.fill32(core.state.reg(4), [Flag.IF | 2]);
    core.run("popf");
    expect(core.state.eflags).toBe(Flag.IOPL | Flag.IF | 2);
  });

  it("PUSHF pushes neither RF nor VM", () => {
    const core = new ProtectedCore();
    core.state.eflags = Flag.RF | Flag.CF | Flag.OF | 2;
    core.run("pushf");
    expect(core.memory.dwords(STACK0 - 4, 1)).toEqual([Flag.CF | Flag.OF | 2]);
  });

  it("STI shadows the next instruction only when IF was clear", () => {
    const core = new ProtectedCore();
    expect(core.run("sti", { length: 1 })).toBe(Outcome.jump);
    expect([core.state.eflags & Flag.IF, core.state.get(L.SHADOW), core.state.eip]).toEqual([
      Flag.IF,
      1,
      0x5001,
    ]);
    core.state.set(L.SHADOW, 0);
    core.run("sti");
    expect(core.state.get(L.SHADOW)).toBe(0);
    core.run("cli");
    expect(core.state.eflags & Flag.IF).toBe(0);
  });

  it("CLI and STI need IOPL", () => {
    const core = new ProtectedCore();
    core.enterRing(3);
    expect([core.faultOf("cli"), core.faultOf("sti")]).toEqual([GP0, GP0]);
    core.state.eflags = Flag.IOPL | 2;
    expect(core.run("cli")).toBe(Outcome.next);
  });
});
