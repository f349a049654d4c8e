const BUCKETS = 1024;
const NONE = 0;

/** Shadow pages by gfn, in lists through arrays; new pages come first. Several pages may have the same gfn. */
export class PageHash {
  readonly #head = new Int32Array(BUCKETS);
  readonly #next: Int32Array;
  readonly #previous: Int32Array;

  constructor(ids: number) {
    this.#next = new Int32Array(ids);
    this.#previous = new Int32Array(ids);
  }

  get bytes(): number {
    return this.#head.byteLength + this.#next.byteLength + this.#previous.byteLength;
  }

  /** First page of the bucket of a gfn, 0 if it is empty; others of the bucket may have other gfns. */
  first(gfn: number): number {
    return this.#head[gfn & (BUCKETS - 1)] as number;
  }
  next(sid: number): number {
    return this.#next[sid] as number;
  }

  add(gfn: number, sid: number): void {
    const bucket = gfn & (BUCKETS - 1);
    const head = this.#head[bucket] as number;
    this.#next[sid] = head;
    this.#previous[sid] = NONE;
    if (head !== NONE) this.#previous[head] = sid;
    this.#head[bucket] = sid;
  }

  remove(gfn: number, sid: number): void {
    const next = this.#next[sid] as number;
    const previous = this.#previous[sid] as number;
    if (previous === NONE) this.#head[gfn & (BUCKETS - 1)] = next;
    else this.#next[previous] = next;
    if (next !== NONE) this.#previous[next] = previous;
    this.#next[sid] = NONE;
    this.#previous[sid] = NONE;
  }

  /** Every bucket's pages, for the audit. */
  buckets(): number[][] {
    return Array.from(this.#head, (head) => {
      const sids: number[] = [];
      for (let sid = head; sid !== NONE && sids.length < this.#next.length; sid = this.next(sid))
        sids.push(sid);
      return sids;
    });
  }
}
