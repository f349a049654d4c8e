import { describe, expect, it } from "vitest";
import * as L from "../../../src/cpu/layout.ts";
import { GuestBuilder, mem32 } from "../../../src/guest/builder/index.ts";
import { CODE, DATA, EngineGuest, HANDLERS, Sel, W } from "./support/guest.ts";

let last: EngineGuest | undefined;
function guest(): EngineGuest {
  last = new EngineGuest({ after: last });
  return last;
}
const code = () => new GuestBuilder({ origin: CODE });
const LOG = DATA + 0x8000;
const HANDLER = CODE + 0x800;
const TF = 0x100;

/** The #DB handler notes where it came from, in order, and goes on. */
function steps(
  program: GuestBuilder,
  options: { ring?: 0 | 3; budget?: number; more?: (g: EngineGuest) => void } = {},
) {
  const g = guest();
  g.load(
    new GuestBuilder({ origin: HANDLER })
      .push("eax")
      .push("ebx")
      .mov("ebx", mem32(LOG))
      .mov("eax", mem32({ base: "esp", displacement: 8 }))
      .mov(mem32({ base: "ebx", displacement: LOG + 4 }), "eax")
      .add("ebx", 4)
      .mov(mem32(LOG), "ebx")
      .pop("ebx")
      .pop("eax")
      .iret()
      .build(),
  );
  g.gate(1, HANDLER);
  const built = program.build();
  const { ring = 0, budget = 10_000 } = options;
  g.start(built, { ring, paged: ring === 3 });
  options.more?.(g);
  g.cpu.state.eflags = 0x202 | TF;
  g.runToExit(budget, 10_000);
  const count = g.read32(LOG) / 4;
  const places = Array.from({ length: count }, (_, n) => g.read32(LOG + 4 + 4 * n));
  const names = places.map(
    (place) => [...built.symbols].find(([, at]) => at === place)?.[0] ?? place.toString(16),
  );
  return { g, built, places: names };
}

