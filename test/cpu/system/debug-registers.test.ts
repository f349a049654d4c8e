import { describe, expect, it } from "vitest";
import * as L from "../../../src/cpu/layout.ts";
import { Vector } from "./fake-core.ts";
import { gateWords, ProtectedCore } from "./protected-core.ts";

describe("debug registers", () => {
  it("keep fixed bits and answer under their old names", () => {
    const core = new ProtectedCore();
    core.state.setReg(0, 0xffffdfff);
    core.run("mov_to_dr", { reg: 6 });
    core.run("mov_to_dr", { reg: 5 });
    core.run("mov_from_dr", { reg: 4, rm: 1 });
    core.run("mov_from_dr", { reg: 7, rm: 2 });
    expect([core.state.reg(1), core.state.reg(2)]).toEqual([0xffffcfff, 0xffff07ff]);
  });

  it("guarded by GD raise #DB and say so in DR6", () => {
    const core = new ProtectedCore();
    core.state.set(L.DR7, 0x2400);
    expect(core.faultOf("mov_from_dr", { reg: 5 })).toEqual({ vector: Vector.DB, errorCode: -1 });
    expect(core.state.get(L.DR6)).toBe(0x2000);
  });

  it("INT1 is a #DB whatever its gate's DPL", () => {
    expect(new ProtectedCore().faultOf("int1")).toMatchObject({ vector: 13, errorCode: (1 << 3) | 3 });
  });

  it("INT1 reports the breakpoints that MOV SS has held back, and they come no more", () => {
    const core = new ProtectedCore();
    core.describeGate(1, gateWords(0x08, 0x6000, 0x8e));
    core.state.set(L.DEBUG_HITS, 2);
    core.state.set(L.DR6, 0xffff4ff1);
    core.run("int1");
    expect([core.state.eip, core.state.get(L.DEBUG_HITS), core.state.get(L.DR6)]).toEqual([
      0x6000, 0, 0xffff4ff2,
    ]);
  });
});
