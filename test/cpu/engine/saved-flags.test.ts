import { describe, expect, it } from "vitest";
import * as L from "../../../src/cpu/layout.ts";
import { GuestBuilder } from "../../../src/guest/builder/index.ts";
import { CODE, DATA, EngineGuest, Sel, STACK } from "./support/guest.ts";

/** RF of the EFLAGS that events in the middle of a repeated instruction save (Intel SDM vol. 3, 17.3.1.1). */

const RF = 0x10000;
const IF = 0x200;
const TF = 0x100;
const COUNT = 10_000;

let last: EngineGuest | undefined;
/** Before a REP STOSB of COUNT bytes. */
function guest(eflags: number): EngineGuest {
  last = new EngineGuest({ after: last });
  last.start(
    new GuestBuilder({ origin: CODE })
      .mov("edi", DATA)
      .mov("ecx", COUNT)
      .label("at")
      .string("stos", 8, "rep")
      .hlt()
      .build(),
  );
  last.cpu.run(2);
  last.cpu.state.eflags = eflags;
  return last;
}
const AT = CODE + 10;

describe("RF is saved", () => {
  it("set by an interrupt between iterations, clear by one before the first", () => {
    const g = guest(2 | IF);
    g.cpu.windowRequested = true;
    expect(g.cpu.run(100)).toMatchObject({ reason: "interruptWindow", eip: AT });
    expect(g.registers[1]).toBe(COUNT);
    g.cpu.windowRequested = false;
    g.cpu.inject({ kind: "external", vector: 0x31 });
    g.cpu.run(100);
    expect([g.haltedIn, g.frame(false).eip, g.frame(false).eflags & RF]).toEqual([0x31, AT, 0]);

    const h = guest(2);
    // A page without memory ends the burst in the middle.
    h.cpu.state.setReg(7, DATA + 0x10000 - 100);
    expect(h.cpu.run(100).reason).toBe("mmio");
    expect(h.registers[1]).toBe(COUNT - 100);
    h.cpu.inject({ kind: "nmi", vector: 2 });
    h.cpu.run(100);
    expect([h.haltedIn, h.frame(false).eip, h.frame(false).eflags & RF]).toEqual([2, AT, RF]);
  });

  it("set by the single step of an iteration, but for the last", () => {
    const g = guest(2 | TF);
    g.cpu.state.setReg(1, 2);
    g.cpu.run(100);
    expect([g.haltedIn, g.frame(false).eip, g.frame(false).eflags & RF]).toEqual([1, AT, RF]);
    const h = guest(2 | TF);
    h.cpu.state.setReg(1, 1);
    h.cpu.run(100);
    expect([h.haltedIn, h.frame(false).eip, h.frame(false).eflags & RF]).toEqual([1, AT + 2, 0]);
  });

  it("clear by an interrupt at the entry of the handler of a fault in the middle", () => {
    const g = guest(2 | IF);
    g.gate(14, CODE + 0x100, "trap");
    g.load(new GuestBuilder({ origin: CODE + 0x100 }).nop().hlt().build());
    g.cpu.state.setReg(7, DATA + 0x10000 - 100);
    expect(g.cpu.run(100).reason).toBe("mmio");
    g.cpu.inject({ kind: "exception", vector: 14, errorCode: 2, cr2: 0 });
    g.cpu.windowRequested = true;
    expect(g.cpu.run(100)).toMatchObject({ reason: "interruptWindow", eip: CODE + 0x100 });
    g.cpu.windowRequested = false;
    expect(g.frame(true).eflags & RF).toBe(RF);
    g.cpu.inject({ kind: "external", vector: 0x31 });
    g.cpu.run(100);
    expect([g.haltedIn, g.frame(false).eip, g.frame(false).eflags & RF]).toEqual([0x31, CODE + 0x100, 0]);
  });

  it("as an IRET has loaded it, by the single step of that IRET", () => {
    const g = guest(2 | TF);
    // With a breakpoint on instructions there is an RF to be loaded.
    g.cpu.state.set(L.DR0, CODE + 0x800);
    g.cpu.state.set(L.DR7, 0x402);
    g.cpu.core.breakpointsChanged();
    g.load(new GuestBuilder({ origin: AT }).iret().build());
    g.write32(STACK - 12, CODE + 0x200, Sel.code0, 2 | RF);
    g.cpu.state.setReg(4, STACK - 12);
    g.cpu.run(100);
    expect([g.haltedIn, g.frame(false).eip, g.frame(false).eflags & RF]).toEqual([1, CODE + 0x200, RF]);
  });
});
