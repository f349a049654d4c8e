import { type Gva, PAGE_SHIFT } from "../../address.ts";

/** Piece (2 MiB of linear addresses, the smallest large page) and page of an address. */
const PIECE_SHIFT = 21;
const pieceOf = (gva: number): number => gva >>> PIECE_SHIFT;
const pageOf = (gva: number): number => gva >>> PAGE_SHIFT;

/**
 * When the guest demanded which invalidation: the audit's own account, kept apart from the code that drops shadow entries, so that a
 * missed drop shows. Time is a counter that every demand moves on; an entry filled at time t has missed a demand made later than t.
 */
export class InvalidationLedger {
  #now: number;
  #all = 0;
  #nonGlobal = 0;
  /** Last demand for each page, and for any page of each piece. */
  readonly #pages = new Uint32Array(1 << 20);
  readonly #pieces = new Uint32Array(1 << 11);

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
    this.#pieces[pieceOf(gva)] = now;
  }

  /**
   * True when a translation filled at `filledAt` should have been dropped since. The guest maps it by a page of 2 to the power of
   * `pageShift` bytes, which INVLPG of any address in it drops as a whole (Intel SDM vol. 3, 4.10.4.1).
   */
  missed(gva: number, filledAt: number, global: boolean, pageShift: 12 | 21 | 22): boolean {
    return (
      filledAt < this.#all || filledAt < this.#last(gva, pageShift) || (!global && filledAt < this.#nonGlobal)
    );
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
    this.#pieces.fill(0);
  }

  /** The last demand for any page of the guest's page around an address. */
  #last(gva: number, pageShift: 12 | 21 | 22): number {
    if (pageShift === PAGE_SHIFT) return this.#pages[pageOf(gva)] as number;
    const piece = pieceOf(gva);
    const other = pageShift === PIECE_SHIFT ? piece : piece ^ 1;
    return Math.max(this.#pieces[piece] as number, this.#pieces[other] as number);
  }

  #tick(): number {
    this.#now++;
    return this.#now;
  }
}
