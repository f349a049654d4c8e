const NONE = 0;

/**
 * The pages in use, newest first. Pages are not moved when they are used, so that the back is the oldest page, not the least recently used;
 * victims are taken from there.
 */
export class ActiveList {
  /** Element 0 is the list itself: next leads to the front, previous to the back. */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;

  constructor(ids: number) {
    this.#next = new Int32Array(ids);
    this.#previous = new Int32Array(ids);
  }

  get bytes(): number {
    return this.#next.byteLength + this.#previous.byteLength;
  }

  /** 0 when empty. */
  get front(): number {
    return this.#next[NONE] as number;
  }
  get back(): number {
    return this.#previous[NONE] as number;
  }

  pushFront(sid: number): void {
    const front = this.front;
    this.#next[sid] = front;
    this.#previous[sid] = NONE;
    this.#previous[front] = sid;
    this.#next[NONE] = sid;
  }

  remove(sid: number): void {
    const next = this.#next[sid] as number;
    const previous = this.#previous[sid] as number;
    this.#next[previous] = next;
    this.#previous[next] = previous;
    this.#next[sid] = NONE;
    this.#previous[sid] = NONE;
  }

  moveToFront(sid: number): void {
    this.remove(sid);
    this.pushFront(sid);
  }

  /** From the front to the back. */
  *[Symbol.iterator](): Generator<number> {
    for (let sid = this.front; sid !== NONE; sid = this.#next[sid] as number) yield sid;
  }
}
