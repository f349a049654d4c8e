import { crc32 } from "node:zlib";
import { ExitControl, ExitReason, type ExitRecord } from "../../../src/cpu/exit.ts";
import * as L from "../../../src/cpu/layout.ts";
import { CPU_MODELS, type CpuModel } from "../../../src/cpu/system/index.ts";
import { EngineGuest } from "../engine/support/guest.ts";
import { Random } from "../instructions/support/random.ts";
import { FLAVOURS, type Flavour, fillCode } from "./code.ts";
import { FIRST, PAGE, PAGES, type Place, SIZE } from "./places.ts";
import { setRegisters } from "./registers.ts";
import { writeTables } from "./tables.ts";

/**
 * Random programs. Whatever they do, the engine comes back with an exit of a known kind, throws nothing, touches only frames of
 * the guest, and does the same again, whether it is run in long bursts or instruction by instruction.
 */

const REASONS = new Set<string>(Object.values(ExitReason));
/** A program ends after so many exits, or so many bursts. */
const MOST_EXITS = 80;
const MOST_BURSTS = 60;
/** Bursts are up to so long, by program: short ones for the many programs that fault all the time, long ones for loops. */
const LONGEST_BURSTS = [300, 1500, 40_000] as const;
/** Programs with longer bursts are not run instruction by instruction, but in pieces. */
const LONGEST_STEPPED = 1500;

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

/** A guest to run programs in, and what lies below its frames in the machine's memory. */
interface Host {
  readonly guest: EngineGuest;
  /** Host-physical address of its lowest frame. */
  readonly lowest: number;
  readonly before: number;
}

/** CRC-32 of all that is not the guest's. */
const monitorMemory = (guest: EngineGuest, lowest: number): number =>
  crc32(guest.machine.u8.subarray(0, lowest));

export class Fuzzer {
  /** A program ends when it has run so many instructions. */
  readonly #most: number;
  /** One for each model of the processor that has been asked for. */
  readonly #guests = new Map<CpuModel, Host>();
  readonly #code = new Uint8Array(SIZE);

  constructor(mostInstructions: number) {
    this.#most = mostInstructions;
  }

  /** Throws when a guest has reached outside its frames. */
  checkMonitorMemory(): void {
    for (const { guest, lowest, before } of this.#guests.values())
      if (monitorMemory(guest, lowest) !== before) throw new Error("memory outside the guest has changed");
  }

  run(seed: number, where: Place, pace: Pace): Result {
    const random = new Random(Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995);
    const host = this.#host(random.pick(CPU_MODELS));
    this.#prepare(host, random, where);
    return this.#follow(host, random, pace);
  }

  #host(model: CpuModel): Host {
    const known = this.#guests.get(model);
    if (known) return known;
    const guest = new EngineGuest({ frames: 256, memory: [[FIRST, PAGES]], model });
    const lowest = guest.lowestFrame * PAGE;
    const host = { guest, lowest, before: monitorMemory(guest, lowest) };
    this.#guests.set(model, host);
    return host;
  }

  #prepare({ guest, lowest }: Host, random: Random, where: Place): void {
    guest.machine.u8.fill(0, lowest);
    guest.cpu.memoryWritten(lowest, guest.machine.u8.length - lowest);
    const bits = where.mode === "32 bits" ? 32 : 16;
    const flavour: Flavour = random.pick(FLAVOURS);
    fillCode(this.#code, FIRST, bits, flavour, random);
    guest.write(FIRST, this.#code);
    setRegisters(guest, random, where, writeTables(guest, random, where));
  }

  #follow({ guest, lowest }: Host, random: Random, pace: Pace): Result {
    const { cpu } = guest;
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
        hash = hashState(guest, hash);
        exits.set(exit.reason, (exits.get(exit.reason) ?? 0) + 1);
        if (++seen > MOST_EXITS || !answer(guest, exit, random)) break bursts;
      }
      hash = hashState(guest, hash);
      interrupt(guest, random);
    }
    const instructions = cpu.retired - start;
    if (!stuck) hash = crc32(guest.machine.u8.subarray(lowest), hash);
    return { instructions, exits, hash: stuck ? 0 : hash, stuck };
  }
}

/** As a monitor would that knows no device; false: the program is over. */
function answer({ cpu }: EngineGuest, exit: ExitRecord, random: Random): boolean {
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

function interrupt({ cpu }: EngineGuest, random: Random): void {
  const [wanted, vector] = [random.below(4), random.below(256)];
  if (cpu.pending !== undefined) return;
  if (wanted === 0 && cpu.interruptible) cpu.inject({ kind: "external", vector });
  if (wanted === 1 && cpu.nmiReady) cpu.inject({ kind: "nmi", vector: 2 });
}

/** All that a program can see of the registers, flags as they are and not as they are kept. */
function hashState({ cpu: { state, retired } }: EngineGuest, hash: number): number {
  const words = new Uint32Array(state.u32.subarray(L.SEG >> 2, (L.FPU_LAST_OPCODE >> 2) + 1));
  const whole = new Uint32Array(words.length + 12);
  whole.set(words);
  for (let n = 0; n < 8; n++) whole[words.length + n] = state.reg(n);
  whole[words.length + 8] = state.eip;
  whole[words.length + 9] = state.eflags;
  whole[words.length + 10] = retired;
  // Where temporary values of handlers are.
  whole.fill(0, (L.TEMP - L.SEG) >> 2, (L.PDPTE - L.SEG) >> 2);
  const vectors = state.u8.subarray(L.XMM, L.MXCSR + 4);
  return crc32(vectors, crc32(new Uint8Array(whole.buffer), hash));
}
