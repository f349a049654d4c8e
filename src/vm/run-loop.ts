import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { CPU, MACHINE } from "../actors/addresses.ts";
import type { CpuActor } from "../actors/cpu.ts";
import type { MessageBus } from "../actors/stage.ts";
import type { CpuRun } from "../bus/messages/index.ts";
import type { RunResult } from "./options.ts";
import type { Vm } from "./vm.ts";

/** What a run is for. */
export interface RunGoal {
  readonly vm: Vm;
  readonly until: RegExp | ((vm: Vm) => boolean) | undefined;
}

const RUN: CpuRun = { type: "cpu.run" };
/** How long an asynchronous run keeps the event loop waiting. */
const TURN_MS = 15;
/** How long a paced guest sleeps at most before input is looked for again. */
const NAP_MS = 20;
/** Of the output before the run's latest byte that a regular expression may still match in. */
const SEARCHED_CHARACTERS = 1 << 14;

/** The machine's heart: the bus until it is quiet, then a burst of guest code, and so on. */
export class RunLoop {
  busy = false;
  readonly #bus: MessageBus;
  readonly #cpu: CpuActor;
  readonly #failure: () => Error | undefined;
  #stopRequested = false;

  constructor(bus: MessageBus, cpu: CpuActor, failure: () => Error | undefined) {
    this.#bus = bus;
    this.#cpu = cpu;
    this.#failure = failure;
  }

  stop(): void {
    this.#stopRequested = true;
    this.#bus.stop();
  }

  step(): boolean {
    if (this.#bus.pending > 0) return this.#bus.step();
    if (this.#cpu.duty === "none") return false;
    this.#bus.post(MACHINE, CPU, RUN);
    return this.#bus.step();
  }

  run(goal: RunGoal): RunResult {
    const reached = watchFor(goal);
    this.#begin();
    try {
      for (;;) {
        const status = this.#turn(goal.vm, reached, Number.POSITIVE_INFINITY);
        if (status !== undefined) return this.#result(goal.vm, status);
      }
    } finally {
      this.#finish(goal.vm);
    }
  }

  async runAsync(goal: RunGoal, signal: AbortSignal | undefined, paced: boolean): Promise<RunResult> {
    const { vm } = goal;
    const reached = watchFor(goal);
    const pace = new Pace(vm);
    this.#begin();
    try {
      for (;;) {
        if (signal?.aborted === true) return this.#result(vm, "stopped");
        const status = this.#turn(vm, reached, performance.now() + TURN_MS, paced ? pace : undefined);
        if (status !== undefined) return this.#result(vm, status);
        vm.output.flush();
        if (paced && pace.napMs > 0) await sleep(Math.min(pace.napMs, NAP_MS));
        else await nextTurn();
      }
    } finally {
      this.#finish(vm);
    }
  }

  /** Until there is something to tell, or (undefined) the time is over, or a paced guest should sleep. */
  #turn(vm: Vm, reached: () => boolean, deadline: number, pace?: Pace): RunResult["status"] | undefined {
    const { vcpu } = vm;
    const endless = deadline === Number.POSITIVE_INFINITY;
    for (;;) {
      const end = this.#bus.drain();
      const failure = this.#failure();
      if (failure !== undefined) throw failure;
      if (vm.ended) return vm.status as RunResult["status"];
      if (reached()) return "until";
      if (end === "break") return "break";
      if (this.#stopRequested) return "stopped";
      if (!vcpu.ready) return "paused";
      if (vcpu.pauseReached) return "budget";
      if (vcpu.set.asleep || this.#cpu.duty === "none") return "waiting";
      if (pace !== undefined && this.#cpu.duty === "idle" && pace.mustNap()) return undefined;
      this.#bus.post(MACHINE, CPU, RUN);
      if (!endless && performance.now() >= deadline) {
        this.#bus.drain();
        return undefined;
      }
    }
  }

  #begin(): void {
    this.busy = true;
    this.#stopRequested = false;
  }

  #finish(vm: Vm): void {
    this.busy = false;
    vm.vcpu.set.pauseAt = Number.POSITIVE_INFINITY;
    vm.output.flush();
  }

  #result(vm: Vm, status: RunResult["status"]): RunResult {
    const { reason, exitCode } = vm;
    return {
      status,
      ...(reason !== undefined && { reason }),
      ...(exitCode !== undefined && { exitCode }),
      instructions: vm.vcpu.set.retired,
      virtualNs: vm.vcpu.set.time.nowNs(),
    };
  }
}

/** Whether the run's goal is reached; a regular expression is tried only when there is new output. */
function watchFor({ vm, until }: RunGoal): () => boolean {
  if (until === undefined) return () => false;
  if (typeof until === "function") return () => until(vm);
  const { output } = vm;
  const start = output.total;
  let seen = start;
  return () => {
    if (output.total === seen) return false;
    const from = Math.max(start, seen - SEARCHED_CHARACTERS);
    seen = output.total;
    until.lastIndex = 0;
    return until.test(output.since(from));
  };
}

/** Lets the time of an idle guest pass no faster than the wall clock's. */
class Pace {
  /** How long the guest should sleep before it goes on idling. */
  napMs = 0;
  readonly #vm: Vm;
  readonly #startMs = performance.now();
  readonly #startNs: number;

  constructor(vm: Vm) {
    this.#vm = vm;
    this.#startNs = vm.vcpu.set.time.nowNs();
  }

  /** The guest idles: would its next alarm come before its time? */
  mustNap(): boolean {
    const next = this.#vm.vcpu.set.alarms.next();
    this.napMs = next === undefined ? 0 : (next - this.#startNs) / 1e6 - (performance.now() - this.#startMs);
    return this.napMs > 0;
  }
}
