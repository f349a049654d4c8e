import { describe, expect, it } from "vitest";
import * as L from "../../../src/cpu/layout.ts";
import { GuestBuilder } from "../../../src/guest/builder/index.ts";
import { CODE, DATA, EngineGuest, STACK, U, W } from "./support/guest.ts";

let last: EngineGuest | undefined;
function guest(): EngineGuest {
  last = new EngineGuest({ after: last });
  return last;
}
const code = () => new GuestBuilder({ origin: CODE });
const DF = 0x400;

interface Case {
  readonly name: string;
  readonly size: 1 | 2 | 4;
  readonly down: boolean;
  /** Elements before the absent page. */
  readonly before: number;
}

const CASES: readonly Case[] = ([1, 2, 4] as const).flatMap((size) =>
  [false, true].flatMap((down) =>
    [0, 1, 5, 700].map((before) => ({
      name: `${size} bytes, ${down ? "down" : "up"}, after ${before} elements`,
      size,
      down,
      before,
    })),
  ),
);

describe("a repeated string instruction that meets an absent page", () => {
  it.each(CASES)(
    "REP MOVS: registers stand at the element that faulted, and it goes on from there ($name)",
    ({ size, down, before }) => {
      const g = guest();
      g.start(
        code()
          .string("movs", size === 1 ? 8 : size === 2 ? 16 : 32, "rep")
          .hlt()
          .build(),
        { paged: true },
      );
      const step = down ? -size : size;
      // The target walks into the absent page at DATA + 0x4000 from below, or at DATA + 0x3000 from above.
      const edge = down ? DATA + 0x4000 - size : DATA + 0x4000;
      const absent = down ? DATA + 0x3000 : DATA + 0x4000;
      const to = edge - step * before;
      const from = (down ? DATA + 0x9000 : DATA + 0x8000) - (down ? 0 : 0);
      const { state } = g.cpu;
      for (let k = 0; k < 0x2000; k++) g.write(DATA + 0x8000 - 0x1000 + k, [k * 7]);
      g.unmap(absent);
      state.setReg(1, before + 3);
      state.setReg(6, from);
      state.setReg(7, to);
      state.eflags = 2 | (down ? DF : 0);
      g.runToExit();
      expect(g.haltedIn).toBe(14);
      expect([g.registers[1], g.registers[6], g.registers[7]]).toEqual([3, from + step * before, edge]);
      expect(g.frame(true)).toMatchObject({ eip: CODE, errorCode: 2 });
      expect(g.cpu.state.get(L.CR2)).toBe(edge);
      expect(g.cpu.retired).toBe(1);

      g.map(absent, absent, W);
      state.eip = CODE;
      state.setReg(4, STACK);
      state.eflags = 2 | (down ? DF : 0);
      expect(g.runToExit().reason).toBe("hlt");
      expect([g.registers[1], g.registers[7], g.cpu.retired]).toEqual([0, edge + 3 * step, 3]);
      for (let k = 0; k < (before + 3) * size; k++) {
        const offset = down ? size - 1 - k : k;
        expect(g.read8(to + offset)).toBe(g.read8(from + offset));
      }
    },
  );

  it("SCAS and CMPS keep the flags of the last element compared", () => {
    const g = guest();
    g.start(code().string("scas", 8, "repne").hlt().build(), { paged: true });
    const { state } = g.cpu;
    g.write(DATA + 0xffe, [9, 5]);
    g.unmap(DATA + 0x1000);
    state.setReg(0, 7);
    state.setReg(1, 10);
    state.setReg(7, DATA + 0xffe);
    g.runToExit();
    expect([g.haltedIn, g.registers[1], g.registers[7]]).toEqual([14, 8, DATA + 0x1000]);
    // 7 - 5: no borrow; ZF clear.
    expect(g.frame(true).eflags & 0x8d5).toBe(0);
  });

  it("STOS whose element lies half in an absent page stores no half", () => {
    const g = guest();
    g.start(code().string("stos", 32, "rep").hlt().build(), { paged: true });
    g.unmap(DATA + 0x1000);
    g.cpu.state.setReg(0, 0x55555555);
    g.cpu.state.setReg(1, 5);
    g.cpu.state.setReg(7, DATA + 0xffa);
    g.runToExit();
    expect([g.haltedIn, g.registers[1], g.registers[7], g.cpu.state.get(L.CR2)]).toEqual([
      14,
      4,
      DATA + 0xffe,
      DATA + 0x1000,
    ]);
    expect([g.read32(DATA + 0xffa), g.read8(DATA + 0xffe), g.read8(DATA + 0xfff)]).toEqual([
      0x55555555, 0, 0,
    ]);
  });
});

describe("a repeated string instruction", () => {
  it("counts as one, however long, whatever the bursts", () => {
    for (const budget of [1, 2, 1000]) {
      const g = guest();
      g.start(code().mov("edi", DATA).mov("ecx", 0xc000).string("stos", 8, "rep").nop().hlt().build());
      g.cpu.state.setReg(0, 0xee);
      expect(g.runToExit(budget).reason).toBe("hlt");
      expect([g.cpu.retired, g.registers[1], g.registers[7], g.read8(DATA + 0xbfff)]).toEqual([
        5,
        0,
        DATA + 0xc000,
        0xee,
      ]);
    }
  });

  it("with a count of zero touches nothing and keeps the flags", () => {
    const g = guest();
    g.start(
      code()
        .mov("edi", 0x90000000 | 0)
        .xor("ecx", "ecx")
        .string("cmps", 8, "repe")
        .string("stos", 8, "rep")
        .hlt()
        .build(),
      {
        paged: true,
      },
    );
    expect(g.runToExit().reason).toBe("hlt");
    expect([g.haltedIn, g.cpu.state.eflags & 0x40, g.cpu.retired]).toEqual([-1, 0x40, 5]);
  });

  it("overlapping upwards spreads its first element", () => {
    const g = guest();
    g.start(
      code()
        .mov("esi", DATA)
        .mov("edi", DATA + 1)
        .mov("ecx", 200)
        .string("movs", 8, "rep")
        .hlt()
        .build(),
      { paged: true },
    );
    g.write(DATA, [0x42]);
    g.runToExit();
    expect([g.read8(DATA + 100), g.read8(DATA + 200), g.read8(DATA + 201)]).toEqual([0x42, 0x42, 0]);
  });

  it("through two linear addresses of the same page sees its own stores", () => {
    const g = guest();
    g.start(
      code().mov("esi", DATA).mov("edi", 0x400001).mov("ecx", 100).string("movs", 8, "rep").hlt().build(),
      { paged: true },
    );
    g.map(0x400000, DATA, U | W);
    g.write(DATA, [0x99]);
    g.runToExit();
    expect([g.read8(DATA + 1), g.read8(DATA + 100), g.read8(DATA + 101)]).toEqual([0x99, 0x99, 0]);
  });

  it("with 16-bit addresses wraps SI and DI, and leaves the upper halves alone", () => {
    const g = guest();
    g.start(
      code().mov("edi", 0x1230ffff).mov("ecx", 0x77770002).raw([0x67]).string("stos", 8, "rep").hlt().build(),
      { paged: true },
    );
    g.map(0xf000, 0xf000, W);
    g.map(0, DATA, W);
    g.cpu.state.setReg(0, 0x5a);
    expect(g.runToExit().reason).toBe("hlt");
    expect([g.haltedIn, g.registers[1], g.registers[7]]).toEqual([-1, 0x77770000, 0x12300001]);
    expect([g.read8(0xffff), g.read8(DATA)]).toEqual([0x5a, 0x5a]);
  });
});