describe("with TF set", () => {
  it.each([1, 2, 10_000])(
    "every instruction is followed by a trap that points behind it, in bursts of %i",
    (budget) => {
      const { g, places } = steps(
        code()
          .nop()
          .label("a")
          .inc("eax")
          .label("b")
          .jmp("d")
          .label("c")
          .inc("eax")
          .label("d")
          .mov("ecx", mem32(DATA))
          .label("e")
          .hlt(),
        { budget },
      );
      expect(places).toEqual(["a", "b", "d", "e", places[4]]);
      expect(g.cpu.state.get(L.DR6) & 0x4000).toBe(0x4000);
      expect(g.registers[0]).toBe(1);
    },
  );

  it("ring 3 is stepped too, and a fault in between is not a step", () => {
    const { g, places } = steps(
      code()
        .nop()
        .label("a")
        .nop()
        .label("b")
        .mov("eax", mem32(DATA + 0x2000)),
      {
        ring: 3,
        more: (it) => it.unmap(DATA + 0x2000),
      },
    );
    expect(places).toEqual(["a", "b"]);
    expect(g.haltedIn).toBe(14);
    expect(g.frame(true).eflags & TF).toBe(TF);
    expect(g.cpu.state.eflags & TF).toBe(0);
  });

  it("POPF that clears TF is followed by a last trap; one that sets it, by none until the next instruction is done", () => {
    const { places } = steps(
      code()
        .push(2)
        .label("a")
        .raw([0x9d])
        .label("b")
        .nop()
        .push(2 | TF)
        .raw([0x9d])
        .label("c")
        .nop()
        .label("d")
        .push(2)
        .label("e")
        .raw([0x9d])
        .label("f")
        .hlt(),
    );
    expect(places).toEqual(["a", "b", "d", "e", "f"]);
  });

  it.each([
    { name: "INT n", instruction: (g: GuestBuilder) => g.int(0x40), vector: 0x40 },
    { name: "INT3", instruction: (g: GuestBuilder) => g.raw([0xcc]), vector: 3 },
    { name: "INTO", instruction: (g: GuestBuilder) => g.raw([0xce]), vector: 4 },
  ])(
    "$name runs its handler unstepped, and stepping goes on behind the instruction after its IRET",
    ({ instruction, vector }) => {
      for (const budget of [1, 10_000]) {
        const program = instruction(code().mov("al", 0x7f).label("a").inc("al").label("b"));
        const { g, places } = steps(program.label("c").nop().label("d").nop().label("e").hlt(), {
          budget,
          more: (it) => {
            it.load(new GuestBuilder({ origin: CODE + 0x400 }).inc("ebx").nop().iret().build());
            it.gate(vector, CODE + 0x400);
          },
        });
        // IRET sets TF again; the instruction behind it is the first to be followed by a trap.
        expect(places.slice(0, 4)).toEqual(["a", "b", "d", "e"]);
        expect(g.registers[3]).toBe(1);
      }
    },
  );

  it("INTO that is not taken is stepped like any other", () => {
    const { places } = steps(code().xor("eax", "eax").label("a").raw([0xce]).label("b").hlt());
    expect(places.slice(0, 2)).toEqual(["a", "b"]);
  });

  it("a repeated string instruction is stepped element by element", () => {
    const { g, places } = steps(
      code().mov("edi", DATA).label("rep").string("stos", 8, "rep").label("behind").nop().label("end").hlt(),
      { more: (it) => it.cpu.state.setReg(1, 3) },
    );
    expect(places.slice(0, 5)).toEqual(["rep", "rep", "rep", "behind", "end"]);
    expect([g.registers[1], g.registers[7]]).toEqual([0, DATA + 3]);
  });

  it("no trap comes between MOV SS and the instruction behind it", () => {
    const { places } = steps(
      code()
        .mov("eax", Sel.data0)
        .label("a")
        .mov("ss", "ax")
        .label("b")
        .nop()
        .label("c")
        .nop()
        .label("d")
        .hlt(),
    );
    expect(places.slice(0, 3)).toEqual(["a", "c", "d"]);
  });

  it("STI does not hold the trap off", () => {
    const { places } = steps(code().cli().label("a").sti().label("b").nop().label("c").hlt());
    expect(places.slice(0, 3)).toEqual(["a", "b", "c"]);
  });

  it("a port access is followed by one trap, when it has been answered", () => {
    const g = guest();
    g.start(code().in("al", 0x60).nop().build());
    g.cpu.state.eflags = 2 | TF;
    expect(g.cpu.run(10).reason).toBe("io");
    g.cpu.answer(7);
    expect(g.cpu.run(10).reason).toBe("hlt");
    expect([g.haltedIn, g.frame(false).eip, g.registers[0]]).toEqual([1, CODE + 2, 7]);
  });

  it("HLT is left at once by its trap", () => {
    const g = guest();
    g.start(code().nop().hlt().label("behind").build());
    g.cpu.state.eflags = 2 | TF;
    g.gate(1, CODE + 0x400);
    g.load(new GuestBuilder({ origin: CODE + 0x400 }).out(0x80, "al").iret().build());
    expect(g.cpu.run(10)).toMatchObject({ reason: "io" });
    g.cpu.answer(0);
    expect(g.cpu.run(10)).toMatchObject({ reason: "io" });
    expect([g.frame(false).eip, g.cpu.retired]).toEqual([CODE + 2, 4]);
  });

  it("a trap whose delivery leaves for the monitor is not lost", () => {
    const g = guest();
    g.start(code().nop().label("a").nop().hlt().build(), { ring: 3, paged: true });
    g.cpu.state.eflags = 2 | TF;
    g.cpu.controls = 1;
    g.unmap(0x5000);
    for (let n = 0; n < 2; n++) {
      expect(g.cpu.run(10)).toMatchObject({ reason: "pageFault", vectoring: 1 });
      expect([g.cpu.retired, g.cpu.state.eip, g.cpu.state.cpl]).toEqual([1, CODE + 1, 3]);
    }
    g.map(0x5000, 0x5000, W);
    expect(g.cpu.run(10).reason).toBe("hlt");
    expect([g.haltedIn, g.frame(false).eip]).toEqual([1, CODE + 1]);
  });

  it("a performed instruction is stepped", () => {
    const g = guest();
    g.start(code().cpuid().nop().hlt().build());
    g.cpu.state.eflags = 2 | TF;
    g.cpu.controls = 1 << 5;
    expect(g.cpu.run(10).reason).toBe("cpuid");
    g.cpu.perform();
    expect([g.cpu.state.eip, g.cpu.retired]).toEqual([HANDLERS + 16, 1]);
  });

  it("flags that are dead in a block are there in the trap's frame", () => {
    const g = guest();
    g.start(code().mov("eax", 0xffffffff).add("eax", 1).xor("ebx", "ebx").add("ebx", 1).hlt().build());
    g.gate(1, CODE + 0x400);
    g.load(new GuestBuilder({ origin: CODE + 0x400 }).out(0x80, "al").iret().build());
    g.cpu.state.eflags = 2 | TF;
    const flags: number[] = [];
    while (g.cpu.run(100).reason === "io") {
      flags.push(g.frame(false).eflags & 0x8d5);
      g.cpu.answer(0);
      if (flags.length === 4) break;
    }
    expect(flags).toEqual([0, 0x55, 0x44, 0]);
  });
});
