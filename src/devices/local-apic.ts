import type { AlarmedDevice, DeviceClock } from "./device.ts";

/** Delivery modes of interrupt messages, LVT entries and redirection entries (Intel SDM vol. 3, 10.5.1, 10.6.1). */
export const DeliveryMode = {
  fixed: 0,
  lowestPriority: 1,
  smi: 2,
  nmi: 4,
  init: 5,
  startup: 6,
  extInt: 7,
} as const;

/** An interrupt message: what an IOAPIC or a local APIC sends. */
export interface ApicMessage {
  readonly mode: number;
  readonly vector: number;
  /** Level-triggered: its EOI is told to the IOAPICs. */
  readonly level: boolean;
}

/** Where an interrupt message goes. */
export interface ApicDestination {
  /** 8 bits: an APIC id, or with `logical` a set to be matched with LDR and DFR. */
  readonly destination: number;
  readonly logical: boolean;
  readonly shorthand: "none" | "self" | "all" | "others";
}

/** Register offsets (table 10-1). */
const Reg = {
  id: 0x20,
  version: 0x30,
  tpr: 0x80,
  apr: 0x90,
  ppr: 0xa0,
  eoi: 0xb0,
  ldr: 0xd0,
  dfr: 0xe0,
  svr: 0xf0,
  isr: 0x100,
  tmr: 0x180,
  irr: 0x200,
  esr: 0x280,
  icrLow: 0x300,
  icrHigh: 0x310,
  lvtTimer: 0x320,
  lvtThermal: 0x330,
  lvtPerformance: 0x340,
  lvtLint0: 0x350,
  lvtLint1: 0x360,
  lvtError: 0x370,
  initialCount: 0x380,
  currentCount: 0x390,
  divide: 0x3e0,
} as const;

/** Six LVT entries, an integrated APIC of the P6 and Pentium 4. */
const VERSION = 0x00050014;
const LVT_MASKED = 1 << 16;
const LVT_PERIODIC = 1 << 17;
const SVR_ENABLE = 1 << 8;
const ICR_PENDING = 1 << 12;
/** What of the registers software can write. */
const WRITABLE: Readonly<Record<number, number>> = {
  [Reg.lvtTimer]: 0x000300ff,
  [Reg.lvtThermal]: 0x000107ff,
  [Reg.lvtPerformance]: 0x000107ff,
  [Reg.lvtLint0]: 0x0001a7ff,
  [Reg.lvtLint1]: 0x0001a7ff,
  [Reg.lvtError]: 0x000100ff,
};
const LVT_REGISTERS = Object.keys(WRITABLE).map(Number);
const ESR_SEND_ILLEGAL = 1 << 5;
const ESR_RECEIVE_ILLEGAL = 1 << 6;
const ESR_ILLEGAL_REGISTER = 1 << 7;
/** Vectors 0 to 15 are not for APICs. */
const LOWEST_VECTOR = 16;
const NO_VECTOR = -1;

const TIMER_ALARM = "timer";
/** Of the bus clock that the timer counts: 100 MHz. */
const NS_PER_TICK = 10;
/** By the divide configuration's bits 3, 1, 0 (figure 10-10). */
const DIVISORS = [2, 4, 8, 16, 32, 64, 128, 1] as const;

export interface LocalApicHooks {
  /** An interrupt message of its ICR; `targets` may be itself. */
  send(message: ApicMessage, to: ApicDestination): void;
  /** The end of a level-triggered interrupt, for the IOAPICs. */
  ended(vector: number): void;
  /** A non-maskable interrupt reached it. */
  nmi(): void;
  /** INIT reached it, and has reset it. */
  init(): void;
  /** A start-up message reached it: the processor is to begin at the page `vector`. */
  startup(vector: number): void;
}

export interface LocalApicState {
  id: number;
  tpr: number;
  ldr: number;
  dfr: number;
  svr: number;
  /** 256 bits each. */
  isr: number[];
  tmr: number[];
  irr: number[];
  /** What software sees, and what has come since it last wrote. */
  esr: number;
  errors: number;
  icrLow: number;
  icrHigh: number;
  /** By register offset. */
  lvt: Record<number, number>;
  initialCount: number;
  divide: number;
  /** When the timer's count began, ns; undefined while it stands. */
  startedNs: number | undefined;
  /** The pin of the 8259 pair. */
  extInt: boolean;
}

