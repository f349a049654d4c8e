import { describe, expect, it } from "vitest";
import { type GuestBuilder, mem32 } from "../../src/guest/index.ts";
import { bootTwo, sendIpi, twoProcessors } from "../support/two-processors.ts";

const COUNTS = [0x500, 0x504] as const;

/** Delivery mode of a non-maskable interrupt, asserted. */
const NMI = 0x4400;

const countForEver = (n: 0 | 1) => (g: GuestBuilder) =>
  g.label(`count${n}`).inc(mem32(COUNTS[n])).jmp(`count${n}`);
const haltForGood = (g: GuestBuilder) => g.cli().label(`halt${g.here}`).hlt();
/** No IDT: the exception, the double fault after it, and that is all. */
const breakDown = (g: GuestBuilder) => g.plain("ud2");

describe("a vm of two processors", () => {
  it("stands still while it is paused, both of them, and then goes on where it was", () => {
    const { vm, word } = bootTwo(twoProcessors({ first: countForEver(0), second: countForEver(1) }), {
      quantum: 300,
    });
    expect(vm.run({ budget: 10_000 })).toMatchObject({ status: "budget", instructions: 10_000 });
    const figures = () => [vm.stats().vcpus.map(({ instructions }) => instructions), COUNTS.map(word)];
    const before = figures();
    for (const count of before[1] as number[]) expect(count).toBeGreaterThan(1000);
    vm.pause();
    expect(vm.run()).toMatchObject({ status: "paused", instructions: 10_000 });
    expect(vm.run({ budget: 5000 }).status).toBe("paused");
    expect(figures()).toEqual(before);
    vm.resume();
    expect(vm.run({ budget: 10_000 })).toMatchObject({ status: "budget", instructions: 20_000 });
    for (const [n, count] of COUNTS.map(word).entries())
      expect(count).toBeGreaterThan((before[1]?.[n] as number) + 1000);
  });

  it.each([
    ["second", { first: countForEver(0), second: breakDown }],
    ["first", { first: breakDown, second: countForEver(1) }],
  ] as const)("is shut down by a triple fault of the %s, whatever the other one does", (_, programs) => {
    const { vm } = bootTwo(twoProcessors(programs));
    expect(vm.run()).toMatchObject({ status: "shutdown", reason: expect.stringMatching(/^triple fault at/) });
    expect(vm.ended).toBe(true);
    expect(vm.machine.frames.heldBy("g")).toBe(0);
  });

  it("goes on when one halts for good, but has sent the other one, which had halted too, a non-maskable interrupt", () => {
    const program = twoProcessors({
      first: (g) => g.cli().label("halt").hlt().jmp("halt"),
      second: (g) => {
        g.mov("ecx", 50_000).label("wait").dec("ecx").jcc("ne", "wait");
        sendIpi(g, 0, NMI);
        haltForGood(g);
      },
      shared: (g) => countForEver(0)(g.label("nmi")),
      handlers: { 2: "nmi" },
    });
    const { vm, word } = bootTwo(program);
    expect(vm.run({ budget: 300_000 }).status).toBe("budget");
    expect(word(COUNTS[0])).toBeGreaterThan(50_000);
  });

  it.each([
    ["first", { first: haltForGood, second: countForEver(1) }, 1],
    ["second", { first: countForEver(0), second: haltForGood }, 0],
  ] as const)("goes on when the %s one halts for good", (_, programs, other) => {
    const { vm, word } = bootTwo(twoProcessors(programs));
    expect(vm.run({ budget: 200_000 }).status).toBe("budget");
    expect(word(COUNTS[other])).toBeGreaterThan(50_000);
  });

  it("is halted when both do", () => {
    const { vm } = bootTwo(twoProcessors({ first: haltForGood, second: haltForGood }));
    expect(vm.run()).toMatchObject({
      status: "halted",
      reason: expect.stringMatching(/^HLT with interrupts off/),
    });
  });

  it("is killed when both together have retired what they may", () => {
    const { vm } = bootTwo(twoProcessors({ first: countForEver(0), second: countForEver(1) }), {
      maxInstructions: 30_001,
    });
    expect(vm.run().status).toBe("killed");
    expect(vm.stats().instructions).toBe(30_001);
  });
});
