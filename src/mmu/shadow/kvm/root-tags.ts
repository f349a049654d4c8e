/** What the hardware's root registers lead to: the pages for the four GiB, 0 for none; with 4-level tables the first one alone. */
export type RootPages = readonly [number, number, number, number];

interface TaggedRoots {
  readonly tag: number;
  readonly roots: RootPages;
}

/** Sets of roots that are remembered; the hardware keeps translations of fewer. */
const REMEMBERED = 16;

/**
 * Tags for the hardware's cached translations, one a set of roots: when the same pages are loaded again, what was translated through them before holds
 * still, as every change below them has had its flush.
 */
export class RootTags {
  /** The one used last comes last. */
  readonly #known: TaggedRoots[] = [];
  #last = 0;

  /** The tag of these roots, a new one if they are not remembered. */
  tagOf(roots: RootPages): number {
    const known = this.#known;
    const [a, b, c, d] = roots;
    // Used a moment ago, most of the time.
    let at = known.length - 1;
    for (; at >= 0; at--) {
      const { roots: pages } = known[at] as TaggedRoots;
      if (pages[0] === a && pages[1] === b && pages[2] === c && pages[3] === d) break;
    }
    const entry = at < 0 ? { tag: ++this.#last, roots: [a, b, c, d] as const } : (known[at] as TaggedRoots);
    if (at < 0) {
      if (known.length === REMEMBERED) known.shift();
      known.push(entry);
    } else {
      for (; at < known.length - 1; at++) known[at] = known[at + 1] as TaggedRoots;
      known[at] = entry;
    }
    return entry.tag;
  }

  rootsOf(tag: number): RootPages | undefined {
    return this.#known.find((each) => each.tag === tag)?.roots;
  }

  /** The tags of all remembered sets that one of these pages is in. */
  tagsWith(sids: readonly number[]): number[] {
    return this.#known.filter(({ roots }) => roots.some((sid) => sids.includes(sid))).map(({ tag }) => tag);
  }

  /** A page goes: whatever comes in its place is another root. */
  forget(sid: number): void {
    for (let k = this.#known.length - 1; k >= 0; k--)
      if (this.#known[k]?.roots.includes(sid)) this.#known.splice(k, 1);
  }
}
