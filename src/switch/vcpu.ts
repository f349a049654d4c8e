import { type ExitIntercepts, noIntercepts } from "../cpu/exit.ts";
import { STATE_SIZE } from "../cpu/layout.ts";
import type { HardwarePaging } from "../mmu/pager.ts";
import { type ExitCounts, noExits } from "./exit-counts.ts";
import type { TimeScale } from "./virtual-time.ts";
import { VirtualTime } from "./virtual-time.ts";

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
}

/**
 * One virtual processor: what the Switcher must know of it, whether or not it is on the physical CPU. (Its registers are on the
 * CPU while it is loaded, else in `saved`.)
 */
export class Vcpu {
  readonly index: number;
  readonly name: string;
  readonly time: VirtualTime;
  readonly alarms: AlarmSource;
  readonly saved = new Uint8Array(STATE_SIZE);

  readonly exits: ExitCounts = noExits();

  /** Exit controls and page tables, as the guest's pager wants them. */
  controls = 0;
  readonly intercepts: ExitIntercepts = noIntercepts();
  hardware: HardwarePaging = { mode: "guest", p2m: new Int32Array(0) };

  /** Retired instructions, while not loaded. */
  savedRetired = 0;
  /** Tells the count while loaded. */
  liveRetired: (() => number) | undefined;

  /** In HLT. */
  halted = false;
  /** In HLT, and no alarm could wake it. */
  asleep = false;
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
  /** Alarms that HLT jumped to since the last interrupt. */
  fruitlessJumps = 0;

  readonly maxStalledExits: number;
  maxInstructions: number;
  /** Retired count at which the embedder wants to look again. */
  pauseAt = Number.POSITIVE_INFINITY;
  /** Retired count at which another vcpu may have the CPU. */
  sliceEnd = 0;
  #retiredBefore = -1;
  #idleExits = 0;

  constructor(settings: VcpuSettings) {
    this.index = settings.index;
    this.name = settings.name;
    this.alarms = settings.alarms;
    this.maxInstructions = settings.maxInstructions;
    this.maxStalledExits = settings.maxStalledExits ?? DEFAULT_MAX_STALLED_EXITS;
    this.time = new VirtualTime(() => this.retired, settings.scale);
  }

  /** Instructions retired since power-on. */
  get retired(): number {
    return this.liveRetired === undefined ? this.savedRetired : this.liveRetired();
  }

  get runnable(): boolean {
    return this.ready && !this.asleep && !this.stopped;
  }

  /** An alarm is due. */
  get alarmDue(): boolean {
    const next = this.alarms.next();
    return next !== undefined && next <= this.time.nowNs();
  }

  get limitReached(): boolean {
    return this.retired >= this.maxInstructions;
  }

  get pauseReached(): boolean {
    return this.retired >= this.pauseAt;
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

  /** Instructions that the next burst may retire; 0 or less: something is due before any. */
  burstBudget(): number {
    const retired = this.retired;
    let budget = this.sliceEnd - retired;
    const limit = this.maxInstructions - retired;
    if (limit < budget) budget = limit;
    const pause = this.pauseAt - retired;
    if (pause < budget) budget = pause;
    const next = this.alarms.next();
    if (next !== undefined) {
      const until = this.time.instructionsUntil(next);
      if (until < budget) budget = until;
    }
    return Math.min(budget, LARGEST_BURST);
  }
}
