import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { ExitControl, ExitReason } from "../../../src/cpu/exit.ts";
import * as L from "../../../src/cpu/layout.ts";
import { Cr4, Flag } from "../../../src/cpu/state.ts";
import { GuestBuilder } from "../../../src/guest/builder/index.ts";
import { CODE, DATA, EngineGuest, HANDLERS, U, W } from "./support/guest.ts";

/** REP INS and OUTS, many elements an exit, are compared with one element an exit: accesses, registers on the way, memory, faults, counts. */

let last: EngineGuest | undefined;
const PORT = 0x1f0;
const PAGE = 4096;

interface Case {
  readonly operation: "ins" | "outs";
  readonly width?: 8 | 16 | 32;
  /** Elements. */
  readonly count: number;
  /** Where the index register points at first. Default: DATA. */
  readonly at?: number;
  readonly ring?: 0 | 3;
  readonly paged?: boolean;
  readonly flags?: number;
  readonly set?: (g: EngineGuest) => void;
  /** Between two exits. */
  readonly between?: (g: EngineGuest, accesses: number) => void;
}

/** How many of the accesses that have left together are answered. */
type Policy = (count: number) => number;

function program({ operation, width = 16, count, at = DATA }: Case) {
  return new GuestBuilder({ origin: CODE })
    .mov("esi", at)
    .mov("edi", at)
    .mov("ecx", count)
    .mov("edx", PORT)
    .string(operation, width, "rep")
    .mov("ebx", 1)
    .hlt()
    .build();
}

function play(subject: Case, policy: Policy, single = false) {
  const g = new EngineGuest({ after: last });
  last = g;
  for (let page = DATA; page < DATA + 4 * PAGE; page += PAGE)
    g.write(
      page,
      Array.from({ length: PAGE }, (_, n) => (page + 31 * n) & 0xff),
    );
  const { ring = 0, paged = false, flags = 0 } = subject;
  g.start(program(subject), { ring, paged });
  g.cpu.state.eflags = 2 | flags;
  g.cpu.controls = single ? ExitControl.singleIo : 0;
  g.cpu.windowRequested = false;
  subject.set?.(g);
  const accesses: string[] = [];
  /** Registers, EIP and count of instructions, by how many accesses there have been. */
  const seen = new Map<number, string>();
  let exits = 0;
  for (;;) {
    const exit = g.cpu.run(100_000);
    const { count, write, port, size, value, more } = exit;
    const state = [...g.registers, g.cpu.state.eip, g.cpu.state.eflags, g.cpu.retired, exit.reason].join();
    seen.set(accesses.length, state);
    if (exit.reason === ExitReason.budget) continue;
    if (exit.reason !== ExitReason.io) break;
    if (++exits > 100_000) throw new Error("no end");
    expect(exit.gva).not.toBe(0);
    const answered = policy(count);
    const inputs: number[] = [];
    for (let n = 0; n < answered; n++) {
      const input = (accesses.length * 0x01030507) >>> 0;
      inputs.push(size === 4 ? input : input & (2 ** (8 * size) - 1));
      const output = n === 0 ? value : more[n - 1];
      accesses.push(write ? `out${size} ${port}=${output}` : `in${size} ${port}=${inputs[n]}`);
    }
    if (answered === 1) g.cpu.answer(inputs[0] as number);
    else g.cpu.answerRun(answered, write ? [] : inputs);
    subject.between?.(g, accesses.length);
  }
  const memory = createHash("sha256").update(g.machine.u8).digest("hex");
  const dr6 = g.cpu.state.get(L.DR6);
  return { accesses, memory, exits, seen, end: [g.haltedIn, dr6, g.cpu.state.get(L.CR2)] };
}

const one: Policy = () => 1;
const all: Policy = (count) => count;
const some: Policy = (count) => Math.ceil(count / 3);

