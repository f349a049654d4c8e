import { describe, expect, it } from "vitest";
import { ExitReason } from "../../../src/cpu/exit.ts";
import * as L from "../../../src/cpu/layout.ts";
import { Cr0, Cr4 } from "../../../src/cpu/state.ts";
import { GuestBuilder, mem8, mem32 } from "../../../src/guest/builder/index.ts";
import { CODE, DATA, EngineGuest, HANDLERS, Sel, STACK } from "./support/guest.ts";

/** Debug registers (Intel SDM vol. 3, 17.2 and 17.3): where traps and faults come, and what DR6 says. */

let last: EngineGuest | undefined;
function guest(): EngineGuest {
  last = new EngineGuest({ after: last });
  return last;
}
const code = () => new GuestBuilder({ origin: CODE });
const LOG = DATA + 0x8000;
const HANDLER = CODE + 0xf000;
const TF = 0x100;
const RF = 0x10000;
const execute = 0;
const write = 1;
const port = 2;
const access = 3;

interface Point {
  readonly at: number | string;
  readonly kind: number;
  readonly bytes?: 1 | 2 | 4 | 8;
}

interface Options {
  readonly ring?: 0 | 3;
  readonly budget?: number;
  readonly flags?: number;
  readonly de?: boolean;
  /** The handler sets RF in what it returns to, as a debugger does. */
  readonly resumes?: boolean;
  readonly more?: (g: EngineGuest) => void;
}

/** Runs the program with breakpoints; the #DB handler logs EIP and DR6, clears DR6, and goes on. */
function run(program: GuestBuilder, points: readonly Point[], options: Options = {}) {
  const g = guest();
  const handler = new GuestBuilder({ origin: HANDLER })
    .push("eax")
    .push("ebx")
    .mov("ebx", mem32(LOG))
    .mov("eax", mem32({ base: "esp", displacement: 8 }))
    .mov(mem32({ base: "ebx", displacement: LOG + 4 }), "eax")
    .mov("eax", "dr6")
    .mov(mem32({ base: "ebx", displacement: LOG + 8 }), "eax")
    .mov("eax", 0)
    .mov("dr6", "eax")
    .add("ebx", 8)
    .mov(mem32(LOG), "ebx");
  if (options.resumes !== false) handler.or(mem32({ base: "esp", displacement: 16 }), RF);
  g.load(handler.pop("ebx").pop("eax").iret().build());
  g.gate(1, HANDLER);
  const built = program.build();
  const { ring = 0, budget = 10_000 } = options;
  g.start(built, { ring, paged: ring === 3 });
  const { state } = g.cpu;
  let control = 0x400;
  points.forEach(({ at, kind, bytes = 1 }, n) => {
    state.set(L.DR0 + 4 * n, typeof at === "string" ? (built.symbols.get(at) as number) : at);
    const length = bytes === 8 ? 2 : bytes - 1;
    control |= (2 << (2 * n)) | ((kind | (length << 2)) << (16 + 4 * n));
  });
  state.set(L.DR7, control);
  if (options.de) state.set(L.CR4, state.cr4 | Cr4.DE);
  state.eflags = 0x202 | (options.flags ?? 0);
  options.more?.(g);
  g.cpu.core.breakpointsChanged();
  let reason = g.runToExit(budget, 10_000).reason;
  while (reason === ExitReason.io) {
    g.cpu.answer(0x5a);
    reason = g.runToExit(budget, 10_000).reason;
  }
  const count = g.read32(LOG) / 8;
  const traps = Array.from({ length: count }, (_, n) => {
    const eip = g.read32(LOG + 4 + 8 * n);
    const name = [...built.symbols].find(([, at]) => at === eip)?.[0] ?? eip.toString(16);
    return `${name} ${(g.read32(LOG + 8 + 8 * n) & 0xf00f).toString(16)}`;
  });
  return { g, traps };
}

