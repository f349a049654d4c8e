import * as L from "../../../../src/cpu/layout.ts";
import { EngineGuest, Sel, U, W } from "./guest.ts";
import { CODE_AREA, DATA, type Outcome, type Snapshot, STACK, type Stretch, WORDS } from "./stretch.ts";

const PAGE = 4096;
const DATA_PAGE = DATA & ~(PAGE - 1);
/** Mapped, but no memory is there: the access that ends every stretch. */
const NOWHERE = 0x20000000;
const DATA_PAGES = 6;

/** How a stretch is run on the engine. */
export interface Setting {
  readonly name: string;
  readonly ring: 0 | 3;
  readonly paged: boolean;
}

export const SETTINGS: readonly Setting[] = [
  { name: "ring 3, paged", ring: 3, paged: true },
  { name: "ring 0, paged", ring: 0, paged: true },
  { name: "ring 0, unpaged", ring: 0, paged: false },
];

/** EFLAGS that programs can see and change: arithmetic flags, DF, ID. */
export const VISIBLE_FLAGS = 0x200cd5;
/** Signals by the exception that they stand for. */
const SIGFPE = 8;

export interface EngineOutcome extends Outcome {
  readonly retired: number;
}

/** Stretches of code on the engine: the same places in memory as on the processor. */
export class Bench {
  readonly guest: EngineGuest;

  constructor() {
    this.guest = new EngineGuest({
      memory: [
        [DATA_PAGE, DATA_PAGES],
        [CODE_AREA, 2],
      ],
    });
    const { guest } = this;
    guest.map(0x1000, 0x1000, W, 15);
    guest.map(DATA_PAGE, DATA_PAGE, U | W, DATA_PAGES);
    guest.map(CODE_AREA, CODE_AREA, U | W, 2);
    guest.map(NOWHERE, NOWHERE, U | W);
  }

  /** Puts a stretch in place, ready to run. */
  load(one: Stretch, setting: Setting): void {
    const { guest } = this;
    const { state } = guest.cpu;
    guest.enterFlat({ ...setting, eip: one.origin, esp: one.regs[4] as number });
    // What PUSH of a segment register shows is what the processor's own kernel has there.
    state.set(L.SEG_CS + L.SEG_SELECTOR, Sel.code3);
    for (const record of [L.SEG_ES, L.SEG_SS, L.SEG_DS]) state.set(record + L.SEG_SELECTOR, Sel.data3);
    // No interrupt table: every exception ends in a triple fault, which leaves the state as the instruction met it.
    if (setting.ring === 0) state.set(L.IDTR_LIMIT, 0);
    one.regs.forEach((value, n) => {
      state.setReg(n, value);
    });
    state.eflags = one.eflags;
    const end = [0xa1, NOWHERE & 0xff, (NOWHERE >> 8) & 0xff, (NOWHERE >> 16) & 0xff, NOWHERE >>> 24];
    guest.write(one.origin, one.code);
    guest.write(one.origin + one.code.length, end);
    this.setWords(DATA, one.data);
    this.setWords(STACK, one.stack);
  }

  /** After the exit that ended the stretch; `start` is the retired count at its beginning. */
  outcome(): EngineOutcome {
    const { guest } = this;
    const { state, exitRecord, retired } = guest.cpu;
    if (exitRecord.reason === "mmio" || exitRecord.reason === "tripleFault")
      return {
        signal: exitRecord.reason === "mmio" ? 0 : SIGFPE,
        eip: state.eip,
        ...this.snapshot(),
        retired,
      };
    if (exitRecord.reason === "hlt" && guest.haltedIn === 0) {
      const frame = guest.frame(false);
      const now = this.snapshot();
      const regs = now.regs.map((value, n) => (n === 4 ? frame.esp : value));
      return { ...now, signal: SIGFPE, eip: frame.eip, regs, eflags: frame.eflags, retired: retired - 1 };
    }
    const where = guest.haltedIn >= 0 ? `, exception ${guest.haltedIn}` : "";
    throw new Error(`left with ${exitRecord.reason} at 0x${state.eip.toString(16)}${where}`);
  }

  snapshot(): Snapshot {
    const { guest } = this;
    return {
      regs: guest.registers,
      eflags: guest.cpu.state.eflags,
      data: this.words(DATA),
      stack: this.words(STACK),
    };
  }

  private setWords(gpa: number, words: Uint32Array): void {
    const { machine, cpu } = this.guest;
    const half = WORDS >> 1;
    for (const [from, at] of [
      [0, gpa],
      [half, gpa + 4 * half],
    ] as const) {
      const hpa = this.guest.hpa(at);
      machine.u32.set(words.subarray(from, from + half), hpa >>> 2);
      cpu.memoryWritten(hpa, 4 * half);
    }
  }
  private words(gpa: number): Uint32Array {
    const { machine } = this.guest;
    const half = WORDS >> 1;
    const words = new Uint32Array(WORDS);
    words.set(machine.u32.subarray(this.guest.hpa(gpa) >>> 2, (this.guest.hpa(gpa) >>> 2) + half));
    const second = this.guest.hpa(gpa + 4 * half) >>> 2;
    words.set(machine.u32.subarray(second, second + half), half);
    return words;
  }
}

const hex = (value: number) => (value >>> 0).toString(16);

/** The outcome as text that reads well in a failure; `undefined` flags left out. */
export function summary(outcome: Outcome, before: Snapshot, ignoredFlags = 0): string {
  const flags = hex(outcome.eflags & VISIBLE_FLAGS & ~ignoredFlags);
  const changes = (name: string, now: Uint32Array, then: Uint32Array) =>
    [...now].flatMap((word, n) => (word === then[n] ? [] : [`${name}[${n}]=${hex(word)}`])).join(" ");
  const memory = `${changes("data", outcome.data, before.data)} ${changes("stack", outcome.stack, before.stack)}`;
  const signal = outcome.signal ? `signal ${outcome.signal} ` : "";
  return `${signal}eip ${hex(outcome.eip)} flags ${flags} regs ${outcome.regs.map(hex).join(" ")} ${memory}`;
}

export function describeStretch(one: Stretch): string {
  const bytes = [...one.code].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return `${bytes} at ${hex(one.origin)} with ${one.regs.map(hex).join(" ")} flags ${hex(one.eflags)}`;
}
