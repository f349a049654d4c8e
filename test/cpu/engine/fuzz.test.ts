import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { ExitReason } from "../../../src/cpu/exit.ts";
import * as L from "../../../src/cpu/layout.ts";
import { Random } from "../instructions/support/random.ts";
import { EngineGuest, GDT, HANDLERS, IDT, PAGE_DIRECTORY, Sel, STACK0, TSS, U, W } from "./support/guest.ts";

/**
 * Random bytes as code. Whatever they do, the engine comes back with an exit of a known kind, throws nothing, and touches only frames of
 * the guest. A longer run: UMBRA_FUZZ_SECONDS=600 npx vitest run test/cpu/engine/fuzz.test.ts (UMBRA_FUZZ_SEED to begin elsewhere).
 */

const SECONDS = Number(process.env["UMBRA_FUZZ_SECONDS"] ?? 0);
const FIRST_SEED = Number(process.env["UMBRA_FUZZ_SEED"] ?? 1);
const PROGRAMS = 30;
/** Exits that one program is followed for, and instructions in each burst. */
const EXITS = 60;
const BURST = 400;

const PAGE_TABLE = 0x7000;
const FIRST = 0x10000;
const PAGES = 48;
const REASONS = new Set<string>(Object.values(ExitReason));

interface Place {
  readonly name: string;
  readonly ring: 0 | 3;
  readonly bits: 16 | 32;
  readonly paged: boolean;
  readonly real?: boolean;
}

const PLACES: readonly Place[] = [
  ...([0, 3] as const).flatMap((ring) =>
    ([16, 32] as const).flatMap((bits) =>
      [false, true].map((paged) => ({
        name: `ring ${ring}, ${bits} bits, ${paged ? "paged" : "unpaged"}`,
        ring,
        bits,
        paged,
      })),
    ),
  ),
  { name: "real mode", ring: 0, bits: 16, paged: false, real: true },
];

/** Opcodes that random bytes seldom get right, and that reach the rarer parts of the engine. */
const SEEDS: readonly (readonly number[])[] = [
  [0x0f, 0x01],
  [0x0f, 0x00],
  [0x0f, 0x20],
  [0x0f, 0x22],
  [0x0f, 0x30],
  [0x0f, 0xa2],
  [0x0f, 0xb2],
  [0x8e],
  [0xcf],
  [0xea],
  [0x9a],
  [0xcb],
  [0xcd],
  [0xf3, 0xa4],
  [0xf3, 0x6c],
  [0xf2, 0xae],
  [0xfb],
  [0x9d],
  [0xc8],
  [0xff],
  [0xd9],
  [0xdd],
  [0x66],
  [0x67],
  [0x64],
  [0xf0],
];

const guest = new EngineGuest({ frames: 256, memory: [[FIRST, PAGES]] });
const lowest = guest.lowestFrame;

function monitorFrames(): string {
  return createHash("sha256")
    .update(guest.machine.u8.subarray(0, lowest * 4096))
    .digest("hex");
}

function fill(random: Random): void {
  const bytes = new Uint8Array(PAGES * 4096);
  for (let at = 0; at < bytes.length; at += 4) {
    const word = random.word();
    bytes.set([word, word >>> 8, word >>> 16, word >>> 24], at);
  }
  for (let n = 0; n < 3000; n++) bytes.set(random.pick(SEEDS), random.below(bytes.length - 2));
  guest.write(FIRST, bytes);
}

/** Whatever a former program did to the tables, they are as they were; some entries of them are random, though. */
function tables(random: Random, place: Place): void {
  const fresh: number[] = [];
  for (let k = 0; k < 64; k++) fresh.push(random.below(16) === 0 ? random.word() : 0);
  guest.write32(GDT, ...fresh);
  const flags = { 0: 0xc09b, 3: 0xc0fb };
  const words = (base: number, attributes: number): number[] => [
    ((base & 0xffff) << 16) | 0xffff,
    (base & 0xff000000) |
      ((attributes & 0xf000) << 8) |
      0xf0000 |
      ((attributes & 0xff) << 8) |
      ((base >>> 16) & 0xff),
  ];
  guest.write32(GDT, 0, 0, ...words(0, flags[0]), ...words(0, 0xc093));
  guest.write32(
    GDT + 0x20,
    ...words(0, flags[3]),
    ...words(0, 0xc0f3),
    0x30000067 | 0,
    0x8b00,
    ...words(FIRST, 0x009b),
    ...words(FIRST, 0x0093),
  );
  guest.write32(TSS, 0, STACK0, Sel.data0);
  for (let vector = 0; vector < 256; vector++) {
    // Handlers: mostly into random code, so that the program goes on somewhere.
    const random16 = random.below(4) === 0;
    const offset = random16 ? FIRST + random.below(PAGES * 4096) : HANDLERS + vector * 16;
    guest.gate(vector, offset, random.below(2) ? "interrupt" : "trap", random.below(2) * 3);
    if (random.below(40) === 0) guest.write32(IDT + vector * 8, random.word(), random.word());
    guest.write(HANDLERS + vector * 16, random.below(2) ? [0xcf] : [0x83, 0xc4, 0x04, 0xcf]);
  }
  if (!place.paged) return;
  const leaves = Uint32Array.from({ length: 1024 }, (_, page) => {
    if (page >= 1 && page < 0x10) return (page << 12) | W | 1;
    return random.below(8) === 0
      ? 0
      : (FIRST + random.below(PAGES) * 4096) | (random.word() & 0x160) | U | W | 1;
  });
  const slots = Uint32Array.from({ length: 1024 }, (_, slot) =>
    slot > 1 && random.below(8) === 0 ? random.word() : PAGE_TABLE | U | W | 1,
  );
  guest.write(PAGE_TABLE, new Uint8Array(leaves.buffer));
  guest.write(PAGE_DIRECTORY, new Uint8Array(slots.buffer));
}

