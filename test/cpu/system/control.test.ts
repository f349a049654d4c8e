import { describe, expect, it } from "vitest";
import { ExitControl } from "../../../src/cpu/exit.ts";
import * as L from "../../../src/cpu/layout.ts";
import { Mode } from "../../../src/cpu/modes.ts";
import { Cr0, Cr4, Flag } from "../../../src/cpu/state.ts";
import { CPU_MODELS, Feature } from "../../../src/cpu/system/index.ts";
import { FakeCore, Outcome, Vector } from "./fake-core.ts";
import { gateWords, ProtectedCore, STACK0, TSS } from "./protected-core.ts";

const GP0 = { vector: Vector.GP, errorCode: 0 };
const UD = { vector: Vector.UD, errorCode: -1 };

function movToCr(core: FakeCore, register: number, value: number): Outcome {
  core.state.setReg(0, value);
  return core.run("mov_to_cr", { reg: register, rm: 0, length: 3 });
}
function faultOfMovToCr(core: FakeCore, register: number, value: number): unknown {
  core.state.setReg(0, value);
  return core.faultOf("mov_to_cr", { reg: register, rm: 0 });
}

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

  it("is offered by all models", () => {
    for (const model of CPU_MODELS)
      expect(faultOfMovToCr(new ProtectedCore(model), 4, Cr4.PAE)).toBe("nothing");
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
});

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

