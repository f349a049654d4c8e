import { crc32 } from "node:zlib";
import { ExitControl, ExitReason, type ExitRecord } from "../../../src/cpu/exit.ts";
import * as L from "../../../src/cpu/layout.ts";
import { Cr0, Cr4 } from "../../../src/cpu/state.ts";
import {
  EngineGuest,
  GDT,
  HANDLERS,
  IDT,
  PAGE_DIRECTORY,
  Sel,
  STACK0,
  TSS,
  U,
  W,
} from "../engine/support/guest.ts";
import { Random } from "../instructions/support/random.ts";
import { FLAVOURS, type Flavour, fillCode } from "./code.ts";

/**
 * Random programs. Whatever they do, the engine comes back with an exit of a known kind, throws nothing, touches only frames of
 * the guest, and does the same again, whether it is run in long bursts or instruction by instruction.
 */

const PAGE = 4096;
export const FIRST = 0x10000;
const PAGES = 48;
const SIZE = PAGES * PAGE;
const PAGE_TABLE = 0x7000;
const PAE_POINTERS = 0x8000;
const PAE_DIRECTORIES = 0x9000;
const PAE_TABLE = 0xa000;
const REASONS = new Set<string>(Object.values(ExitReason));
const ALL_CONTROLS = Object.values(ExitControl).reduce((all, bit) => all | bit, 0);
/** A program ends after so many exits, or so many bursts. */
const MOST_EXITS = 80;
const MOST_BURSTS = 60;
/** Bursts are up to so long, by program: short ones for the many programs that fault all the time, long ones for loops. */
const LONGEST_BURSTS = [300, 1500, 40_000] as const;
/** Programs with longer bursts are not run instruction by instruction, but in pieces. */
const LONGEST_STEPPED = 1500;

export type Mode = "real" | "unreal" | "vm86" | "16 bits" | "32 bits";
export type Paging = "off" | "on" | "pae";

export interface Place {
  readonly mode: Mode;
  readonly ring: 0 | 3;
  readonly paging: Paging;
}

const PAGINGS: readonly Paging[] = ["off", "on", "pae"];
export const PLACES: readonly Place[] = [
  { mode: "real", ring: 0, paging: "off" },
  { mode: "unreal", ring: 0, paging: "off" },
  ...PAGINGS.map((paging) => ({ mode: "vm86", ring: 3, paging }) as const),
  ...PAGINGS.flatMap((paging) =>
    ([0, 3] as const).flatMap((ring) =>
      (["16 bits", "32 bits"] as const).map((mode) => ({ mode, ring, paging })),
    ),
  ),
];

export const placeName = ({ mode, ring, paging }: Place): string => `${mode}, ring ${ring}, paging ${paging}`;

/** What became of a program. */
export interface Result {
  readonly instructions: number;
  readonly exits: ReadonlyMap<string, number>;
  /** CRC-32 of registers at every burst's end and of memory at the end. */
  readonly hash: number;
  /** It ended where deliveries go on without an instruction retiring: where exactly depends on the bursts. */
  readonly stuck: boolean;
}

/** How the same program is run: in bursts as long as it wants them, or each in pieces. */
export type Pace = "whole" | "steps" | "pieces";

export class Fuzzer {
  /** A program ends when it has run so many instructions. */
  readonly #most: number;
  readonly guest = new EngineGuest({ frames: 256, memory: [[FIRST, PAGES]] });
  readonly #lowest = this.guest.lowestFrame * PAGE;
  readonly #code = new Uint8Array(SIZE);
  readonly #before = this.monitorMemory();

  constructor(mostInstructions: number) {
    this.#most = mostInstructions;
  }