/**
 * The local APIC of one processor (Intel SDM vol. 3, chapter 10), xAPIC registers. As firmware leaves it, and processors of this family begin: the
 * 8259's pin passes through LINT0 of the first one (virtual wire), whether or not software has enabled the APIC.
 */
export class LocalApic implements AlarmedDevice {
  readonly state: LocalApicState;
  readonly #hooks: LocalApicHooks;
  readonly #clock: DeviceClock;

  /** `bootstrap`: of the first processor, as firmware leaves it. */
  constructor(id: number, clock: DeviceClock, hooks: LocalApicHooks, bootstrap = true) {
    this.#clock = clock;
    this.#hooks = hooks;
    this.state = afterReset(id);
    if (bootstrap) this.state.lvt[Reg.lvtLint0] = DeliveryMode.extInt << 8;
    this.state.lvt[Reg.lvtLint1] = DeliveryMode.nmi << 8;
  }

  /** The processor is to be interrupted. */
  get intr(): boolean {
    return this.#passesExtInt() || this.#deliverable() !== NO_VECTOR;
  }

  /** The pin of the 8259 pair, which is LINT0, changes. In the modes fixed and NMI its rise is the interrupt. */
  setExtInt(level: boolean): void {
    const rises = level && !this.state.extInt;
    this.state.extInt = level;
    if (rises) this.#deliverLocal(Reg.lvtLint0);
  }

  /**
   * The processor takes an interrupt. "extInt": the 8259 pair must be asked. Else a vector, the spurious one when the request has gone.
   */
  acknowledge(): number | "extInt" {
    const vector = this.#deliverable();
    if (vector === NO_VECTOR) return this.#passesExtInt() ? "extInt" : this.state.svr & 0xff;
    setBit(this.state.irr, vector, false);
    setBit(this.state.isr, vector, true);
    return vector;
  }

  /** An interrupt message has come for this APIC. */
  accept({ mode, vector, level }: ApicMessage): void {
    if (mode === DeliveryMode.nmi) {
      this.#hooks.nmi();
      return;
    }
    if (mode === DeliveryMode.init) {
      this.#initialise();
      this.#hooks.init();
      return;
    }
    if (mode === DeliveryMode.startup) {
      this.#hooks.startup(vector);
      return;
    }
    if (mode !== DeliveryMode.fixed && mode !== DeliveryMode.lowestPriority) return;
    if (vector < LOWEST_VECTOR) {
      this.#error(ESR_RECEIVE_ILLEGAL);
      return;
    }
    if (!this.enabled) return;
    setBit(this.state.irr, vector, true);
    setBit(this.state.tmr, vector, level);
  }

  /** Enabled by software, in the spurious-interrupt vector register: it takes fixed and lowest-priority interrupts. */
  get enabled(): boolean {
    return (this.state.svr & SVR_ENABLE) !== 0;
  }

  /** Whether a message with such a destination is for this APIC (10.6.2). */
  matches({ destination, logical }: Pick<ApicDestination, "destination" | "logical">): boolean {
    const { id, ldr, dfr } = this.state;
    if (!logical) return destination === 0xff || destination === id;
    const own = ldr >>> 24;
    if (dfr >>> 28 === 0xf) return (own & destination) !== 0;
    const sameCluster = destination >>> 4 === 0xf || destination >>> 4 === own >>> 4;
    return sameCluster && (own & destination & 0xf) !== 0;
  }

  /** Processor priority: what an interrupt must be above. */
  get ppr(): number {
    const { tpr } = this.state;
    const served = Math.max(0, highest(this.state.isr)) & 0xf0;
    return (tpr & 0xf0) >= served ? tpr : served;
  }

