import { describe, expect, it } from "vitest";
import { ExitControl } from "../../../src/cpu/exit.ts";
import * as L from "../../../src/cpu/layout.ts";
import { Mode } from "../../../src/cpu/modes.ts";
import { Cr0, Cr4 } from "../../../src/cpu/state.ts";
import { CPU_MODELS } from "../../../src/cpu/system/index.ts";
import { FakeCore, Outcome, Vector } from "./fake-core.ts";
import { faultOfMovToCr, movToCr } from "./move-to-control.ts";
import { ProtectedCore } from "./protected-core.ts";

const GP0 = { vector: Vector.GP, errorCode: 0 };
const UD = { vector: Vector.UD, errorCode: -1 };

describe("control registers", () => {
  it("turning protection on changes the mode", () => {
    const core = new FakeCore();
    expect(movToCr(core, 0, Cr0.PE)).toBe(Outcome.jump);
    expect(core.state.cr0).toBe(Cr0.PE | Cr0.ET);
    expect(core.state.get(L.MODE) & Mode.protected).toBe(Mode.protected);
    expect(core.notices).toEqual(["flushAll"]);
  });

  it("CR0.TS alone does not touch translations", () => {
    const core = new ProtectedCore();
    movToCr(core, 0, core.state.cr0 | Cr0.TS);
    expect(core.run("clts")).toBe(Outcome.jump);
    expect([core.state.cr0 & Cr0.TS, core.notices]).toEqual([0, []]);
  });

  it.each([
    ["paging without protection", 0, Cr0.PG],
    ["NW without CD", 0, Cr0.PE | Cr0.NW],
    ["SMEP, which CPUID does not offer", 4, Cr4.SMEP],
    ["UMIP, which CPUID does not offer", 4, Cr4.UMIP],
    ["an undefined bit of CR4", 4, 1 << 30],
  ])("refuses %s", (_what, register, value) => {
    const core = new ProtectedCore();
    core.state.setReg(0, value);
    const before = core.registers();
    expect(core.faultOf("mov_to_cr", { reg: register })).toEqual(GP0);
    expect(core.registers()).toEqual(before);
  });

  it("refuses registers that do not exist, and other rings", () => {
    const core = new ProtectedCore();
    expect(faultOfMovToCr(core, 1, 0)).toEqual(UD);
    core.enterRing(3);
    expect(faultOfMovToCr(core, 3, 0)).toEqual(GP0);
    expect(core.faultOf("mov_from_cr", { reg: 0 })).toEqual(GP0);
    for (const name of ["clts", "lmsw", "invlpg", "hlt", "invd", "rdmsr", "wrmsr"]) {
      expect(core.faultOf(name)).toEqual(GP0);
    }
  });

  it("CR4.UMIP keeps what tells of tables to ring 0", () => {
    const core = new ProtectedCore("max");
    movToCr(core, 4, Cr4.UMIP);
    const fields = { memory: true, segment: 3, offset: 0x100 } as const;
    for (const name of ["sgdt", "sidt", "sldt", "str", "smsw"])
      expect(core.run(name, fields)).toBe(Outcome.next);
    core.enterRing(3);
    for (const name of ["sgdt", "sidt", "sldt", "str", "smsw"])
      expect(core.faultOf(name, fields)).toEqual(GP0);
    core.state.set(L.CR4, 0);
    for (const name of ["sgdt", "sidt", "sldt", "str", "smsw"])
      expect(core.run(name, fields)).toBe(Outcome.next);
  });

  it("CR4.PGE and PSE flush everything", () => {
    const core = new ProtectedCore();
    movToCr(core, 4, Cr4.PGE | Cr4.PSE);
    expect(core.notices).toEqual(["flushAll"]);
    movToCr(core, 4, Cr4.PGE | Cr4.PSE | Cr4.TSD);
    expect(core.notices).toEqual(["flushAll"]);
  });

  it("CR3 is loaded and read back", () => {
    const core = new ProtectedCore();
    movToCr(core, 3, 0x123000);
    core.run("mov_from_cr", { reg: 3, rm: 5 });
    expect([core.state.reg(5), core.notices]).toEqual([0x123000, ["directoryLoaded"]]);
  });

  it.each([
    ["mov_to_cr", ExitControl.cr0, { reg: 0 }, { register: 0, value: Cr0.PE | Cr0.ET }],
    ["mov_to_cr", ExitControl.cr3, { reg: 3 }, { register: 3, value: 1 }],
    ["mov_to_cr", ExitControl.cr4, { reg: 4 }, { register: 4, value: 1 }],
    ["clts", ExitControl.cr0, {}, { register: 0, value: Cr0.PE | Cr0.ET | Cr0.NE }],
    ["lmsw", ExitControl.cr0, {}, { register: 0, value: Cr0.PE | Cr0.ET | Cr0.NE }],
  ] as const)(
    "%s leaves under its exit control with the whole new value",
    (name, control, fields, expected) => {
      const core = new ProtectedCore();
      core.controls = control;
      core.state.set(L.CR0, core.state.cr0 | Cr0.TS);
      core.state.setReg(0, name === "mov_to_cr" && expected.register === 4 ? Cr4.PSE : 1);
      const before = core.registers();
      expect(core.run(name, fields)).toBe(Outcome.exit);
      const value = expected.register === 4 ? Cr4.PSE : expected.value;
      expect(core.exitRecord).toMatchObject({ reason: "controlRegister", ...expected, value, eip: 0x5000 });
      expect(core.registers()).toEqual(before);
    },
  );

  it("checks come before exits", () => {
    const core = new ProtectedCore();
    core.controls = ExitControl.cr0;
    expect(faultOfMovToCr(core, 0, Cr0.PG)).toEqual(GP0);
  });

  it("LMSW sets PE and never clears it; SMSW reads CR0 in every ring", () => {
    const core = new ProtectedCore();
    core.state.setReg(0, Cr0.TS);
    core.run("lmsw");
    expect(core.state.cr0 & 15).toBe(Cr0.PE | Cr0.TS);
    core.enterRing(3);
    core.memory.fill32(0x10000, [0xffffffff]);
    core.run("smsw", { memory: true, offset: 0x10000 });
    core.run("smsw", { rm: 2 });
    expect([core.memory.dwords(0x10000, 1)[0], core.state.reg(2)]).toEqual([
      (0xffff0000 | core.state.cr0) >>> 0,
      core.state.cr0,
    ]);
  });

  it("INVLPG drops one page, or leaves with its linear address", () => {
    const core = new ProtectedCore();
    core.state.setSegment(3, 0x80, 0x1000, 0xff, 0x4093);
    expect(core.run("invlpg", { memory: true, offset: 0x5000 })).toBe(Outcome.jump);
    expect(core.notices).toEqual(["invalidate 6000"]);
    core.controls = ExitControl.invlpg;
    expect(core.run("invlpg", { memory: true, offset: 0x5000 })).toBe(Outcome.exit);
    expect(core.exitRecord).toMatchObject({ reason: "invlpg", gva: 0x6000 });
  });
});

