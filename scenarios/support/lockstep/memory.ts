/** Compares the memory of two guests, with an eye on the accessed and dirty bits of their page tables. */
import { type Gfn, NO_FRAME } from "../../../src/mmu/address.ts";
import type { GuestMemory } from "../../../src/mmu/guest-memory.ts";

const PRESENT = 1;
const ACCESSED_DIRTY = 0x60;
const LARGE = 0x80;
const WORDS = 1024;
const MOST_EXAMPLES = 8;

export interface DifferentWord {
  readonly gpa: number;
  readonly a: number;
  readonly b: number;
}

export interface MemoryDifference {
  /** Words that differ in more than A and D bits of page-table entries. */
  readonly words: number;
  /** The first of them. */
  readonly examples: readonly DifferentWord[];
  /** Page-table entries that differ in A and D only. */
  readonly accessedDirtyOnly: number;
}

/**
 * Which guest pages are, or were, page directories and page tables. A and D bits may be set at different moments by different
 * pagers (a shadow entry outlives an entry of the TLB); in every other word a difference is a defect.
 *
 * A page counts as a directory once CR3 has pointed to it, and as a table when a present entry of such a directory points to it
 * now. Tables of a directory that CR3 never pointed to are ordinary memory here, so that nothing is excused too easily.
 */
export class TablePages {
  readonly #directories = new Set<number>();

  /** @param cr3 what CR3 holds, or is loaded with */
  note(cr3: number): void {
    this.#directories.add(cr3 >>> 12);
  }

  /** The gfns of all of them. */
  pages(memory: GuestMemory): Set<number> {
    const pages = new Set<number>();
    for (const directory of this.#directories) {
      const words = pageWords(memory, directory);
      if (words === undefined) continue;
      pages.add(directory);
      for (const entry of words) if ((entry & (PRESENT | LARGE)) === PRESENT) pages.add(entry >>> 12);
    }
    return pages;
  }
}

/** Compares all of two equally large guest memories. */
export function compareMemory(
  a: GuestMemory,
  b: GuestMemory,
  tablesA: TablePages,
  tablesB: TablePages,
): MemoryDifference {
  let words = 0;
  let accessedDirtyOnly = 0;
  const examples: DifferentWord[] = [];
  let tablePages: Set<number> | undefined;
  for (let gfn = 0; gfn < a.p2m.table.length; gfn++) {
    const pageA = pageWords(a, gfn);
    const pageB = pageWords(b, gfn);
    if (pageA === undefined || pageB === undefined || Buffer.compare(bytes(pageA), bytes(pageB)) === 0)
      continue;
    tablePages ??= new Set([...tablesA.pages(a), ...tablesB.pages(b)]);
    const isTable = tablePages.has(gfn);
    for (let index = 0; index < WORDS; index++) {
      const wordA = pageA[index] as number;
      const wordB = pageB[index] as number;
      if (wordA === wordB) continue;
      if (isTable && wordA & wordB & PRESENT && ((wordA ^ wordB) & ~ACCESSED_DIRTY) === 0)
        accessedDirtyOnly++;
      else {
        words++;
        if (examples.length < MOST_EXAMPLES)
          examples.push({ gpa: gfn * 4096 + index * 4, a: wordA, b: wordB });
      }
    }
  }
  return { words, examples, accessedDirtyOnly };
}

function pageWords(memory: GuestMemory, gfn: number): Uint32Array | undefined {
  const mfn = memory.p2m.lookup(gfn as Gfn);
  if (mfn === NO_FRAME) return undefined;
  return memory.machine.u32.subarray(mfn * WORDS, (mfn + 1) * WORDS);
}

const bytes = (words: Uint32Array): Uint8Array =>
  new Uint8Array(words.buffer, words.byteOffset, words.byteLength);

/** For `Vm.memoryHash`: clears A and D of every present entry in the pages that are tables. */
export function withoutAccessedDirty(pages: ReadonlySet<number>): (gfn: number, words: Uint32Array) => void {
  return (gfn, words) => {
    if (!pages.has(gfn)) return;
    for (let index = 0; index < words.length; index++) {
      const word = words[index] as number;
      if (word & PRESENT) words[index] = word & ~ACCESSED_DIRTY;
    }
  };
}
