/** Most pages that are flushed one by one: beyond, dropping everything costs the guest less than telling them all. */
export const FLUSH_CEILING = 256;

/** The translations that must be dropped before anything relies on their absence: those of some pages, those through some roots, or all. */
export class OwedFlush {
  readonly #pages = new Set<number>();
  readonly #roots = new Set<number>();
  #all = false;

  get isOwed(): boolean {
    return this.#all || this.#pages.size > 0 || this.#roots.size > 0;
  }
  get isAll(): boolean {
    return this.#all;
  }

  addAll(): void {
    this.#all = true;
  }

  /** Of the page of an address, through whatever roots. */
  add(gva: number): void {
    if (this.#all) return;
    this.#pages.add(Math.floor(gva / 4096));
    if (this.#pages.size > FLUSH_CEILING) this.#all = true;
  }

  /** All that were made while page `sid` was a root. */
  addRoot(sid: number): void {
    this.#roots.add(sid);
  }
  /** Nothing is to be added of what is reached through root `sid`. */
  hasRoot(sid: number): boolean {
    return this.#all || this.#roots.has(sid);
  }

  /** What is owed, which then is no longer: addresses of pages, in order, and roots; undefined for all. */
  take(): { pages: number[]; roots: number[] } | undefined {
    const owed = this.#all
      ? undefined
      : {
          pages: Array.from(this.#pages, (page) => page * 4096).sort((a, b) => a - b),
          roots: [...this.#roots],
        };
    this.#all = false;
    this.#pages.clear();
    this.#roots.clear();
    return owed;
  }
}
