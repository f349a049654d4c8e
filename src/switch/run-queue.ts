import type { Vcpu } from "./vcpu.ts";

/** Whose turn it is on one physical CPU: round robin over the runnable vcpus, a time slice of instructions each. */
export class RunQueue {
  readonly sliceInstructions: number;
  readonly #vcpus: Vcpu[] = [];
  /** Where the next look begins. */
  #next = 0;

  constructor(sliceInstructions: number) {
    if (!Number.isSafeInteger(sliceInstructions) || sliceInstructions < 1)
      throw new RangeError(
        `a time slice is a whole number of at least 1 instruction, not ${sliceInstructions}`,
      );
    this.sliceInstructions = sliceInstructions;
  }

  add(vcpu: Vcpu): void {
    if (!this.#vcpus.includes(vcpu)) this.#vcpus.push(vcpu);
  }

  remove(vcpu: Vcpu): void {
    const at = this.#vcpus.indexOf(vcpu);
    if (at < 0) return;
    this.#vcpus.splice(at, 1);
    if (at < this.#next) this.#next--;
  }

  get hasRunnable(): boolean {
    for (const vcpu of this.#vcpus) if (vcpu.runnable) return true;
    return false;
  }

  /** Somebody but `vcpu` wants the CPU. */
  othersRunnable(vcpu: Vcpu): boolean {
    if (this.#vcpus.length === 1) return false;
    for (const other of this.#vcpus)
      if (other !== vcpu && other.runnable && !(other.set === vcpu.set && other.idles)) return true;
    return false;
  }

  /** The next runnable vcpu in turn, with a new time slice; undefined when there is none. */
  choose(): Vcpu | undefined {
    const count = this.#vcpus.length;
    for (let i = 0; i < count; i++) {
      const at = (this.#next + i) % count;
      const vcpu = this.#vcpus[at] as Vcpu;
      if (!vcpu.runnable) continue;
      this.#next = at + 1;
      this.renewSlice(vcpu);
      return vcpu;
    }
    return undefined;
  }

  renewSlice(vcpu: Vcpu): void {
    vcpu.sliceEnd = vcpu.retired + this.sliceInstructions;
    for (const other of vcpu.set.vcpus) if (other !== vcpu && other.hasWork) this.shortenSlice(vcpu);
  }

  /** Another vcpu of the same vm has work, or has got some: it must not wait for longer than a quantum. */
  shortenSlice(vcpu: Vcpu): void {
    vcpu.sliceEnd = Math.min(vcpu.sliceEnd, vcpu.retired + vcpu.set.turnOf(vcpu));
  }
}