describe("a breakpoint on an instruction", () => {
  it.each([1, 3, 10_000])("is a fault before it, once if RF is set, in bursts of %i", (budget) => {
    const { g, traps } = run(
      code().nop().label("a").inc("eax").label("b").inc("eax").hlt(),
      [
        { at: "a", kind: execute },
        { at: "b", kind: execute },
      ],
      { budget },
    );
    expect(traps).toEqual(["a 1", "b 2"]);
    expect(g.registers[0]).toBe(2);
    expect(g.cpu.state.eflags & RF).toBe(0);
  });

  it("is met in a loop every time round, and when it is jumped to from another page", () => {
    const { traps } = run(
      code()
        .mov("ecx", 3)
        .label("top")
        .inc("eax")
        .loop("top")
        .jmp("far")
        .raw(new Array(5000).fill(0x90))
        .label("far")
        .nop()
        .hlt(),
      [
        { at: "top", kind: execute },
        { at: "far", kind: execute },
      ],
    );
    expect(traps).toEqual(["top 1", "top 1", "top 1", "far 2"]);
  });

  it("is found behind the end of a block that was linked before it was set", () => {
    const program = code()
      .label("again")
      .mov("ecx", 40)
      .label("top")
      .inc("eax")
      .label("in")
      .inc("ebx")
      .loop("top")
      .cmp("edx", 1)
      .jcc("e", "end")
      .mov("edx", 1)
      .mov("eax", 2)
      .mov("esi", mem32(DATA))
      .mov("dr0", "esi")
      .mov("dr7", "eax")
      .jmp("again")
      .label("end")
      .hlt();
    const at = program.build().symbols.get("in") as number;
    const { traps } = run(program, [], { more: (g) => g.write32(DATA, at) });
    expect(traps).toEqual(new Array(40).fill("in 1"));
  });

  it("keeps coming while RF is not set", () => {
    const { g, traps } = run(code().nop().label("a").inc("eax").hlt(), [{ at: "a", kind: execute }], {
      resumes: false,
      more: (it) => {
        // The handler gives up the third time.
        it.load(
          new GuestBuilder({ origin: HANDLER })
            .inc(mem32(DATA))
            .cmp(mem32(DATA), 3)
            .jcc("e", "enough")
            .iret()
            .label("enough")
            .hlt()
            .build(),
        );
      },
    });
    expect(traps).toEqual([]);
    expect(g.read32(DATA)).toBe(3);
    // Not set by the breakpoint itself.
    expect(g.read32(STACK - 4) & RF).toBe(0);
  });

  it("is not met by an instruction that only contains its address, or in data", () => {
    const { traps } = run(code().label("a").mov("eax", mem32(CODE)).mov("ecx", 1).hlt(), [
      { at: CODE + 1, kind: execute },
    ]);
    expect(traps).toEqual([]);
  });

  it("comes before the faults of its instruction", () => {
    const { g, traps } = run(
      code()
        .nop()
        .label("a")
        .mov("eax", mem32(DATA + 0x2000))
        .hlt(),
      [{ at: "a", kind: execute }],
      { ring: 3, more: (it) => it.unmap(DATA + 0x2000) },
    );
    expect(traps).toEqual(["a 1"]);
    expect(g.haltedIn).toBe(14);
    expect(g.frame(true).eflags & RF).toBe(RF);
  });

  it("is held off right after MOV SS, which also delays a trap on data", () => {
    const program = () =>
      code()
        .mov("ax", Sel.data0)
        .mov(mem32(DATA), "eax")
        .label("ss")
        .raw([0x8e, 0x15, ...[0, 1, 2, 3].map((n) => (DATA >>> (8 * n)) & 0xff)])
        .label("a")
        .nop()
        .label("b")
        .nop()
        .hlt();
    expect(run(program(), [{ at: "a", kind: execute }]).traps).toEqual([]);
    expect(run(program(), [{ at: DATA + 1, kind: access }]).traps).toEqual(["ss 1", "b 1"]);
  });

  it("delayed by MOV SS, comes at the handler of the fault of the instruction behind it", () => {
    const { g, traps } = run(
      code()
        .mov("ax", Sel.data0)
        .mov(mem32(DATA), "eax")
        .raw([0x8e, 0x15, ...[0, 1, 2, 3].map((n) => (DATA >>> (8 * n)) & 0xff)])
        .raw([0x0f, 0x0b])
        .hlt(),
      [{ at: DATA, kind: access }],
    );
    expect(traps.map((text) => text.split(" ")[1])).toEqual(["1", "1"]);
    expect(traps[1]).toBe(`${(HANDLERS + 6 * 16).toString(16)} 1`);
    expect(g.haltedIn).toBe(6);
  });

  it("on the stack of the trap itself traps again, before the handler begins", () => {
    const { g } = run(
      code().mov(mem32(DATA), "eax").hlt(),
      [
        { at: DATA, kind: access },
        { at: STACK - 12, kind: access, bytes: 4 },
      ],
      { more: (it) => it.load(new GuestBuilder({ origin: HANDLER }).hlt().build()) },
    );
    // Two frames, one below the other: of the store, and of the frame itself.
    expect([g.registers[4], g.read32(STACK - 24)]).toEqual([STACK - 24, HANDLER]);
  });

  it("after the single step to it is a second exception", () => {
    const { traps } = run(code().nop().label("a").nop().label("b").hlt(), [{ at: "a", kind: execute }], {
      flags: TF,
      more: (g) => g.gate(1, HANDLER),
    });
    expect(traps.slice(0, 2)).toEqual(["a 4000", "b 4000"]);
  });

  it("after the single step to it is a second exception where the handler leaves RF alone", () => {
    const { g } = run(code().nop().label("a").nop().hlt(), [{ at: "a", kind: execute }], {
      flags: TF,
      resumes: false,
      more: (it) => {
        it.load(
          new GuestBuilder({ origin: HANDLER })
            .mov("eax", "dr6")
            .cmp("eax", 0)
            .inc("ecx")
            .cmp("ecx", 2)
            .jcc("e", "end")
            .iret()
            .label("end")
            .hlt()
            .build(),
        );
      },
    });
    expect(g.registers[0]).toBe(0xffff4ff1);
  });
});

