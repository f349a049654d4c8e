import { type Gva, PAGE_SHIFT } from "../../address.ts";

/** Directory slot (4 MiB of linear addresses) and page of an address. */
const slotOf = (gva: number): number => gva >>> 22;
const pageOf = (gva: number): number => gva >>> PAGE_SHIFT;

/**
 * When the guest demanded which invalidation: the audit's own account, kept apart from the code that drops shadow entries, so that a
 * missed drop shows. Time is a counter that every demand moves on; an entry filled at time t has missed a demand made later than t.
 */
export class InvalidationLedger {
  #now: number;
  #all = 0;
  #nonGlobal = 0;
  /** Last demand for each page, and for any page of each slot. */
  readonly #pages = new Uint32Array(1 << 20);
  readonly #slots = new Uint32Array(1 << 10);

  constructor(now = 1) {
    this.#now = now;
  }

  /** Stamp for what is filled now. */
  get now(): number {
    return this.#now;
  }

  /** The guest dropped every translation (CR0 or CR4 change). */
  demandAll(): void {
    this.#all = this.#tick();
  }

  /** The guest dropped every translation but global ones (CR3 load). */
  demandNonGlobal(): void {
    this.#nonGlobal = this.#tick();
  }

  /** INVLPG. */
  demandPage(gva: Gva): void {
    const now = this.#tick();
    this.#pages[pageOf(gva)] = now;
    this.#slots[slotOf(gva)] = now;
  }

  /**
   * True when a translation filled at `filledAt` should have been dropped since. `large`: the guest maps it by a 4 MiB page, which
   * INVLPG of any address in it drops as a whole (Intel SDM vol. 3, 4.10.4.1).
   */
  missed(gva: number, filledAt: number, global: boolean, large: boolean): boolean {
    const page = large ? this.#slots[slotOf(gva)] : this.#pages[pageOf(gva)];
    return filledAt < this.#all || filledAt < (page as number) || (!global && filledAt < this.#nonGlobal);
  }

  /** True when the stamps (32 bits) are nearly used up: drop everything, then `restart`. */
  get exhausted(): boolean {
    return this.#now >= 0xfffffff0;
  }

  /** Only with no entry filled. */
  restart(): void {
    this.#now = 1;
    this.#all = 0;
    this.#nonGlobal = 0;
    this.#pages.fill(0);
    this.#slots.fill(0);
  }

  #tick(): number {
    this.#now++;
    return this.#now;
  }
}
