import { LOCAL_APIC_BASE } from "./apic-addresses.ts";
import {
  afterReset,
  ICR_PENDING,
  type LocalApicState,
  LVT_LEVEL,
  LVT_MASKED,
  LVT_REGISTERS,
  LVT_REMOTE_IRR,
  PEEKABLE,
  Reg,
  SVR_ENABLE,
  TIMER_MODE_SHIFT,
  VERSION,
  WRITABLE,
} from "./apic-registers.ts";
import { ApicTimer } from "./apic-timer.ts";
import { hasBit, highest, setBit } from "./bit-set.ts";
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

const ESR_SEND_ILLEGAL = 1 << 5;
const ESR_RECEIVE_ILLEGAL = 1 << 6;
const ESR_ILLEGAL_REGISTER = 1 << 7;
/** Vectors 0 to 15 are not for APICs. */
const LOWEST_VECTOR = 16;
const NO_VECTOR = -1;

/** IA32_APIC_BASE: bootstrap processor, enabled; the address is of a page. */
const BASE_BOOTSTRAP = 1 << 8;
const BASE_ENABLED = 1 << 11;
const PAGE_BYTES = 0x1000;
const Msr = { timestamp: 0x10, base: 0x1b, deadline: 0x6e0 } as const;
/** IA32_APIC_BASE at power-on: of the first processor, 0, and of the others. */
export const apicBaseAtReset = (id: number): number =>
  (LOCAL_APIC_BASE | BASE_ENABLED | (id === 0 ? BASE_BOOTSTRAP : 0)) >>> 0;

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

/** What one is made as. */
export interface LocalApicSettings {
  /** At power-on, and again whenever it has been disabled. */
  readonly id: number;
  /** Of the first processor, as firmware leaves it. Default true. */
  readonly bootstrap?: boolean;
  /** Frequency of the processor's time-stamp counter. Default 1000. */
  readonly tscMHz?: number;
}

/**
 * The local APIC of one processor (Intel SDM vol. 3, chapter 10), xAPIC registers. As firmware leaves it, and processors of this family begin: the
 * 8259's pin passes through LINT0 of the first one (virtual wire), whether or not software has enabled the APIC.
 */
export class LocalApic implements AlarmedDevice {
  readonly state: LocalApicState;
  readonly #hooks: LocalApicHooks;
  readonly #id: number;
  readonly #timer: ApicTimer;

  constructor(settings: LocalApicSettings, clock: DeviceClock, hooks: LocalApicHooks) {
    const { id, bootstrap = true, tscMHz = 1000 } = settings;
    this.#hooks = hooks;
    this.#id = id;
    this.#timer = new ApicTimer(clock, tscMHz, () => this.#deliverLocal(Reg.lvtTimer));
    this.state = {
      ...afterReset(id),
      base: apicBaseAtReset(id),
      extInt: false,
      timer: this.#timer.state,
    };
    if (bootstrap) this.state.lvt[Reg.lvtLint0] = DeliveryMode.extInt << 8;
    this.state.lvt[Reg.lvtLint1] = DeliveryMode.nmi << 8;
  }

  /** Whether its registers are on the page of that guest-physical address. */
  isAt(gpa: number): boolean {
    return this.isPresent && gpa - (gpa % PAGE_BYTES) === (this.state.base & -PAGE_BYTES) >>> 0;
  }

  /**
   * The register at a guest-physical address, if it is on this page and neither changes by being read nor with time alone; else undefined. Some kernels read
   * their APIC's id at every lock that they take.
   */
  peek(gpa: number): number | undefined {
    if (!this.isAt(gpa)) return undefined;
    const offset = gpa % PAGE_BYTES;
    return PEEKABLE.has(offset) ? this.read(offset) : undefined;
  }

  /** Switched on by IA32_APIC_BASE. Else the processor is as one without: it hears only its pins, which are INTR and NMI then. */
  get isPresent(): boolean {
    return (this.state.base & BASE_ENABLED) !== 0;
  }

  /** An MSR that it keeps, low and high word. */
  readMsr(register: number): readonly [number, number] {
    if (register === Msr.base) return [this.state.base, 0];
    const { deadline } = this.#timer.state;
    return [Number(deadline & 0xffffffffn), Number(deadline >> 32n)];
  }

  /** Of an MSR that it keeps, or of the time-stamp counter, now. */
  writeMsr(register: number, low: number, high: number): void {
    const value = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
    if (register === Msr.base) this.#writeBase(low);
    else if (register === Msr.deadline) this.#timer.setDeadline(value);
    else this.#timer.setTimestamp(value);
  }

  /** The processor is to be interrupted. */
  get intr(): boolean {
    return this.#passesExtInt() || this.#deliverable() !== NO_VECTOR;
  }