  /** A 32-bit register; `offset` is from the APIC's base, a multiple of 16. What is between registers reads as 0. */
  read(offset: number): number {
    const { state } = this;
    if ((offset & 0xf) !== 0) return 0;
    if (offset in state.lvt) return state.lvt[offset] as number;
    if (offset >= Reg.isr && offset < Reg.tmr) return (state.isr[(offset - Reg.isr) >> 4] as number) >>> 0;
    if (offset >= Reg.tmr && offset < Reg.irr) return (state.tmr[(offset - Reg.tmr) >> 4] as number) >>> 0;
    if (offset >= Reg.irr && offset < Reg.esr) return (state.irr[(offset - Reg.irr) >> 4] as number) >>> 0;
    switch (offset) {
      case Reg.id:
        return (state.id << 24) >>> 0;
      case Reg.version:
        return VERSION;
      case Reg.tpr:
        return state.tpr;
      case Reg.apr:
        return 0;
      case Reg.ppr:
        return this.ppr;
      case Reg.ldr:
        return state.ldr >>> 0;
      case Reg.dfr:
        return state.dfr >>> 0;
      case Reg.svr:
        return state.svr;
      case Reg.esr:
        return state.esr;
      case Reg.icrLow:
        return state.icrLow >>> 0;
      case Reg.icrHigh:
        return state.icrHigh >>> 0;
      case Reg.initialCount:
        return state.initialCount >>> 0;
      case Reg.currentCount:
        return this.#currentCount();
      case Reg.divide:
        return state.divide;
      case Reg.eoi:
        return 0;
      default:
        this.#error(ESR_ILLEGAL_REGISTER);
        return 0;
    }
  }

  write(offset: number, value: number): void {
    const { state } = this;
    if ((offset & 0xf) !== 0) return;
    const writable = WRITABLE[offset];
    if (writable !== undefined) {
      state.lvt[offset] = (value & writable) | (this.enabled ? 0 : LVT_MASKED);
      return;
    }
    switch (offset) {
      case Reg.id:
        state.id = value >>> 24;
        break;
      case Reg.tpr:
        state.tpr = value & 0xff;
        break;
      case Reg.eoi:
        this.#endOfInterrupt();
        break;
      case Reg.ldr:
        state.ldr = value & 0xff000000;
        break;
      case Reg.dfr:
        state.dfr = value | 0x0fffffff;
        break;
      case Reg.svr:
        this.#writeSvr(value);
        break;
      case Reg.esr:
        // A write makes what has come since the last one visible.
        state.esr = state.errors;
        state.errors = 0;
        break;
      case Reg.icrLow:
        state.icrLow = value & 0x000ccfff & ~ICR_PENDING;
        this.#send();
        break;
      case Reg.icrHigh:
        state.icrHigh = value & 0xff000000;
        break;
      case Reg.initialCount:
        state.initialCount = value >>> 0;
        state.startedNs = value === 0 ? undefined : this.#clock.nowNs();
        this.#armTimer();
        break;
      case Reg.divide:
        this.#writeDivide(value);
        break;
      default:
        this.#error(ESR_ILLEGAL_REGISTER);
    }
  }

  /** The timer's count has come to 0. */
  alarm(_id: string, nowNs: number): void {
    const { state } = this;
    if (state.startedNs === undefined) return;
    const periodNs = this.#periodNs();
    if (nowNs < state.startedNs + periodNs) {
      this.#armTimer();
      return;
    }
    if (((state.lvt[Reg.lvtTimer] as number) & LVT_PERIODIC) !== 0) {
      state.startedNs += Math.floor((nowNs - state.startedNs) / periodNs) * periodNs;
      this.#armTimer();
    } else state.startedNs = undefined;
    this.#deliverLocal(Reg.lvtTimer);
  }

