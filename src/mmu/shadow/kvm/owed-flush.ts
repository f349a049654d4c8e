/** Most pages that are flushed one by one: beyond, dropping everything costs the guest less than telling them all. */
export const FLUSH_CEILING = 256;

/** What `OwedFlush.take` gives: addresses of pages, each once, in order, and pages that are or were roots. */
export interface TakenFlush {
  readonly pages: number[];
  readonly roots: number[];
}

/** The translations that must be dropped before anything relies on their absence: those of some pages, those through some roots, or all. */
export class OwedFlush {
  /** Some of them twice. */
  #pages: number[] = [];
  #roots: number[] = [];
  #all = false;

  get isOwed(): boolean {
    return this.#all || this.#pages.length > 0 || this.#roots.length > 0;
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
    const page = gva - (gva % 4096);
    const pages = this.#pages;
    if (pages.length > 0 && pages[pages.length - 1] === page) return;
    pages.push(page);
    if (pages.length <= FLUSH_CEILING) return;
    this.#pages = sorted(pages);
    this.#all = this.#pages.length > FLUSH_CEILING;
  }

  /** All that were made while page `sid` was a root. */
  addRoot(sid: number): void {
    if (!this.#roots.includes(sid)) this.#roots.push(sid);
  }
  /** Nothing need be added of what is reached through root `sid`. */
  hasRoot(sid: number): boolean {
    return this.#all || this.#roots.includes(sid);
  }

  /** What is owed, which then is no longer; undefined for all. */
  take(): TakenFlush | undefined {
    const pages = this.#pages.length > 1 ? sorted(this.#pages) : this.#pages;
    const owed = this.#all || pages.length > FLUSH_CEILING ? undefined : { pages, roots: this.#roots };
    this.#all = false;
    this.#pages = [];
    this.#roots = [];
    return owed;
  }
}

/** Each once, in order. */
function sorted(pages: number[]): number[] {
  pages.sort((a, b) => a - b);
  return pages.filter((page, i) => page !== pages[i - 1]);
}
