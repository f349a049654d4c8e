import { createExitRecord, type ExitRecord, noIntercepts } from "../../src/cpu/exit.ts";
import { CR0, CR3, CR4, EBX, STATE_SIZE } from "../../src/cpu/layout.ts";
import type { InjectedEvent, Processor } from "../../src/cpu/processor.ts";
import { CpuState, Flag } from "../../src/cpu/state.ts";
import type { Gva } from "../../src/mmu/address.ts";
import type { MachineMemory } from "../../src/mmu/machine-memory.ts";
import type { CachedTranslation, HardwarePaging } from "../../src/mmu/pager.ts";

/** One stretch of a scripted guest: so many instructions, then this exit (or a defect of the engine). */
export interface ScriptedExit extends Partial<Omit<ExitRecord, "reason">> {
  /** Instructions that retire before the exit. Default 1. */
  readonly after?: number;
  readonly reason: ExitRecord["reason"];
  /** Sets or clears EFLAGS.IF as the exit happens. */
  readonly interrupts?: boolean;
}

export type ScriptStep = ScriptedExit | { readonly throws: unknown };

/** What the monitor did to the processor, in order, as short phrases. */
export type Deed = string;

interface Play {
  readonly steps: readonly ScriptStep[];
  at: number;
  /** Instructions of the present step that have retired. */
  done: number;
}

/**
 * A processor whose guests are lists of exits. A guest's EBX names its script, so `boot` chooses with `state.set(EBX, n)`; where
 * a script ends, its guest spins for ever. Pending events are "delivered" (noted) at the next run; an external one clears IF.
 */
export class ScriptedProcessor implements Processor {
  readonly features = 0;
  readonly state: CpuState;
  controls = 0;
  readonly intercepts = noIntercepts();
  pending: InjectedEvent | undefined;
  windowRequested = false;
  registers: Processor["registers"];
  readonly nmiReady = true;
  retired = 0;
  readonly deliveries = 0;
  timestampSource: (retired: number) => bigint = () => 0n;
  readonly deeds: Deed[] = [];
  readonly budgets: number[] = [];
  readonly paging: HardwarePaging[] = [];
  readonly #plays: Play[];
  readonly #record = createExitRecord();

  constructor(memory: MachineMemory, scripts: readonly (readonly ScriptStep[])[]) {
    this.state = new CpuState(memory.memory);
    this.#plays = scripts.map((steps) => ({ steps, at: 0, done: 0 }));
    this.reset();
  }

  get interruptible(): boolean {
    return (this.state.eflags & Flag.IF) !== 0;
  }

  run(budget: number): ExitRecord {
    this.budgets.push(budget);
    const record = Object.assign(this.#record, createExitRecord());
    if (this.pending !== undefined) this.#deliver(this.pending);
    const play = this.#plays[this.state.get(EBX)] as Play;
    const step = play.steps[play.at];
    if (this.windowRequested && this.interruptible)
      return Object.assign(record, { reason: "interruptWindow", eip: this.state.eip });
    if (step === undefined) return this.#spend(budget);
    if ("throws" in step) {
      play.at++;
      throw step.throws;
    }
    const left = (step.after ?? 1) - play.done;
    if (left > budget) {
      play.done += budget;
      return this.#spend(budget);
    }
    this.retired += left;
    play.at++;
    play.done = 0;
    const { after: _after, interrupts, ...exit } = step;
    if (interrupts !== undefined) this.interrupts = interrupts;
    return Object.assign(record, { write: exit.reason === "controlRegister" }, exit);
  }

  set interrupts(on: boolean) {
    this.state.eflags = on ? this.state.eflags | Flag.IF : this.state.eflags & ~Flag.IF;
  }

  answer(value: number): void {
    this.deeds.push(`answer 0x${value.toString(16)}`);
  }

  answerRun(count: number, values: readonly number[]): void {
    this.deeds.push(`answer ${count}: ${values}`);
  }

  perform(): void {
    const { reason, register, value } = this.#record;
    this.deeds.push(`perform ${reason}`);
    this.retired++;
    if (reason === "controlRegister")
      this.state.set(register === 0 ? CR0 : register === 3 ? CR3 : CR4, value);
  }

  skip(): void {
    this.retired++;
  }

  inject(event: InjectedEvent): void {
    this.pending = event;
  }

  setHardwarePaging(paging: HardwarePaging): void {
    this.paging.push(paging);
  }

  loadRoot(paging: HardwarePaging): void {
    this.paging.push(paging);
  }

  translations(): Iterable<CachedTranslation> {
    return [];
  }

  flushTlb(): void {
    this.deeds.push("flush");
  }

  flushTlbAll(): void {
    this.deeds.push("flush all");
  }

  flushTlbPage(gva: Gva): void {
    this.deeds.push(`flush 0x${gva.toString(16)}`);
  }

  flushTlbTag(tag: number): void {
    this.deeds.push(`flush tag ${tag}`);
  }

  memoryWritten(): void {}

  saveState(into: Uint8Array): void {
    into.set(this.state.u8.subarray(0, STATE_SIZE));
  }

  loadState(from: Uint8Array): void {
    this.state.u8.set(from.subarray(0, STATE_SIZE));
    this.pending = undefined;
  }

  init(): void {
    this.reset();
  }

  reset(): void {
    this.state.u8.fill(0, 0, STATE_SIZE);
    this.state.eflags = 2;
    this.retired = 0;
    this.pending = undefined;
  }

  #deliver({ kind, vector, errorCode, cr2 }: InjectedEvent): void {
    const code = errorCode === undefined ? "" : ` error ${errorCode}`;
    const address = cr2 === undefined ? "" : ` cr2 0x${cr2.toString(16)}`;
    this.deeds.push(`deliver ${kind} ${vector}${code}${address}`);
    if (kind === "external") this.interrupts = false;
    this.pending = undefined;
  }

  #spend(budget: number): ExitRecord {
    this.retired += budget;
    return Object.assign(this.#record, { reason: "budget", eip: this.state.eip });
  }
}
