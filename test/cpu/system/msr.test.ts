import { describe, expect, it } from "vitest";
import { ExitControl } from "../../../src/cpu/exit.ts";
import * as L from "../../../src/cpu/layout.ts";
import { Cr4, Flag } from "../../../src/cpu/state.ts";
import { CPU_MODELS, Feature } from "../../../src/cpu/system/index.ts";
import { type FakeCore, Outcome, Vector } from "./fake-core.ts";
import { faultOfMovToCr } from "./move-to-control.ts";
import { ProtectedCore } from "./protected-core.ts";

const GP0 = { vector: Vector.GP, errorCode: 0 };
const UD = { vector: Vector.UD, errorCode: -1 };

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
    const UD = { vector: 6, errorCode: -1 };
    const faults = CPU_MODELS.map((model) =>
      [Cr4.OSFXSR, Cr4.OSXMMEXCPT].map((bit) => faultOfMovToCr(new ProtectedCore(model), 4, bit)),
    );
    expect(faults).toEqual([
      // Without CR4.
      [UD, UD],
      [UD, UD],
      ["nothing", GP0],
      ["nothing", "nothing"],
      ["nothing", "nothing"],
    ]);
  });

  it("a processor of an unknown name is refused", () => {
    expect(() => new ProtectedCore("p7" as never)).toThrow("choose one of i386, i486, p6, pentium4, max");
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

  it("RDPMC has no counter", () => {
    expect(new ProtectedCore().faultOf("rdpmc")).toEqual(GP0);
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