describe("a breakpoint on data", () => {
  it.each([
    { name: "a store to its byte", point: { at: DATA, kind: write }, traps: ["b 1"] },
    { name: "no load, if it waits for writes", point: { at: DATA + 4, kind: write }, traps: [] },
    { name: "a load", point: { at: DATA + 4, kind: access }, traps: ["c 1"] },
    { name: "the last byte of a load", point: { at: DATA + 7, kind: access }, traps: ["c 1"] },
    { name: "what its length covers", point: { at: DATA + 6, kind: access, bytes: 4 }, traps: ["c 1"] },
    { name: "not the byte behind", point: { at: DATA + 8, kind: access }, traps: [] },
    { name: "one of two bytes", point: { at: DATA + 0x12, kind: access, bytes: 2 }, traps: ["d 1"] },
    { name: "a read-modify-write", point: { at: DATA + 0x20, kind: write, bytes: 4 }, traps: ["e 1"] },
    { name: "a push", point: { at: STACK - 4, kind: write, bytes: 4 }, traps: ["f 1"] },
    { name: "eight bytes", point: { at: DATA, kind: access, bytes: 8 }, traps: ["b 1", "c 1"] },
  ] as const)("traps after $name", ({ point, traps }) => {
    for (const budget of [1, 10_000]) {
      const result = run(
        code()
          .mov("eax", 0x11223344)
          .mov(mem32(DATA), "eax")
          .label("b")
          .mov("ebx", mem32(DATA + 4))
          .label("c")
          .mov(mem8(DATA + 0x13), "al")
          .label("d")
          .inc(mem32(DATA + 0x20))
          .label("e")
          .push("eax")
          .label("f")
          .hlt(),
        [point],
        { budget },
      );
      expect(result.traps).toEqual(traps);
      expect([result.g.read32(DATA), result.g.read32(DATA + 0x20)]).toEqual([0x11223344, 1]);
    }
  });

  it("and several at once are told together, with the single step", () => {
    const { traps } = run(
      code().mov(mem32(DATA), "eax").label("b").hlt(),
      [
        { at: DATA, kind: write, bytes: 4 },
        { at: DATA + 2, kind: access },
        { at: DATA + 4, kind: write },
      ],
      { flags: TF },
    );
    expect(traps[0]).toBe("b 4003");
  });

  it("stops a repeated move right after the iteration that met it", () => {
    const { g, traps } = run(
      code()
        .mov("esi", DATA)
        .mov("edi", DATA + 0x100)
        .mov("ecx", 100)
        .label("move")
        .string("movs", 8, "rep")
        .label("end")
        .hlt(),
      [
        { at: DATA + 0x110, kind: write },
        { at: DATA + 0x163, kind: write },
      ],
      { more: (it) => it.write(DATA, new Array(100).fill(7)) },
    );
    expect(traps).toEqual(["move 1", "end 2"]);
    expect([g.read8(DATA + 0x100), g.read8(DATA + 0x163), g.registers[1]]).toEqual([7, 7, 0]);
  });

  it("is forgotten when its instruction faults", () => {
    const { g, traps } = run(
      code()
        .mov("esi", DATA)
        .mov("edi", DATA + 0x2000)
        .string("movs", 32)
        .hlt(),
      [{ at: DATA, kind: access }],
      { ring: 3, more: (it) => it.unmap(DATA + 0x2000) },
    );
    expect(traps).toEqual([]);
    expect(g.haltedIn).toBe(14);
  });

  it("traps after the delivery of an event that meets it", () => {
    const { traps } = run(code().int(0x40).hlt(), [{ at: STACK - 4, kind: write, bytes: 4 }], {
      more: (g) => g.load(new GuestBuilder({ origin: 0x4000 + 0x40 * 16 }).label("h").hlt().build()),
    });
    expect(traps).toEqual(["4400 1"]);
  });
});