  /** The pin of the 8259 pair, which is LINT0, changes. In the modes fixed and NMI its rise is the interrupt. */
  setExtInt(level: boolean): void {
    const rises = level && !this.state.extInt;
    this.state.extInt = level;
    if (this.#isLint0Level) this.#serviceLint0();
    else if (rises) this.#deliverLocal(Reg.lvtLint0);
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
    if (!this.isPresent) return;
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
    if (!this.isPresent) return false;
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
        return state.timer.initialCount;
      case Reg.currentCount:
        return this.#timer.currentCount();
      case Reg.divide:
        return state.timer.divide;
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
      this.#writeLvt(offset, (value & writable) | (this.enabled ? 0 : LVT_MASKED));
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
        this.#timer.setInitialCount(value >>> 0);
        break;
      case Reg.divide:
        this.#timer.setDivide(value);
        break;
      default:
        this.#error(ESR_ILLEGAL_REGISTER);
    }
  }

  /** The timer's. */
  alarm(id: string, nowNs: number): void {
    this.#timer.alarm(id, nowNs);
  }

  /** INIT: everything but the id begins anew (10.4.7.3); where it is, and the level of the 8259's pin, are what they are. */
  #initialise(): void {
    Object.assign(this.state, afterReset(this.state.id));
    this.#timer.reset();
  }

  /** Disabled, it forgets everything (10.4.3), and comes back as after power-on, but for firmware's work. */
  #writeBase(value: number): void {
    this.state.base = value >>> 0;
    if (this.isPresent) return;
    Object.assign(this.state, afterReset(this.#id));
    this.#timer.reset();
  }

  #writeLvt(register: number, value: number): void {
    const { lvt } = this.state;
    const old = lvt[register] as number;
    lvt[register] = value;
    if (register === Reg.lvtTimer) this.#timer.setMode((value >> TIMER_MODE_SHIFT) & 3);
    if (register !== Reg.lvtLint0) return;
    // An entry that is not of a level forgets that it awaits an EOI.
    if (this.#isLint0Level) lvt[register] = value | (old & LVT_REMOTE_IRR);
    this.#serviceLint0();
  }

  /** LINT0 is the pin of a level-triggered fixed interrupt; LINT1 is of edges always (10.5.1). */
  get #isLint0Level(): boolean {
    const entry = this.state.lvt[Reg.lvtLint0] as number;
    return (entry & LVT_LEVEL) !== 0 && ((entry >> 8) & 7) === DeliveryMode.fixed;
  }

  /** While the level is there it asks again after each EOI. */
  #serviceLint0(): void {
    const { lvt, extInt } = this.state;
    const entry = lvt[Reg.lvtLint0] as number;
    if (!extInt || !this.#isLint0Level || (entry & (LVT_MASKED | LVT_REMOTE_IRR)) !== 0) return;
    lvt[Reg.lvtLint0] = entry | LVT_REMOTE_IRR;
    this.accept({ mode: DeliveryMode.fixed, vector: entry & 0xff, level: true });
  }

  #writeSvr(value: number): void {
    const { state } = this;
    state.svr = value & 0x3ff;
    if (this.enabled) return;
    for (const register of LVT_REGISTERS) state.lvt[register] = (state.lvt[register] as number) | LVT_MASKED;
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
    if (!hasBit(tmr, vector)) return;
    const lint0 = this.state.lvt[Reg.lvtLint0] as number;
    if ((lint0 & LVT_REMOTE_IRR) !== 0 && (lint0 & 0xff) === vector) {
      this.state.lvt[Reg.lvtLint0] = lint0 & ~LVT_REMOTE_IRR;
      this.#serviceLint0();
    }
    this.#hooks.ended(vector);
  }

  #error(bit: number): void {
    this.state.errors |= bit;
    const entry = this.state.lvt[Reg.lvtError] as number;
    if ((entry & LVT_MASKED) === 0 && (entry & 0xff) >= LOWEST_VECTOR) this.#deliverLocal(Reg.lvtError);
  }

  #passesExtInt(): boolean {
    const { extInt, lvt } = this.state;
    const entry = lvt[Reg.lvtLint0] as number;
    if (!this.isPresent) return extInt;
    return extInt && (entry & LVT_MASKED) === 0 && ((entry >> 8) & 7) === DeliveryMode.extInt;
  }

  /** The vector that the processor would be given, or NO_VECTOR. */
  #deliverable(): number {
    if (!this.enabled) return NO_VECTOR;
    const vector = highest(this.state.irr);
    return vector >= 0 && (vector & 0xf0) > (this.ppr & 0xf0) ? vector : NO_VECTOR;
  }
}
