import type { Processor } from "../cpu/processor.ts";
import type { Vcpu } from "./vcpu.ts";

/**
 * Puts a vcpu's state on the physical CPU. Costs nothing when that vcpu is the one that was there last, so a machine with one
 * vm never swaps.
 */
export class WorldSwitch {
  readonly #processor: Processor;
  #loaded: Vcpu | undefined;
  /** Who was loaded last, also after it has been taken off. */
  latest: Vcpu | undefined;
  /** World switches so far. */
  count = 0;

  constructor(processor: Processor) {
    this.#processor = processor;
  }

  /** Whose state the CPU holds. */
  get loaded(): Vcpu | undefined {
    return this.#loaded;
  }

  /** Returns the vcpu that was there before, if it was another one that is still alive. */
  load(vcpu: Vcpu): Vcpu | undefined {
    const before = this.#loaded;
    if (before === vcpu) return undefined;
    if (before !== undefined) this.save();
    const processor = this.#processor;
    processor.loadState(vcpu.saved);
    processor.retired = vcpu.savedRetired;
    processor.controls = vcpu.controls;
    Object.assign(processor.intercepts, vcpu.intercepts);
    const beside = vcpu.set.retired - vcpu.retired;
    processor.timestampSource = (retired) => vcpu.set.time.timestamp(beside + retired);
    processor.registers = vcpu.registers;
    processor.setHardwarePaging(vcpu.hardware);
    processor.flushTlbAll();
    vcpu.liveRetired = () => processor.retired;
    this.#loaded = vcpu;
    this.latest = vcpu;
    this.count++;
    return before;
  }

  /** Takes the loaded vcpu's state off the CPU, which then holds nobody's. */
  save(): void {
    const vcpu = this.#loaded;
    if (vcpu === undefined) return;
    this.#processor.saveState(vcpu.saved);
    vcpu.savedRetired = this.#processor.retired;
    vcpu.liveRetired = undefined;
    this.#loaded = undefined;
  }

  /** Forgets the loaded vcpu without saving its registers: it has ended. */
  discard(vcpu: Vcpu): void {
    if (this.#loaded !== vcpu) return;
    vcpu.savedRetired = this.#processor.retired;
    vcpu.liveRetired = undefined;
    this.#loaded = undefined;
  }
}