describe("a breakpoint on ports", () => {
  it.each([
    { name: "after IN and OUT", de: true, traps: ["a 1", "b 1"] },
    { name: "not without CR4.DE", de: false, traps: [] },
  ])("traps $name", ({ de, traps }) => {
    const result = run(
      code().in("al", 0x80).label("a").out(0x81, "al").label("b").in("al", 0x84).hlt(),
      [{ at: 0x80, kind: port, bytes: 4 }],
      { de },
    );
    expect(result.traps).toEqual(traps);
  });
});

describe("debug registers", () => {
  it("guarded by GD fault before the access, and the guard is down in the handler", () => {
    const { traps } = run(code().label("a").mov("eax", "dr0").hlt(), [], {
      more: (g) => g.cpu.state.set(L.DR7, 0x2400),
    });
    expect(traps).toEqual(["a 2000"]);
  });

  it("arm and disarm breakpoints from one instruction to the next", () => {
    const { traps } = run(
      code()
        .mov("eax", DATA)
        .mov("dr1", "eax")
        .mov("eax", (0xd << 20) | 8)
        .mov(mem32(DATA), "eax")
        .mov("dr7", "eax")
        .mov(mem32(DATA), "eax")
        .label("b")
        .mov("eax", 0)
        .mov("dr7", "eax")
        .mov(mem32(DATA), "eax")
        .hlt(),
      [],
    );
    expect(traps).toEqual(["b 2"]);
  });
});

describe("alignment", () => {
  const AC = 0x40000;
  const misaligned = (options: { ring: 0 | 3; am: boolean; ac: boolean }) => {
    const { g } = run(
      code()
        .mov("eax", mem32(DATA + 4))
        .mov("al", mem8(DATA + 1))
        .mov("eax", mem32(DATA + 2))
        .label("behind")
        .raw([0x0f, 0x0b]),
      [],
      {
        ring: options.ring,
        flags: options.ac ? AC : 0,
        more: (it) => {
          const { state } = it.cpu;
          if (options.am) state.set(L.CR0, state.cr0 | Cr0.AM);
          state.updateMode();
        },
      },
    );
    return g;
  };

  it("is checked at CPL 3 where CR0.AM and EFLAGS.AC are set", () => {
    const g = misaligned({ ring: 3, am: true, ac: true });
    expect([g.haltedIn, g.frame(true).errorCode, g.frame(true).eip]).toEqual([17, 0, CODE + 12]);
  });

  it.each([
    { ring: 0, am: true, ac: true },
    { ring: 3, am: false, ac: true },
    { ring: 3, am: true, ac: false },
  ] as const)("is not with ring $ring, AM $am, AC $ac", (options) => {
    expect(misaligned(options).haltedIn).toBe(6);
  });

  it("is checked from the instruction on that POPF has set AC before, for stores, pushes and strings as well", () => {
    const from = (build: (g: GuestBuilder) => GuestBuilder) => {
      const { g } = run(build(code().push(0x40202).raw([0x9d])).raw([0x0f, 0x0b]), [], {
        ring: 3,
        more: (it) => it.cpu.state.set(L.CR0, it.cpu.state.cr0 | Cr0.AM),
      });
      return g.haltedIn;
    };
    expect(from((g) => g.mov(mem32(DATA + 1), "eax"))).toBe(17);
    expect(from((g) => g.inc("esp").push("eax"))).toBe(17);
    expect(
      from((g) =>
        g
          .mov("edi", DATA + 2)
          .mov("ecx", 4)
          .string("stos", 32, "rep"),
      ),
    ).toBe(17);
    expect(
      from((g) =>
        g
          .mov("edi", DATA + 4)
          .mov("ecx", 4)
          .string("stos", 32, "rep"),
      ),
    ).toBe(6);
    expect(
      from((g) =>
        g
          .push(0x202)
          .raw([0x9d])
          .mov(mem32(DATA + 1), "eax"),
      ),
    ).toBe(6);
  });
});
