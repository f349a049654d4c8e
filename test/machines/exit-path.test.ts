import { describe, expect, it } from "vitest";
import { cpuChart, mmuChart, shadowManagerChart } from "../../src/machines/index.ts";
import { BOTH_WAYS, walkChart } from "../support/chart-walk.ts";

describe.each(BOTH_WAYS)("the Cpu chart, %s", (_, interpreted) => {
  it("enters, runs one burst when the bus is quiet, and is back in the host", () => {
    const cpu = walkChart(cpuChart, interpreted);
    expect(cpu.state).toBe("host");
    expect(cpu.send("cpu.enter")).toEqual(["load"]);
    expect(cpu.state).toBe("entering");
    expect(cpu.send("cpu.run")).toEqual(["runBurst", "unload"]);
    expect(cpu.state).toBe("host");
  });

  it("kicked before the burst, leaves without one", () => {
    const cpu = walkChart(cpuChart, interpreted);
    cpu.send("cpu.enter");
    expect(cpu.send("cpu.kick")).toEqual(["unload", "exitKicked"]);
    expect(cpu.state).toBe("host");
  });

  it("kicked or told to run in the host, does nothing", () => {
    const cpu = walkChart(cpuChart, interpreted);
    expect([...cpu.send("cpu.kick"), ...cpu.send("cpu.run")]).toEqual([]);
  });

  it("takes a trap in the host only", () => {
    const cpu = walkChart(cpuChart, interpreted);
    expect(cpu.send("trap.inject")).toEqual(["inject"]);
    cpu.send("cpu.enter");
    expect(cpu.send("trap.inject")).toEqual([]);
  });

  it("halted, idles from alarm to alarm until kicked, or until there is none", () => {
    const cpu = walkChart(cpuChart, interpreted);
    cpu.send("cpu.halt");
    expect(cpu.state).toBe("halted");
    expect(cpu.send("cpu.run")).toEqual(["idle"]);
    expect(cpu.send("clock.jumped")).toEqual([]);
    expect(cpu.state).toBe("halted");
    expect(cpu.send("cpu.kick")).toEqual(["unload", "exitKicked"]);
    cpu.send("cpu.halt");
    expect(cpu.send("clock.none")).toEqual(["unload", "exitAsleep"]);
    expect(cpu.state).toBe("host");
  });
});

describe.each(BOTH_WAYS)("the Mmu chart, %s", (_, interpreted) => {
  it("reflects what the guest forbids", () => {
    const mmu = walkChart(mmuChart, interpreted);
    mmu.holds.add("guestForbids");
    expect(mmu.send("mmu.fault")).toEqual(["walkGuest", "reflect"]);
    expect(mmu.state).toBe("idle");
  });

  it("asks the shadow for what the guest allows", () => {
    const mmu = walkChart(mmuChart, interpreted);
    expect(mmu.send("mmu.fault")).toEqual(["walkGuest", "askShadow"]);
    expect(mmu.state).toBe("awaitingShadow");
    expect(mmu.send("shadow.resolved")).toEqual(["resolve"]);
    expect(mmu.state).toBe("idle");
  });

  it.each(["mmio.data", "mmio.done"] as const)("asks a device where no memory is, and takes %s", (answer) => {
    const mmu = walkChart(mmuChart, interpreted);
    expect(mmu.send("mmu.unbacked")).toEqual(["askDevice"]);
    expect(mmu.state).toBe("emulating");
    expect(mmu.send(answer)).toEqual(["emulate"]);
    expect(mmu.state).toBe("idle");
  });

  it("ignores answers that it did not ask for", () => {
    const mmu = walkChart(mmuChart, interpreted);
    for (const stray of ["shadow.resolved", "shadow.emulate", "shadow.written", "mmio.data"] as const)
      expect(mmu.send(stray)).toEqual([]);
    expect(mmu.state).toBe("idle");
  });
});

describe.each(BOTH_WAYS)("the ShadowManager chart, %s", (_, interpreted) => {
  it("fills, tells and answers", () => {
    const shadow = walkChart(shadowManagerChart, interpreted);
    shadow.holds.add("filled");
    expect(shadow.send("shadow.fault")).toEqual(["fill", "announceFill", "resolve"]);
    expect(shadow.state).toBe("idle");
  });

  it("kills the guest that it cannot serve, and serves it no more", () => {
    const shadow = walkChart(shadowManagerChart, interpreted);
    expect(shadow.send("shadow.fault")).toEqual(["fill", "killGuest"]);
    expect(shadow.state).toBe("refused");
    expect(shadow.send("shadow.fault")).toEqual([]);
  });

  it("zaps what is stale, and single pages", () => {
    const shadow = walkChart(shadowManagerChart, interpreted);
    expect(shadow.send("shadow.cr")).toEqual(["flush", "confirmFlush"]);
    expect(shadow.send("shadow.invlpg")).toEqual(["invalidate", "confirmInvalidate"]);
    expect(shadow.state).toBe("idle");
  });
});