  /** CRC-32 of all that is not the guest's. */
  monitorMemory(): number {
    return crc32(this.guest.machine.u8.subarray(0, this.#lowest));
  }

  /** Throws when the guest has reached outside its frames. */
  checkMonitorMemory(): void {
    if (this.monitorMemory() !== this.#before) throw new Error("memory outside the guest has changed");
  }

  run(seed: number, where: Place, pace: Pace): Result {
    const random = new Random(Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995);
    this.#prepare(random, where);
    return this.#follow(random, pace);
  }

  #prepare(random: Random, where: Place): void {
    const { guest } = this;
    guest.machine.u8.fill(0, this.#lowest);
    guest.cpu.memoryWritten(this.#lowest, guest.machine.u8.length - this.#lowest);
    const bits = where.mode === "32 bits" ? 32 : 16;
    const flavour: Flavour = random.pick(FLAVOURS);
    fillCode(this.#code, FIRST, bits, flavour, random);
    guest.write(FIRST, this.#code);
    this.#tables(random, where);
    this.#state(random, where);
  }

  #tables(random: Random, where: Place): void {
    const { guest } = this;
    const entries: number[] = [];
    for (let k = 0; k < 64; k++) entries.push(random.below(8) === 0 ? random.word() : 0);
    guest.write32(GDT, ...entries);
    const words = (base: number, attributes: number): number[] => [
      ((base & 0xffff) << 16) | 0xffff,
      (base & 0xff000000) |
        ((attributes & 0xf000) << 8) |
        0xf0000 |
        ((attributes & 0xff) << 8) |
        ((base >>> 16) & 0xff),
    ];
    const tss = [((TSS & 0xffff) << 16) | 0x67, 0x8b00];
    guest.write32(GDT, 0, 0, ...words(0, 0xc09b), ...words(0, 0xc093));
    guest.write32(
      GDT + 0x20,
      ...words(0, 0xc0fb),
      ...words(0, 0xc0f3),
      ...tss,
      ...words(FIRST, 0x9b),
      ...words(FIRST, 0x93),
    );
    guest.write32(TSS, ...Array.from({ length: 26 }, () => (random.below(3) ? 0 : random.word())));
    guest.write32(TSS, 0, STACK0, Sel.data0);
    for (let vector = 0; vector < 256; vector++) {
      const wild = random.below(4) === 0;
      const offset = wild ? FIRST + random.below(SIZE) : HANDLERS + vector * 16;
      guest.gate(vector, offset, random.below(2) ? "interrupt" : "trap", random.below(2) * 3);
      if (random.below(40) === 0) guest.write32(IDT + vector * 8, random.word(), random.word());
      // Handlers return, return past an error code, or step over two bytes.
      guest.write(
        HANDLERS + vector * 16,
        random.pick([[0xcf], [0x83, 0xc4, 0x04, 0xcf], [0x83, 0x04, 0x24, 0x02, 0xcf]]),
      );
    }
    if (where.mode === "real" || where.mode === "unreal")
      guest.write(
        0x1000,
        Array.from({ length: 0x400 }, (_, n) =>
          n & 3 ? ([0, (FIRST >> 4) & 0xff, FIRST >> 12][(n & 3) - 1] ?? 0) : random.below(256),
        ),
      );
    if (where.paging === "on") this.#pageTables(random);
    if (where.paging === "pae") this.#paeTables(random);
  }

  #leaf(random: Random, page: number): number {
    if (page >= 1 && page < 0x10) return (page * PAGE) | W | (U * random.below(2)) | 1;
    if (random.below(10) === 0) return random.below(3) === 0 ? random.word() & ~0x1000 : 0;
    const gpa =
      page * PAGE >= FIRST && page * PAGE < FIRST + SIZE && random.below(4)
        ? page * PAGE
        : FIRST + random.below(PAGES) * PAGE;
    return gpa | (random.word() & 0x160) | U | (random.below(8) ? W : 0) | 1;
  }

  #pageTables(random: Random): void {
    const leaves = Uint32Array.from({ length: 1024 }, (_, page) => this.#leaf(random, page));
    const slots = Uint32Array.from({ length: 1024 }, (_, slot) =>
      slot > 1 && random.below(8) === 0 ? random.word() : PAGE_TABLE | U | W | 1,
    );
    this.guest.write(PAGE_TABLE, new Uint8Array(leaves.buffer));
    this.guest.write(PAGE_DIRECTORY, new Uint8Array(slots.buffer));
  }

  #paeTables(random: Random): void {
    const leaves = new Uint32Array(1024);
    const slots = new Uint32Array(1024);
    for (let n = 0; n < 1024; n += 2) {
      leaves[n] = this.#leaf(random, n >> 1) & 0x7ffff;
      if (random.below(64) === 0) leaves[n + 1] = random.word();
      slots[n] = PAE_TABLE | U | W | 1;
      if (n > 2 && random.below(8) === 0) slots[n] = random.word();
    }
    this.guest.write(PAE_TABLE, new Uint8Array(leaves.buffer));
    this.guest.write(PAE_DIRECTORIES, new Uint8Array(slots.buffer));
    this.guest.write32(PAE_POINTERS, ...[0, 1, 2, 3].flatMap(() => [PAE_DIRECTORIES | 1, 0]));
  }

  #state(random: Random, where: Place): void {
    const { guest } = this;
    const { cpu } = guest;
    const s = cpu.state;
    // Near the end of a page, often.
    const start =
      FIRST +
      (random.below(3) ? random.below(SIZE) : (1 + random.below(PAGES - 1)) * PAGE - random.below(16));
    guest.enterFlat({
      ring: where.ring,
      paged: false,
      eip: start,
      esp: FIRST + 0x8000 + random.below(0x8000),
    });
    for (let n = 0; n < 8; n++)
      if (n !== 4) s.setReg(n, random.below(2) ? random.operand() : FIRST + random.below(SIZE));
    if (where.paging !== "off") s.set(L.CR0, s.cr0 | Cr0.PG);
    if (where.paging === "pae") {
      s.set(L.CR4, s.cr4 | Cr4.PAE);
      s.set(L.CR3, PAE_POINTERS);
      cpu.walker.latchPdptes(PAE_POINTERS);
    }
    const real = where.mode === "real" || where.mode === "unreal" || where.mode === "vm86";
    if (real) {
      const dpl = where.mode === "vm86" ? 0x60 : 0;
      if (where.mode !== "vm86") s.set(L.CR0, 0x10);
      for (let n = 0; n < 6; n++) {
        const limit = where.mode === "unreal" && n !== 1 ? 0xffffffff : 0xffff;
        s.setSegment(n, FIRST >> 4, FIRST, limit, (n === 1 && !dpl ? 0x9b : 0x93) | dpl);
      }
      s.eip = start & 0xffff;
      s.setReg(4, random.below(0x10000));
      if (where.mode !== "vm86") {
        s.set(L.IDTR_BASE, 0x1000);
        s.set(L.IDTR_LIMIT, 0x3ff);
      }
    } else if (where.mode === "16 bits") {
      const dpl = where.ring << 5;
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
      (random.below(8) === 0 ? 0x40000 : 0) |
      (random.below(4) === 0 ? 0x3000 : 0) |
      (where.mode === "vm86" ? 0x20000 : 0);
    if (where.mode === "vm86" && random.below(2)) s.set(L.CR4, s.cr4 | Cr4.VME);
    s.updateMode();
    cpu.controls = random.below(3) === 0 ? random.word() & ALL_CONTROLS : 0;
    cpu.intercepts.exceptions = random.below(4) === 0 ? random.word() : 0;
    cpu.windowRequested = random.below(4) === 0;
    cpu.flushTlbAll();
  }

  #follow(random: Random, pace: Pace): Result {
    const { cpu } = this.guest;
    const exits = new Map<string, number>();
    const start = cpu.retired;
    let hash = 0;
    let seen = 0;
    let stuck = false;
    const longest = random.pick(LONGEST_BURSTS);
    const piece = longest > LONGEST_STEPPED ? 997 : 7;
    const steps = pace === "steps" && longest <= LONGEST_STEPPED;
    bursts: for (let n = 0; n < MOST_BURSTS && cpu.retired - start < this.#most; n++) {
      const end = Math.min(cpu.retired + 1 + random.below(longest), start + this.#most);
      let attempts = 0;
      while (cpu.retired < end) {
        const before = cpu.retired;
        const left = end - before;
        const budget = pace === "whole" ? left : steps ? 1 : Math.min(left, 1 + ((before - start) % piece));
        const exit = cpu.run(budget);
        if (!REASONS.has(exit.reason)) throw new Error(`left for no known reason: ${exit.reason}`);
        if (cpu.retired < before || cpu.retired > before + budget)
          throw new Error(`${cpu.retired - before} instructions retired in a burst of ${budget}`);
        if (exit.reason === ExitReason.budget) {
          if (cpu.retired > before) continue;
          if (++attempts < 4) continue;
          stuck = true;
          break bursts;
        }
        attempts = 0;
        hash = this.#hashState(hash);
        exits.set(exit.reason, (exits.get(exit.reason) ?? 0) + 1);
        if (++seen > MOST_EXITS || !this.#answer(exit, random)) break bursts;
      }
      hash = this.#hashState(hash);
      this.#interrupt(random);
    }
    const instructions = cpu.retired - start;
    if (!stuck) hash = crc32(this.guest.machine.u8.subarray(this.#lowest), hash);
    return { instructions, exits, hash: stuck ? 0 : hash, stuck };
  }

  /** As a monitor would that knows no device; false: the program is over. */
  #answer(exit: ExitRecord, random: Random): boolean {
    const { cpu } = this.guest;
    switch (exit.reason) {
      case ExitReason.io:
      case ExitReason.mmio:
        cpu.answer(random.word());
        return true;
      case ExitReason.pageFault:
        if (exit.vectoring >= 0) return false;
        cpu.inject({ kind: "exception", vector: 14, errorCode: exit.errorCode, cr2: exit.gva });
        return true;
      case ExitReason.interruptWindow:
        cpu.windowRequested = false;
        cpu.inject({ kind: "external", vector: random.below(256) });
        return true;
      case ExitReason.hlt:
        if (cpu.interruptible && cpu.pending === undefined)
          cpu.inject({ kind: "external", vector: random.below(256) });
        return true;
      case ExitReason.nmiWindow:
        cpu.controls &= ~ExitControl.nmiWindow;
        if (cpu.nmiReady) cpu.inject({ kind: "nmi", vector: 2 });
        return true;
      case ExitReason.tripleFault:
        return false;
      case ExitReason.taskSwitch:
        return true;
      case ExitReason.exception:
      case ExitReason.taskSwitchAttempt:
        if (exit.vectoring >= 0) return false;
        cpu.perform();
        return true;
      default:
        if (random.below(2) || exit.length === 0) cpu.perform();
        else cpu.skip();
        return true;
    }
  }

  #interrupt(random: Random): void {
    const { cpu } = this.guest;
    const [wanted, vector] = [random.below(4), random.below(256)];
    if (cpu.pending !== undefined) return;
    if (wanted === 0 && cpu.interruptible) cpu.inject({ kind: "external", vector });
    if (wanted === 1 && cpu.nmiReady) cpu.inject({ kind: "nmi", vector: 2 });
  }

  /** All that a program can see of the registers, flags as they are and not as they are kept. */
  #hashState(hash: number): number {
    const { state, retired } = this.guest.cpu;
    const words = new Uint32Array(state.u32.subarray(L.SEG >> 2, (L.FPU_LAST_OPCODE >> 2) + 1));
    const whole = new Uint32Array(words.length + 12);
    whole.set(words);
    for (let n = 0; n < 8; n++) whole[words.length + n] = state.reg(n);
    whole[words.length + 8] = state.eip;
    whole[words.length + 9] = state.eflags;
    whole[words.length + 10] = retired;
    // Where temporary values of handlers are.
    whole.fill(0, (L.TEMP - L.SEG) >> 2, (L.PDPTE - L.SEG) >> 2);
    return crc32(new Uint8Array(whole.buffer), hash);
  }
}