  /** INIT: everything but the id begins anew (10.4.7.3), and the level of the 8259's pin is what it is. */
  #initialise(): void {
    const { id, extInt } = this.state;
    Object.assign(this.state, afterReset(id), { extInt });
    this.#armTimer();
  }

  #writeSvr(value: number): void {
    const { state } = this;
    state.svr = value & 0x3ff;
    if (this.enabled) return;
    for (const register of LVT_REGISTERS) state.lvt[register] = (state.lvt[register] as number) | LVT_MASKED;
  }

  #writeDivide(value: number): void {
    const left = this.#currentCount();
    const { state } = this;
    state.divide = value & 0xb;
    if (state.startedNs === undefined) return;
    // The count goes on from where it is at the new speed.
    const done = state.initialCount - left;
    state.startedNs = this.#clock.nowNs() - done * this.#tickNs();
    this.#armTimer();
  }

  #tickNs(): number {
    const { divide } = this.state;
    return NS_PER_TICK * (DIVISORS[(divide & 3) | ((divide >> 1) & 4)] as number);
  }

  #periodNs(): number {
    return this.state.initialCount * this.#tickNs();
  }

  #currentCount(): number {
    const { startedNs, initialCount } = this.state;
    if (startedNs === undefined) return 0;
    const passed = Math.floor((this.#clock.nowNs() - startedNs) / this.#tickNs());
    if (((this.state.lvt[Reg.lvtTimer] as number) & LVT_PERIODIC) !== 0)
      return initialCount - (passed % initialCount);
    return Math.max(0, initialCount - passed);
  }

  #armTimer(): void {
    const { startedNs } = this.state;
    if (startedNs === undefined) this.#clock.cancel(TIMER_ALARM);
    else this.#clock.arm(TIMER_ALARM, startedNs + this.#periodNs());
  }

  /** A local source asks for its interrupt. */
  #deliverLocal(register: number): void {
    const entry = this.state.lvt[register] as number;
    if ((entry & LVT_MASKED) !== 0) return;
    this.accept({ mode: (entry >> 8) & 7, vector: entry & 0xff, level: false });
  }

  #send(): void {
    const { icrLow, icrHigh } = this.state;
    const mode = (icrLow >> 8) & 7;
    const vector = icrLow & 0xff;
    if ((mode === DeliveryMode.fixed || mode === DeliveryMode.lowestPriority) && vector < LOWEST_VECTOR) {
      this.#error(ESR_SEND_ILLEGAL);
      return;
    }
    // INIT level de-assert sets arbitration ids, which there are none of.
    if (mode === DeliveryMode.init && (icrLow & 0xc000) === 0x8000) return;
    const shorthand = (["none", "self", "all", "others"] as const)[
      (icrLow >> 18) & 3
    ] as ApicDestination["shorthand"];
    const to = { destination: icrHigh >>> 24, logical: (icrLow & 0x800) !== 0, shorthand };
    this.#hooks.send({ mode, vector, level: false }, to);
  }

  #endOfInterrupt(): void {
    const { isr, tmr } = this.state;
    const vector = highest(isr);
    if (vector < 0) return;
    setBit(isr, vector, false);
    if (hasBit(tmr, vector)) this.#hooks.ended(vector);
  }

  #error(bit: number): void {
    this.state.errors |= bit;
    const entry = this.state.lvt[Reg.lvtError] as number;
    if ((entry & LVT_MASKED) === 0 && (entry & 0xff) >= LOWEST_VECTOR) this.#deliverLocal(Reg.lvtError);
  }

  #passesExtInt(): boolean {
    const { extInt, lvt } = this.state;
    const entry = lvt[Reg.lvtLint0] as number;
    return extInt && (entry & LVT_MASKED) === 0 && ((entry >> 8) & 7) === DeliveryMode.extInt;
  }

  /** The vector that the processor would be given, or NO_VECTOR. */
  #deliverable(): number {
    if (!this.enabled) return NO_VECTOR;
    const vector = highest(this.state.irr);
    return vector >= 0 && (vector & 0xf0) > (this.ppr & 0xf0) ? vector : NO_VECTOR;
  }
}

function afterReset(id: number): LocalApicState {
  return {
    id,
    tpr: 0,
    ldr: 0,
    dfr: 0xffffffff,
    svr: 0xff,
    isr: Array(8).fill(0),
    tmr: Array(8).fill(0),
    irr: Array(8).fill(0),
    esr: 0,
    errors: 0,
    icrLow: 0,
    icrHigh: 0,
    lvt: Object.fromEntries(LVT_REGISTERS.map((register) => [register, LVT_MASKED])),
    initialCount: 0,
    divide: 0,
    startedNs: undefined,
    extInt: false,
  };
}

/** Number of the highest bit set, -1 if none. */
function highest(words: readonly number[]): number {
  for (let n = 7; n >= 0; n--) {
    const word = words[n] as number;
    if (word !== 0) return n * 32 + 31 - Math.clz32(word);
  }
  return NO_VECTOR;
}

const hasBit = (words: readonly number[], bit: number): boolean =>
  (((words[bit >> 5] as number) >>> (bit & 31)) & 1) !== 0;

function setBit(words: number[], bit: number, value: boolean): void {
  const word = words[bit >> 5] as number;
  words[bit >> 5] = value ? word | (1 << (bit & 31)) : word & ~(1 << (bit & 31));
}