describe("identification and model-specific registers", () => {
  const cpuid = (core: FakeCore, leaf: number): number[] => {
    core.state.setReg(0, leaf);
    core.run("cpuid");
    return [0, 3, 1, 2].map((index) => core.state.reg(index));
  };

  it("CPUID names the vendor, the highest leaf and the features", () => {
    const core = new ProtectedCore();
    const [highest, ...vendor] = cpuid(core, 0);
    const text = [vendor[0], vendor[2], vendor[1]].map((word) =>
      String.fromCharCode(...[0, 8, 16, 24].map((shift) => ((word as number) >>> shift) & 0xff)),
    );
    expect([highest, text.join("")]).toEqual([2, "GenuineIntel"]);
    expect(cpuid(core, 1)).toEqual([0x652, 0, 0, 0x183b97f]);
    expect(cpuid(core, 0x80000000)).toEqual(cpuid(core, 2));
  });

  it("CPUID of pentium4 offers SSE2 and a name, and no execute-disable", () => {
    const core = new ProtectedCore("pentium4");
    expect(cpuid(core, 0)[0]).toBe(2);
    expect(cpuid(core, 1)).toEqual([0xf29, 0x800, 0, 0x78bb97f]);
    expect(cpuid(core, 2)).toEqual([0x665b5001, 0, 0, 0x7b7040]);
    expect(cpuid(core, 0x80000000)).toEqual([0x80000004, 0, 0, 0]);
    expect(cpuid(core, 0x80000001)).toEqual([0, 0, 0, 0]);
    expect(nameOf(core)).toBe("Umbra Pentium 4".padEnd(48, "\0"));
    for (const leaf of [3, 0x7fffffff, 0x80000005, 0xffffffff])
      expect(cpuid(core, leaf)).toEqual(cpuid(core, 2));
  });

  const nameOf = (core: FakeCore): string => {
    const words = [2, 3, 4].flatMap((leaf) => cpuid(core, 0x80000000 + leaf));
    const name = words.flatMap((word) => [0, 8, 16, 24].map((shift) => (word >>> shift) & 0xff));
    return String.fromCharCode(...name);
  };

  it("CPUID of max offers execute-disable and 36 bits of address by extended leaves, TSC_ADJUST, SMEP, SMAP and UMIP by leaf 7, and machine check", () => {
    const core = new ProtectedCore("max");
    expect(cpuid(core, 0)[0]).toBe(7);
    expect(cpuid(core, 1)).toEqual([0x683, 0x800, 0, 0x78bf9ff]);
    expect(cpuid(core, 0x80000000)).toEqual([0x80000008, 0, 0, 0]);
    expect(cpuid(core, 0x80000001)).toEqual([0, 0, 0, 1 << 20]);
    expect(cpuid(core, 0x80000008)).toEqual([0x2024, 0, 0, 0]);
    expect(nameOf(core)).toBe("Umbra with all that it has".padEnd(48, "\0"));
    const leaves = [6, 7, 8].map((leaf) => {
      core.state.setReg(1, 0);
      return cpuid(core, leaf);
    });
    expect(leaves).toEqual([
      [0, 0, 0, 0],
      [0, (1 << 1) | (1 << 7) | (1 << 20), 1 << 2, 0],
      [0, (1 << 1) | (1 << 7) | (1 << 20), 1 << 2, 0],
    ]);
    expect(faultOfMovToCr(core, 4, Cr4.SMEP | Cr4.SMAP)).toBe("nothing");
    expect(faultOfMovToCr(new ProtectedCore("pentium4"), 4, Cr4.SMEP)).toEqual(GP0);
  });

  it("STAC and CLAC set and clear AC at ring 0, and do not exist without SMAP or elsewhere", () => {
    const core = new ProtectedCore("max");
    core.run("access_control", { rm: 3 });
    expect(core.state.eflags & Flag.AC).toBe(Flag.AC);
    core.run("access_control", { rm: 2 });
    expect(core.state.eflags & Flag.AC).toBe(0);
    expect(core.faultOf("access_control", { rm: 4 })).toEqual(UD);
    core.state.set(L.CPL, 3);
    expect(core.faultOf("access_control", { rm: 3 })).toEqual(UD);
    expect(new ProtectedCore().faultOf("access_control", { rm: 3 })).toEqual(UD);
  });

  describe("IA32_MISC_ENABLE", () => {
    function miscCore(model: "p6" | "pentium4" | "max") {
      const core = new ProtectedCore(model);
      core.state.set(L.MISC_ENABLE, 0x1801);
      const write = (low: number, high = 0, index = 0x1a0) => {
        core.state.setReg(0, low);
        core.state.setReg(1, index);
        core.state.setReg(2, high);
        return core.faultOf("wrmsr");
      };
      const cpuid = (leaf: number) => {
        core.state.setReg(0, leaf);
        core.state.setReg(1, 0);
        core.run("cpuid");
        return [0, 3, 1, 2].map((index) => core.state.reg(index));
      };
      return { core, write, cpuid };
    }

    it("holds what software switches, and refuses what is fixed or reserved", () => {
      const { core, write } = miscCore("pentium4");
      expect([write(0xc51808), core.state.get(L.MISC_ENABLE)]).toEqual(["nothing", 0xc51808]);
      expect([write(0x1001), write(0x1803), write(0x1801, 4)]).toEqual([GP0, GP0, GP0]);
      expect(miscCore("p6").write(0x1801)).toEqual(GP0);
    });
    it("limits CPUID to leaf 3 where that is asked for", () => {
      const { write, cpuid } = miscCore("max");
      expect(cpuid(0)[0]).toBe(7);
      write(0x1801 | (1 << 22));
      expect([cpuid(0)[0], cpuid(7), cpuid(1)[0]]).toEqual([3, [0, 0, 0, 0], 0x683]);
    });
    it("takes execute-disable away", () => {
      const { core, write, cpuid } = miscCore("max");
      expect(write(0x1801, 4)).toBe("nothing");
      expect(cpuid(0x80000001)[3]).toBe(0);
      expect([write(0x800, 0, 0xc0000080), write(1, 0, 0xc0000080), core.state.efer]).toEqual([
        GP0,
        "nothing",
        1,
      ]);
    });
  });

  it("machine check has no banks, and IA32_TSC_ADJUST is what was added to the counter", () => {
    const core = new ProtectedCore("max");
    const read = (index: number) => {
      core.state.setReg(1, index);
      core.run("rdmsr");
      return [core.state.reg(0), core.state.reg(2)];
    };
    expect([read(0x179), read(0x17a)]).toEqual([
      [0, 0],
      [0, 0],
    ]);
    core.state.setReg(0, 1);
    core.state.setReg(2, 0);
    expect(core.faultOf("wrmsr")).toEqual(GP0);
    core.time = [3, 1];
    expect(read(0x3b)).toEqual([3, 1]);
    core.state.setReg(0, 5);
    core.run("wrmsr");
    expect(core.time).toEqual([5, 1]);
  });

  it("CR4 bits of FXSAVE and SSE come with the features", () => {
    const faults = CPU_MODELS.map((model) =>
      [Cr4.OSFXSR, Cr4.OSXMMEXCPT].map((bit) => faultOfMovToCr(new ProtectedCore(model), 4, bit)),
    );
    expect(faults).toEqual([
      ["nothing", GP0],
      ["nothing", "nothing"],
      ["nothing", "nothing"],
    ]);
  });

  it("a processor of an unknown name is refused", () => {
    expect(() => new ProtectedCore("p7" as never)).toThrow("choose one of p6, pentium4, max");
  });

  it("EFER has NXE and holds SCE, and a change of it drops all translations", () => {
    const core = new ProtectedCore("max");
    const write = (low: number, high = 0) => {
      core.state.setReg(0, low);
      core.state.setReg(1, 0xc0000080);
      core.state.setReg(2, high);
      return core.faultOf("wrmsr");
    };
    expect([write(0x800), core.state.efer, core.notices]).toEqual(["nothing", 0x800, ["flushAll"]]);
    expect([write(0xc00), write(0x900), write(0x800, 1)]).toEqual([GP0, GP0, GP0]);
    core.state.setReg(0, 0);
    core.run("rdmsr");
    expect([core.state.reg(0), core.state.reg(2)]).toEqual([0x800, 0]);
  });

  it("CPUID leaves under its exit control", () => {
    const core = new ProtectedCore();
    core.controls = ExitControl.cpuid;
    expect(core.run("cpuid")).toBe(Outcome.exit);
    expect(core.exitRecord).toMatchObject({ reason: "cpuid", eip: 0x5000, length: 2 });
  });

  it("the time-stamp counter is read by RDTSC and RDMSR and written by WRMSR", () => {
    const core = new ProtectedCore();
    core.state.setReg(0, 0x11);
    core.state.setReg(1, 0x10);
    core.state.setReg(2, 0x22);
    core.run("wrmsr");
    expect(core.time).toEqual([0x11, 0x22]);
    core.time = [5, 6];
    core.run("rdtsc");
    expect([core.state.reg(0), core.state.reg(2)]).toEqual([5, 6]);
  });

  it("CR4.TSD keeps RDTSC to ring 0", () => {
    const core = new ProtectedCore();
    core.state.set(L.CR4, Cr4.TSD);
    expect(core.run("rdtsc")).toBe(Outcome.next);
    core.enterRing(3);
    expect(core.faultOf("rdtsc")).toEqual(GP0);
  });

  describe("of the local APIC", () => {
    const BASE = 0xfee00900;
    function apicCore(model?: "max") {
      const core = new ProtectedCore(model);
      core.state.set(L.APIC_BASE, BASE | L.APIC_PRESENT);
      const write = (index: number, low: number, high = 0) => {
        core.state.setReg(0, low);
        core.state.setReg(1, index);
        core.state.setReg(2, high);
        return core.faultOf("wrmsr");
      };
      return { core, write };
    }

    it("IA32_APIC_BASE moves and disables it, whatever the exit control; CPUID follows", () => {
      const { core, write } = apicCore();
      core.controls = ExitControl.msr;
      expect([write(0x1b, 0xfed40900), core.notices]).toEqual([
        "nothing",
        ["write MSR 1b of the APIC: 0:fed40900"],
      ]);
      const features = () => {
        core.state.setReg(0, 1);
        core.run("cpuid");
        return core.state.reg(2) & Feature.APIC;
      };
      expect(features()).toBe(Feature.APIC);
      expect(write(0x1b, 0)).toBe("nothing");
      expect(features()).toBe(0);
      core.state.setReg(1, 0x1b);
      core.run("rdmsr");
      expect([core.state.reg(0), core.state.reg(2)]).toEqual([0, 0]);
    });
    it.each([
      ["x2APIC mode", BASE | (1 << 10), 0],
      ["a reserved bit", BASE | 1, 0],
      ["an address from 4 GiB on", BASE, 1],
    ])("%s in it is #GP", (_, low, high) => {
      const { core, write } = apicCore();
      expect([write(0x1b, low, high), core.notices]).toEqual([GP0, []]);
    });
    it("IA32_TSC_DEADLINE is where CPUID says so, and the time-stamp counter is told to the APIC then", () => {
      const { core, write } = apicCore("max");
      core.state.setReg(0, 1);
      core.run("cpuid");
      expect(core.state.reg(1)).toBe(1 << 24);
      expect([write(0x6e0, 5, 6), write(0x10, 7, 8)]).toEqual(["nothing", "nothing"]);
      core.state.setReg(1, 0x6e0);
      core.run("rdmsr");
      expect([core.state.reg(0), core.state.reg(2), core.time]).toEqual([0x11111111, 0x22222222, [7, 8]]);
      expect(core.notices).toEqual([
        "write MSR 6e0 of the APIC: 6:5",
        "write MSR 10 of the APIC: 8:7",
        "read MSR 6e0 of the APIC",
      ]);
      const p6 = apicCore();
      expect([p6.write(0x6e0, 5), p6.write(0x10, 7), p6.core.notices]).toEqual([GP0, "nothing", []]);
    });
  });

  it.each([0x1b, 0x6e0, 0x173, 0x179, 0x210, 0x251, 0x270, 0xc0000080])("MSR %i does not exist", (index) => {
    const core = new ProtectedCore();
    core.state.setReg(1, index);
    expect([core.faultOf("rdmsr"), core.faultOf("wrmsr")]).toEqual([GP0, GP0]);
  });

  it("SGDT stores limit and base; RDPMC has no counter; INT1 is a #DB whatever its gate's DPL", () => {
    const core = new ProtectedCore();
    core.state.set(L.GDTR_LIMIT, 0x123);
    const base = core.state.get(L.GDTR_BASE);
    core.run("sgdt", { memory: true, segment: 3, offset: 0x700 });
    expect([core.memory.read16(0x700, true), core.memory.read32(0x702, true)]).toEqual([0x123, base]);
    expect(core.faultOf("rdpmc")).toEqual(GP0);
    const trap = new ProtectedCore();
    expect(trap.faultOf("int1")).toMatchObject({ vector: 13, errorCode: (1 << 3) | 3 });
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

  it("the platform is read-only; the microcode revision can be cleared", () => {
    const core = new ProtectedCore();
    core.state.setReg(1, 0x17);
    expect([core.run("rdmsr"), core.faultOf("wrmsr")]).toEqual([Outcome.next, GP0]);
    core.state.setReg(1, 0x8b);
    expect([core.run("wrmsr"), core.run("rdmsr")]).toEqual([Outcome.next, Outcome.next]);
  });

  it("WRMSR leaves under its exit control with both words", () => {
    const core = new ProtectedCore();
    core.controls = ExitControl.msr;
    core.state.setReg(0, 1);
    core.state.setReg(2, 2);
    expect(core.run("wrmsr")).toBe(Outcome.exit);
    expect(core.exitRecord).toMatchObject({ reason: "msr", write: true, value: 1, valueHigh: 2 });
  });

  it("SYSENTER and SYSEXIT are undefined without SEP", () => {
    const core = new ProtectedCore();
    Object.assign(core.cpuid, { features: core.cpuid.features & ~(1 << 11) });
    expect([core.faultOf("sysenter"), core.faultOf("sysexit")]).toEqual([UD, UD]);
  });

  it("SYSENTER and SYSEXIT go to ring 0 and back where SEP is offered", () => {
    const core = new ProtectedCore();
    core.state.set(L.SYSENTER, 0x8);
    core.state.set(L.SYSENTER + 4, 0x7000);
    core.state.set(L.SYSENTER + 8, 0x6000);
    core.enterRing(3);
    core.run("sysenter");
    expect(core.where()).toEqual({ cs: 0x8, eip: 0x6000, ss: 0x10, esp: 0x7000, cpl: 0 });
    core.state.setReg(1, 0xb000);
    core.state.setReg(2, 0x5002);
    core.run("sysexit");
    expect(core.where()).toEqual({ cs: 0x1b, eip: 0x5002, ss: 0x23, esp: 0xb000, cpl: 3 });
  });
});

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
