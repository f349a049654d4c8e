import { describe, expect, it } from "vitest";
import { GuestBuilder, mem8 } from "../../../src/guest/builder/index.ts";
import { CODE, EngineGuest, U, W } from "./support/guest.ts";

let last: EngineGuest | undefined;
function guest(): EngineGuest {
  last = new EngineGuest({ after: last });
  return last;
}
const code = () => new GuestBuilder({ origin: CODE });

describe("a guest that gets nowhere", () => {
  it("whose page-fault handler cannot be fetched, with a stack that never ends, leaves the engine again and again", () => {
    const g = guest();
    g.start(code().mov("eax", 1).jmp("x").label("x").ud2().build(), { paged: true });
    // The handler of #UD and #PF lies in an absent page; the stack wraps within pages that all are the same memory.
    g.gate(6, 0x40000000);
    g.gate(14, 0x40000000);
    for (let gva = 0; gva < 0x400000; gva += 0x1000)
      if (gva !== CODE && gva > 0xf000) g.write32(g.entry(gva), 0x11f000 | 7);
    g.cpu.state.setReg(4, 0x3ffff0);
    let deliveries = 0;
    for (let n = 0; n < 4; n++) {
      expect(g.cpu.run(1000).reason).toBe("budget");
      expect(g.cpu.retired).toBe(2);
      expect(g.cpu.deliveries).toBeGreaterThan(deliveries);
      deliveries = g.cpu.deliveries;
    }
    expect(deliveries).toBeGreaterThan(10_000);
  });

  it("in the monitor's page-fault handling is told from one that gets on", () => {
    const g = guest();
    g.start(code().jmp("x").label("x").nop().hlt().build(), { paged: true });
    g.cpu.controls = 1;
    g.gate(14, 0x40000000);
    g.cpu.run(1);
    for (let n = 1; n <= 5; n++) {
      g.cpu.inject({ kind: "exception", vector: 14, errorCode: 0, cr2: 0x40000000 });
      expect(g.cpu.run(1000)).toMatchObject({ reason: "pageFault", gva: 0x40000000 });
      expect(g.cpu.deliveries).toBe(n);
    }
    g.map(0x40000000, CODE, U | W);
    g.cpu.run(1);
    expect(g.cpu.deliveries).toBe(0);
  });

  it("because of one endless REP leaves the engine meanwhile, and is not taken for stuck", () => {
    const g = guest();
    // All pages from 4 MiB on are the page that the code lies in: every store goes the slow way.
    g.start(
      code().mov("edi", 0x400800).mov("ecx", 0xffffffff).mov("eax", 0).string("stos", 8, "rep").hlt().build(),
      { paged: true },
    );
    for (let n = 0; n < 1024; n++) g.write32(g.entry(0x400000 + n * 0x1000), (CODE + 0x1000) | U | W | 1);
    g.write(CODE + 0x1000, [0xf4]);
    for (let slot = 2; slot < 1024; slot++) g.write32(0x6000 + 4 * slot, g.read32(0x6000 + 4));
    g.cpu.run(3);
    const before = g.registers[1] as number;
    expect(g.cpu.run(1000).reason).toBe("budget");
    expect(g.cpu.retired).toBe(3);
    expect(g.registers[1]).toBeLessThan(before);
    expect(g.cpu.deliveries).toBe(0);
  });

  it("a fault handler that returns to the fault gets on, as far as the engine can tell", () => {
    const g = guest();
    g.load(new GuestBuilder({ origin: CODE + 0x400 }).iret().build());
    g.gate(6, CODE + 0x400);
    g.start(code().ud2().build());
    expect(g.cpu.run(1000).reason).toBe("budget");
    expect(g.cpu.retired).toBe(1000);
    expect(g.cpu.deliveries).toBeLessThan(2);
  });

  it("a burst takes no more than its budget where one instruction is decoded at a time", () => {
    const g = guest();
    g.start(
      code()
        .label("top")
        .inc(mem8(CODE + 0x800))
        .jmp("top")
        .build(),
    );
    g.cpu.run(999);
    expect(g.cpu.retired).toBe(999);
  });

  it.each([0, -1, 2 ** 30 + 1, Number.NaN])("a budget of %d is refused", (budget) => {
    expect(() => guest().cpu.run(budget)).toThrow(RangeError);
  });
});
