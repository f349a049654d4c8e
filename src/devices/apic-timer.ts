import type { AlarmedDevice, DeviceClock } from "./device.ts";

/** How it counts: bits 17 and 18 of its LVT entry. The fourth value is reserved, and counts as once. */
export const TimerMode = { once: 0, periodic: 1, deadline: 2 } as const;

const TIMER_ALARM = "timer";
/** Of the bus clock that it counts: 100 MHz. */
const NS_PER_TICK = 10;
/** By the divide configuration's bits 3, 1, 0 (figure 10-10). */
const DIVISORS = [2, 4, 8, 16, 32, 64, 128, 1] as const;
const DIVIDE_BITS = 0xb;
/** Times are below it. */
const MOST_NS = BigInt(Number.MAX_SAFE_INTEGER);

export interface ApicTimerState {
  /** One of TimerMode. */
  mode: number;
  initialCount: number;
  /** Divide configuration. */
  divide: number;
  /** When the count began, ns; undefined while it stands. */
  startedNs: number | undefined;
  /** IA32_TSC_DEADLINE, 0 when there is none. */
  deadline: bigint;
  /** What software has added to the time-stamp counter. */
  tscOffset: bigint;
}

/** The timer of a local APIC (Intel SDM vol. 3, 10.5.4): counts the bus clock down, once or again and again, or waits for a time-stamp. */
export class ApicTimer implements AlarmedDevice {
  readonly state: ApicTimerState = {
    mode: TimerMode.once,
    initialCount: 0,
    divide: 0,
    startedNs: undefined,
    deadline: 0n,
    tscOffset: 0n,
  };
  readonly #clock: DeviceClock;
  readonly #tscMHz: bigint;
  readonly #expired: () => void;

  /** `expired` is called when the count comes to 0 or the deadline is met. */
  constructor(clock: DeviceClock, tscMHz: number, expired: () => void) {
    this.#clock = clock;
    this.#tscMHz = BigInt(tscMHz);
    this.#expired = expired;
  }

  /** All but what has been added to the time-stamp counter, which is the processor's. */
  reset(): void {
    const { tscOffset } = this.state;
    Object.assign(this.state, {
      mode: TimerMode.once,
      initialCount: 0,
      divide: 0,
      startedNs: undefined,
      deadline: 0n,
      tscOffset,
    } satisfies ApicTimerState);
    this.#arm();
  }

  /** A change to the deadline's mode or from it disarms. */
  setMode(mode: number): void {
    const { state } = this;
    const changes = (state.mode === TimerMode.deadline) !== (mode === TimerMode.deadline);
    state.mode = mode;
    if (!changes) return;
    state.initialCount = 0;
    state.startedNs = undefined;
    state.deadline = 0n;
    this.#arm();
  }

  /** Begins the count, which 0 ends. With a deadline there is none. */
  setInitialCount(count: number): void {
    const { state } = this;
    if (state.mode === TimerMode.deadline) return;
    state.initialCount = count;
    state.startedNs = count === 0 ? undefined : this.#clock.nowNs();
    this.#arm();
  }

  setDivide(value: number): void {
    const left = this.currentCount();
    const { state } = this;
    state.divide = value & DIVIDE_BITS;
    if (state.startedNs === undefined) return;
    // The count goes on from where it is at the new speed.
    const done = state.initialCount - left;
    state.startedNs = this.#clock.nowNs() - done * this.#tickNs();
    this.#arm();
  }

  currentCount(): number {
    const { startedNs, initialCount, mode } = this.state;
    if (startedNs === undefined) return 0;
    const passed = Math.floor((this.#clock.nowNs() - startedNs) / this.#tickNs());
    if (mode === TimerMode.periodic) return initialCount - (passed % initialCount);
    return Math.max(0, initialCount - passed);
  }

  /** Outside of its mode a deadline is ignored; 0 disarms; one that has passed is met at once. */
  setDeadline(value: bigint): void {
    if (this.state.mode !== TimerMode.deadline) return;
    this.state.deadline = value;
    this.#lookAtDeadline();
  }

  /** Software has set the processor's time-stamp counter, now. */
  setTimestamp(value: bigint): void {
    this.state.tscOffset = value - this.#tscAt(this.#clock.nowNs());
    this.#lookAtDeadline();
  }

  alarm(_id: string, nowNs: number): void {
    const { state } = this;
    if (state.mode === TimerMode.deadline) {
      this.#lookAtDeadline();
      return;
    }
    if (state.startedNs === undefined) return;
    const periodNs = this.#periodNs();
    if (nowNs < state.startedNs + periodNs) {
      this.#arm();
      return;
    }
    if (state.mode === TimerMode.periodic) {
      state.startedNs += Math.floor((nowNs - state.startedNs) / periodNs) * periodNs;
      this.#arm();
    } else state.startedNs = undefined;
    this.#expired();
  }

  #lookAtDeadline(): void {
    const { state } = this;
    const now = BigInt.asUintN(64, this.#tscAt(this.#clock.nowNs()) + state.tscOffset);
    const met = state.deadline !== 0n && now >= state.deadline;
    if (met) state.deadline = 0n;
    this.#arm();
    if (met) this.#expired();
  }

  /** The time-stamp counter as nobody has moved it. */
  #tscAt(ns: number): bigint {
    return (BigInt(ns) * this.#tscMHz) / 1000n;
  }

  #tickNs(): number {
    const { divide } = this.state;
    return NS_PER_TICK * (DIVISORS[(divide & 3) | ((divide >> 1) & 4)] as number);
  }

  #periodNs(): number {
    return this.state.initialCount * this.#tickNs();
  }

  #arm(): void {
    const atNs = this.#dueNs();
    if (atNs === undefined) this.#clock.cancel(TIMER_ALARM);
    else this.#clock.arm(TIMER_ALARM, atNs);
  }

  /** undefined: never, or later than a clock shows. */
  #dueNs(): number | undefined {
    const { mode, startedNs, deadline, tscOffset } = this.state;
    if (mode !== TimerMode.deadline)
      return startedNs === undefined ? undefined : startedNs + this.#periodNs();
    if (deadline === 0n) return undefined;
    // The first nanosecond at which the counter is there.
    const ns = ((deadline - tscOffset) * 1000n + this.#tscMHz - 1n) / this.#tscMHz;
    return ns > MOST_NS ? undefined : Number(ns);
  }
}
