import type { AuditViolation } from "../../src/mmu/pager.ts";
import type { Vm } from "../../src/vm/vm.ts";

/** Checks every invariant of a vm's pager now and then, and remembers what was wrong. */
export class Audits {
  runs = 0;
  violations = 0;
  /** The first ones, for the report. */
  readonly examples: AuditViolation[] = [];
  readonly #vm: Vm;
  readonly #every: number;
  #left: number;

  /** @param every exits between two audits; 0: only when asked */
  constructor(vm: Vm, every: number) {
    this.#vm = vm;
    this.#every = every;
    this.#left = every;
  }

  /** To be called once an exit, while the bus is quiet. */
  exit(): void {
    if (this.#every === 0 || --this.#left > 0) return;
    this.#left = this.#every;
    this.run();
  }

  /** Nothing is left to audit of a vm that has ended. */
  run(): void {
    if (this.#vm.reason !== undefined) return;
    this.runs++;
    const found = this.#vm.audit();
    this.violations += found.length;
    if (this.examples.length < 10) this.examples.push(...found.slice(0, 10 - this.examples.length));
  }
}
