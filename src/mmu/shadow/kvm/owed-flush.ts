/** Most pages that are flushed one by one: beyond, dropping everything costs the guest less than telling them all. */
export const FLUSH_CEILING = 256;

/** The translations that must be dropped before anything relies on their absence: those of some pages, or all. */
export class OwedFlush {
  readonly #pages = new Set<number>();
  #all = false;

  get isOwed(): boolean {
    return this.#all || this.#pages.size > 0;
  }
  /** Everything is owed: there is nothing to add. */
  get isAll(): boolean {
    return this.#all;
  }

  addAll(): void {
    this.#all = true;
  }

  /** Of the page of an address. */
  add(gva: number): void {
    if (this.#all) return;
    this.#pages.add(Math.floor(gva / 4096));
    if (this.#pages.size > FLUSH_CEILING) this.#all = true;
  }

  /** What is owed, which then is no longer: addresses of pages, in order, or undefined for all. */
  take(): number[] | undefined {
    const pages = this.#all
      ? undefined
      : Array.from(this.#pages, (page) => page * 4096).sort((a, b) => a - b);
    this.#all = false;
    this.#pages.clear();
    return pages;
  }
}
