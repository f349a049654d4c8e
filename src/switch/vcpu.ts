import { type ExitIntercepts, noIntercepts } from "../cpu/exit.ts";
import { STATE_SIZE, TSC_OFFSET } from "../cpu/layout.ts";
import type { ReadableRegisters } from "../cpu/processor.ts";
import type { HardwarePaging } from "../mmu/pager.ts";
import { type ExitCounts, noExits } from "./exit-counts.ts";
import { SpinWatch } from "./spin-watch.ts";
import { VcpuSet } from "./vcpu-set.ts";
import type { TimeScale } from "./virtual-time.ts";

/** An engine's `run` takes at most this many instructions. */
const LARGEST_BURST = 2 ** 30;

/** More than one REP MOVS over all of a 32-bit address space takes, a page fault for each page on both sides. */
const DEFAULT_MAX_STALLED_EXITS = 4_000_000;

/** Whose next alarm limits a burst. */
export interface AlarmSource {
  /** Virtual ns of the soonest alarm, undefined when none is armed. */
  next(): number | undefined;
}

export interface VcpuSettings {
  /** On the machine, never used again. */
  readonly index: number;
  /** Of the vm. */
  readonly name: string;
  readonly scale: TimeScale;
  readonly alarms: AlarmSource;
  /** Instructions after which the guest is killed. */
  readonly maxInstructions: number;
  /** Exits in a row without a retired instruction after which the guest is killed. Default 4,000,000. */
  readonly maxStalledExits?: number;
  /** The vm's vcpus, which it joins. Default: it is alone. */
  readonly set?: VcpuSet;
}

/**
 * One virtual processor: what the Switcher must know of it, whether or not it is on the physical CPU. (Its registers are on the
 * CPU while it is loaded, else in `saved`.)
 */
export class Vcpu {
  readonly index: number;
  readonly name: string;
  /** All vcpus of its vm, and what they share: time, alarms, limits, sleep. */
  readonly set: VcpuSet;
  /** Its place among them; the first one is the bootstrap processor. */
  readonly number: number;
  readonly saved = new Uint8Array(STATE_SIZE);

  readonly exits: ExitCounts = noExits();

  /** Exit controls and page tables, as the guest's pager wants them. */
  controls = 0;
  readonly intercepts: ExitIntercepts = noIntercepts();
  /** Of its local APIC: what the CPU may read without leaving. */
  registers: ReadableRegisters | undefined;
  hardware: HardwarePaging = { mode: "guest", p2m: new Int32Array(0) };

  /** Retired instructions, while not loaded. */
  savedRetired = 0;
  /** Tells the count while loaded. */
  liveRetired: (() => number) | undefined;

  /** In HLT. */
  halted = false;
  /** In HLT with interrupts off: only a non-maskable interrupt or INIT ends it. */
  deaf = false;
  /** Since power-on or INIT, until a start-up message comes. */
  awaitsStartup = false;
  /** INIT has come: its registers are to be reset before it runs again. */
  resetPending = false;
  /** Where the start-up message wants it to begin: the page below 1 MiB, -1 for the reset vector. */
  startupVector = -1;
  /** `sched.ready` has come, and no `sched.suspend` since. */
  ready = false;
  suspendPending = false;
  /** It has ended, or is about to: never to be entered again. */
  stopped = false;
  removed = false;
  /** INTR is high. */
  interruptPending = false;
  /** A non-maskable interrupt waits to be taken. */
  nmiPending = false;
  /** An event is on its way to the CPU by message, and no exit has come since. */
  injecting = false;
  readonly maxStalledExits: number;
  /** Turns in a row that PAUSE has ended. */
  spins = 0;
  /** Spinning without PAUSE, beside others of its vm. */
  readonly spinWatch = new SpinWatch();
  /** Its last turn has ended by time: the next begins with a look at whether it spins. */
  looksForSpin = false;
  /** Retired count at which another vcpu may have the CPU. */
  sliceEnd = 0;
  #retiredBefore = -1;
  #idleExits = 0;

  constructor(settings: VcpuSettings) {
    this.index = settings.index;
    this.name = settings.name;
    this.maxStalledExits = settings.maxStalledExits ?? DEFAULT_MAX_STALLED_EXITS;
    this.set = settings.set ?? new VcpuSet(settings);
    this.number = this.set.vcpus.push(this) - 1;
  }

  /** As after power-on, for a reset of all; it is not loaded. What has been counted, and whether it may run, stays. */
  reset(): void {
    this.halted = false;
    this.deaf = false;
    this.awaitsStartup = this.number !== 0;
    this.resetPending = false;
    this.startupVector = -1;
    this.stopped = false;
    this.interruptPending = false;
    this.nmiPending = false;
    this.injecting = false;
    this.looksForSpin = false;
    this.spinWatch.forget();
  }

  /** The time-stamp counter begins at 0, now. It is not loaded. */
  restartTimestamp(): void {
    const { time, retired } = this.set;
    new DataView(this.saved.buffer).setBigInt64(TSC_OFFSET, -time.timestamp(retired), true);
  }

  /** Instructions retired since power-on. */
  get retired(): number {
    return this.liveRetired === undefined ? this.savedRetired : this.liveRetired();
  }

  /** In HLT, with nothing there that ends it. */
  get idles(): boolean {
    return this.halted && !this.nmiPending && !this.resetPending && (this.deaf || !this.interruptPending);
  }

  /** Has instructions to run, as far as it may. */
  get hasWork(): boolean {
    return this.ready && !this.stopped && !this.awaitsStartup && !this.idles;
  }

  /** May have the CPU: to run, or, when no other of its vm can, to wait for an alarm in HLT. */
  get runnable(): boolean {
    if (!this.ready || this.set.asleep || this.stopped || this.awaitsStartup) return false;
    return this.set.vcpus.length === 1 || !this.idles || (!this.deaf && !this.set.hasWork);
  }

  /** An alarm is due. */
  get alarmDue(): boolean {
    const next = this.set.alarms.next();
    return next !== undefined && next <= this.set.time.nowNs();
  }

  get limitReached(): boolean {
    return this.set.retired >= this.set.maxInstructions;
  }

  get pauseReached(): boolean {
    return this.set.retired >= this.set.pauseAt;
  }

  /**
   * To be called before each burst. True when the guest has made too many exits without retiring an instruction: it faults in
   * its own fault handler, say, and would keep the monitor busy for ever without using up its instruction budget.
   */
  checkStalled(): boolean {
    const retired = this.retired;
    if (retired !== this.#retiredBefore) {
      this.#retiredBefore = retired;
      this.#idleExits = 0;
      return false;
    }
    return ++this.#idleExits > this.maxStalledExits;
  }

  /** Port accesses that may begin before the next alarm is due; at least the one that has left the guest. */
  accessesUntilAlarm(): number {
    const next = this.set.alarms.next();
    return next === undefined ? Number.POSITIVE_INFINITY : Math.max(1, this.set.time.accessesUntil(next));
  }

  /** Instructions that the next burst may retire; 0 or less: something is due before any. */
  burstBudget(): number {
    const retired = this.retired;
    let budget = Math.min(this.sliceEnd, this.spinWatch.end) - retired;
    const all = this.set.retired;
    const limit = this.set.maxInstructions - all;
    if (limit < budget) budget = limit;
    const pause = this.set.pauseAt - all;
    if (pause < budget) budget = pause;
    const next = this.set.alarms.next();
    if (next !== undefined) {
      const until = this.set.time.instructionsUntil(next);
      if (until < budget) budget = until;
    }
    return Math.min(budget, LARGEST_BURST);
  }
}