describe("PAE paging", () => {
  const paged = () => {
    const core = new ProtectedCore("p6");
    core.state.set(L.CR4, Cr4.PAE);
    core.state.set(L.CR3, 0x7000);
    movToCr(core, 0, core.state.cr0 | Cr0.PG);
    return core;
  };
  const latches = (core: FakeCore) => core.notices.filter((notice) => notice.startsWith("latch"));

  it("is offered by all models that have CR4", () => {
    for (const model of CPU_MODELS)
      expect(faultOfMovToCr(new ProtectedCore(model), 4, Cr4.PAE)).toEqual(
        model === "i386" || model === "i486" ? { vector: Vector.UD, errorCode: -1 } : "nothing",
      );
  });

  it("latches the PDPTEs when CR3 is loaded, paging comes on, and PAE, PGE or PSE change", () => {
    const core = paged();
    movToCr(core, 3, 0x8020);
    movToCr(core, 4, Cr4.PAE | Cr4.PGE);
    movToCr(core, 4, Cr4.PAE | Cr4.PGE | Cr4.PSE);
    movToCr(core, 4, Cr4.PGE | Cr4.PSE);
    movToCr(core, 4, Cr4.PGE | Cr4.PSE | Cr4.PAE);
    expect(latches(core)).toEqual(["latch 7000", ...Array(4).fill("latch 8020")]);
  });

  it("latches nothing on other changes, nor while PAE or paging is off", () => {
    const core = paged();
    movToCr(core, 0, core.state.cr0 ^ (Cr0.WP | Cr0.TS));
    movToCr(core, 4, Cr4.PAE);
    expect(latches(core)).toEqual(["latch 7000"]);
    movToCr(core, 0, core.state.cr0 & ~Cr0.PG);
    movToCr(core, 3, 0x9000);
    movToCr(core, 4, 0);
    movToCr(core, 0, core.state.cr0 | Cr0.PG);
    movToCr(core, 3, 0xa000);
    expect(latches(core)).toEqual(["latch 7000"]);
  });

  it.each([
    ["CR3", 3, 0xbad0, 0],
    ["CR0", 0, Cr0.PE | Cr0.PG | Cr0.NE | Cr0.CD, 0x7000],
    ["CR4", 4, Cr4.PAE | Cr4.PGE, 0x7000],
  ])(
    "refuses a load of %s whose PDPTEs have reserved bits, before anything changes",
    (_name, reg, value, bad) => {
      const core = paged();
      core.badPdptes.add(bad || value);
      core.state.setReg(0, value);
      const before = core.registers();
      expect(core.faultOf("mov_to_cr", { reg, rm: 0 })).toEqual(GP0);
      expect(core.registers()).toEqual(before);
    },
  );

  it("leaves under its exit control before the PDPTEs are looked at", () => {
    const core = paged();
    core.badPdptes.add(0xbad0);
    core.controls = ExitControl.cr3;
    expect(movToCr(core, 3, 0xbad0)).toBe(Outcome.exit);
  });
});