/** Runs it both ways. Every state that was seen with many at once was there when they were one by one. */
function compare(subject: Case) {
  const reference = play(subject, one, true);
  const exits = [one, some, all].map((policy) => {
    const { accesses, memory, end, seen, exits } = play(subject, policy);
    expect(accesses).toEqual(reference.accesses);
    expect(end).toEqual(reference.end);
    for (const [n, state] of seen) expect(state).toBe(reference.seen.get(n));
    expect(memory).toBe(reference.memory);
    return exits;
  });
  return { one: reference.exits, all: exits[2] as number, end: reference.end };
}

const down = Flag.DF;
const directions = [
  { operation: "ins", flags: 0 },
  { operation: "ins", flags: down },
  { operation: "outs", flags: 0 },
  { operation: "outs", flags: down },
] as const;

describe.each(directions)("REP $operation with flags $flags", (direction) => {
  it.each([8, 16, 32] as const)("of %i bits leaves once for what lies in a page", (width) => {
    const at = direction.flags === down ? DATA + PAGE - width / 8 : DATA;
    expect(compare({ ...direction, width, count: 300, at })).toMatchObject({ one: 300, all: 1 });
  });

  it("leaves once more for an element that crosses pages, and for the page behind it", () => {
    const at = direction.flags === down ? DATA + PAGE + 199 : DATA + PAGE - 201;
    expect(compare({ ...direction, count: 200, at })).toMatchObject({ one: 200, all: 3 });
  });

  it("stops at a page that is not there with the registers of the element that faults", () => {
    const [at, missing] =
      direction.flags === down ? [DATA + PAGE + 38, DATA] : [DATA + PAGE - 40, DATA + PAGE];
    const { all, end } = compare({ ...direction, count: 100, at, paged: true, set: (g) => g.unmap(missing) });
    expect([all, end[0]]).toEqual([1, 14]);
  });

  it("stops at the limit of the segment", () => {
    const at = direction.flags === down ? DATA + 38 : DATA - 40;
    const segment = direction.operation === "ins" ? 0 : 3;
    const { all, end } = compare({
      ...direction,
      count: 100,
      at,
      set: ({ cpu: { state } }) => {
        // Below it or above it is nothing.
        const attributes = direction.flags === down ? 0xc097 : 0x4093;
        const limit = direction.flags === down ? (DATA - 1) >>> 12 : DATA - 1;
        state.setSegment(
          segment,
          0x10,
          0,
          direction.flags === down ? limit * PAGE + 0xfff : limit,
          attributes,
        );
      },
    });
    expect([all, end[0]]).toEqual([1, 13]);
  });

  it("traps after each element with TF set", () => {
    const set = (g: EngineGuest) => {
      // The handler returns at once, and the next element traps again.
      g.write(HANDLERS + 16, [0xcf]);
    };
    const flags = direction.flags | Flag.TF;
    const stepped = compare({ ...direction, at: DATA + 200, count: 20, flags, set });
    expect(stepped).toMatchObject({ one: 20, all: 20 });
    expect((stepped.end[1] as number) & 0x4000).toBe(0x4000);
  });

  it("meets breakpoints on the port and on data", () => {
    const point =
      (address: number, kind: number) =>
      ({ cpu: { state, core } }: EngineGuest) => {
        state.set(L.CR4, state.cr4 | Cr4.DE);
        state.set(L.DR0, address);
        state.set(L.DR7, 0x402 | (kind << 16) | (1 << 18));
        core.breakpointsChanged();
      };
    const at = DATA + 200;
    const beyond = direction.flags === down ? at - 40 : at + 40;
    expect(compare({ ...direction, at, count: 100, set: point(PORT, 2) }).end[0]).toBe(1);
    expect(compare({ ...direction, at, count: 100, set: point(beyond, 3) }).end[0]).toBe(1);
  });

  it("lets an interrupt in after the element that it comes with", () => {
    const set = (g: EngineGuest) => {
      g.cpu.windowRequested = true;
    };
    // Interrupts off: nothing comes between, and all of it is one exit.
    expect(compare({ ...direction, at: DATA + 400, count: 100, set })).toMatchObject({ one: 100, all: 1 });
    const opened = compare({
      ...direction,
      at: DATA + 400,
      count: 100,
      flags: direction.flags | Flag.IF,
      between: (g) => {
        if (!g.cpu.interruptible) return;
        g.cpu.windowRequested = false;
      },
    });
    expect(opened).toMatchObject({ one: 100, all: 1 });
  });

  it("is done element by element where the task's bit map has a say", () => {
    const set = (g: EngineGuest) => g.write(0x3000 + 0x66, [0x68, 0]);
    const denied = compare({ ...direction, count: 100, ring: 3, paged: true, set });
    expect([denied.all, denied.end[0]]).toEqual([0, 13]);
    const free = { ...direction, at: DATA + 400, flags: direction.flags | 0x3000 };
    expect(compare({ ...free, count: 100, ring: 3, paged: true })).toMatchObject({ one: 100, all: 1 });
    const allowed = compare({
      ...direction,
      count: 100,
      at: DATA + 400,
      ring: 3,
      paged: true,
      set: (g) => {
        g.cpu.state.setSegment(7, 0x30, 0x3000, 0xfff, 0x8b);
        set(g);
      },
    });
    expect(allowed).toMatchObject({ one: 100, all: 100 });
  });

  it("wraps a 16-bit index", () => {
    const origin = 0x7c00;
    const run = (policy: Policy) => {
      const g = new EngineGuest({ after: last, memory: [[0x10000, 16]] });
      last = g;
      const opcode = direction.operation === "ins" ? 0x6d : 0x6f;
      g.write(origin, [0xf3, opcode, 0xf4]);
      const { state } = g.cpu;
      g.cpu.controls = 0;
      for (const n of [0, 3]) state.setSegment(n, 0x1000, 0x10000, 0xffff, 0x93);
      state.setSegment(1, 0, 0, 0xffff, 0x9b);
      state.eip = origin;
      state.eflags = 2 | direction.flags;
      const start = direction.flags === down ? 0x10 : 0xfff0;
      state.setReg(6, 0xabcd0000 | start);
      state.setReg(7, 0xabcd0000 | start);
      state.setReg(1, 0x12340014);
      state.setReg(2, PORT);
      g.cpu.settle();
      let accesses = 0;
      for (;;) {
        const { reason, count, write } = g.cpu.run(1000);
        if (reason !== ExitReason.io) break;
        const answered = policy(count);
        const inputs = Array.from({ length: answered }, (_, n) => 0x100 * (accesses + n) + 1);
        accesses += answered;
        g.cpu.answerRun(answered, write ? [] : inputs);
      }
      return {
        accesses,
        registers: g.registers,
        data: Array.from({ length: 64 }, (_, n) => g.read8(0x10000 + ((0xffe0 + n) & 0xffff))),
      };
    };
    expect(run(one).accesses).toBe(20);
    expect(run(all)).toEqual(run(one));
  });
});

it("a page that holds code is written element by element", () => {
  const over = compare({ operation: "ins", width: 8, count: 64, at: CODE + 0x400 });
  expect(over).toMatchObject({ one: 64, all: 64 });
});

it("more than have left cannot be answered", () => {
  const subject: Case = { operation: "ins", count: 8 };
  expect(() => play(subject, (count) => count + 1)).toThrow(
    "9 accesses to a port are answered, of 8 that have left",
  );
});

it("a page that is only to be read is not written past its end", () => {
  const { end } = compare({
    operation: "ins",
    count: 100,
    ring: 3,
    paged: true,
    flags: 0x3000,
    at: DATA + PAGE - 20,
    set: (g) => {
      g.map(DATA, DATA, U | W);
      g.map(DATA + PAGE, DATA + PAGE, U);
    },
  });
  expect(end).toEqual([14, expect.any(Number), DATA + PAGE]);
});