function place(random: Random, where: Place): void {
  const { cpu } = guest;
  const s = cpu.state;
  tables(random, where);
  const start = FIRST + random.below(PAGES * 4096);
  guest.enterFlat({
    ring: where.ring,
    paged: where.paged,
    eip: start,
    esp: FIRST + 0x8000 + random.below(0x8000),
  });
  for (let n = 0; n < 8; n++)
    if (n !== 4) s.setReg(n, random.below(2) ? random.operand() : FIRST + random.below(PAGES * 4096));
  const dpl = where.ring << 5;
  if (where.real) {
    s.set(L.CR0, 0x10);
    for (let n = 0; n < 6; n++) s.setSegment(n, FIRST >> 4, FIRST, 0xffff, 0x93);
    s.setSegment(1, FIRST >> 4, FIRST, 0xffff, 0x9b);
    s.eip = start & 0xffff;
    s.set(L.IDTR_LIMIT, 0x3ff);
  } else if (where.bits === 16) {
    s.setSegment(1, 0x38 | where.ring, FIRST, 0xffff, 0x9b | dpl);
    s.setSegment(2, 0x40 | where.ring, FIRST, 0xffff, 0x93 | dpl);
    if (random.below(2))
      s.setSegment(3, 0x40 | where.ring, FIRST, random.below(0xffff), 0x93 | dpl | (random.below(2) << 2));
    s.eip = start & 0xffff;
  }
  s.eflags =
    (random.word() & 0x4cd5) |
    2 |
    (random.below(2) << 9) |
    (random.below(12) === 0 ? 0x100 : 0) |
    (random.below(4) === 0 ? 0x3000 : 0);
  s.updateMode();
  cpu.controls = random.below(4) === 0 ? random.below(128) : 0;
  cpu.windowRequested = random.below(4) === 0;
  cpu.flushTlbAll();
}

/** Follows one program through its exits, as a monitor that knows no device. */
function follow(random: Random): string[] {
  const { cpu } = guest;
  const history: string[] = [];
  for (let n = 0; n < EXITS; n++) {
    const before = cpu.retired;
    const burst = 1 + random.below(BURST);
    const exit = cpu.run(burst);
    history.push(exit.reason);
    if (!REASONS.has(exit.reason)) throw new Error(`left for no known reason: ${exit.reason}`);
    if (cpu.retired < before || cpu.retired > before + burst)
      throw new Error(`${cpu.retired - before} instructions retired in a burst of ${burst}`);
    switch (exit.reason) {
      case ExitReason.io:
      case ExitReason.mmio:
        cpu.answer(0xffffffff);
        break;
      case ExitReason.pageFault:
        if (exit.vectoring >= 0) return history;
        cpu.inject({ kind: "exception", vector: 14, errorCode: exit.errorCode, cr2: exit.gva });
        break;
      case ExitReason.cpuid:
      case ExitReason.msr:
      case ExitReason.controlRegister:
      case ExitReason.invlpg:
        if (random.below(2)) cpu.perform();
        else cpu.skip();
        break;
      case ExitReason.interruptWindow:
      case ExitReason.hlt:
        cpu.windowRequested = false;
        if (cpu.interruptible && cpu.pending === undefined)
          cpu.inject({ kind: "external", vector: random.below(256) });
        break;
      case ExitReason.budget:
        if (cpu.deliveries > 4000) return history;
        break;
      case ExitReason.tripleFault:
        return history;
    }
  }
  return history;
}

describe("random bytes as code", () => {
  it.each(PLACES)("neither break out nor break down: $name", (where) => {
    const number = PLACES.indexOf(where);
    const before = monitorFrames();
    const end = performance.now() + (SECONDS * 1000) / PLACES.length;
    const reasons = new Set<string>();
    for (let n = 0; SECONDS > 0 ? performance.now() < end : n < PROGRAMS; n++) {
      const seed = FIRST_SEED + n * PLACES.length + number;
      const random = new Random(seed * 0x9e3779b1);
      try {
        if (n % 4 === 0) fill(random);
        place(random, where);
        for (const reason of follow(random)) reasons.add(reason);
      } catch (error) {
        throw new Error(`seed ${seed}: ${error instanceof Error ? error.stack : error}`);
      }
    }
    expect(monitorFrames()).toBe(before);
    expect(reasons.size).toBeGreaterThan(2);
  });

  it("do the same thing twice", () => {
    const where = PLACES[3] as Place;
    const run = () => {
      const random = new Random(12345);
      fill(random);
      place(random, where);
      return [...follow(random), guest.cpu.retired, guest.cpu.state.eip, ...guest.registers];
    };
    const first = run();
    expect(run()).toEqual(first);
  });
});
