import { type ObjectListArrays, ObjectLists } from "./object-lists.ts";
import { NIL } from "./pte-lists.ts";

const SLOTS = 5;
const BACK = SLOTS + 1;
/** The slots, the number of the next chain and that of the one before. */
const WORDS = SLOTS + 2;

/** Lists of parents in chains of five (Linux 2.6.35, struct kvm_pte_chain), linked both ways. New chains go to the front of a list. */
export class ParentChains extends ObjectLists {
  constructor(arrays: ObjectListArrays) {
    super(SLOTS, WORDS, arrays);
  }

  /** The first chain with room takes the entry. */
  protected override addToObjects(cell: number, first: number, g: number): void {
    let id = first;
    while (id !== 0 && this.pool.words[this.pool.base(id) + SLOTS - 1] !== NIL) id = this.more(id);
    if (id === 0) {
      id = this.pool.take();
      this.setMore(id, first);
      this.#setBack(first, id);
      this.setFirst(cell, id);
    }
    this.pool.words[this.pool.base(id) + this.used(id)] = g;
  }

  /** Those behind move up. */
  protected override closeGap(id: number, index: number): void {
    const base = this.pool.base(id);
    this.pool.words.copyWithin(base + index, base + index + 1, base + SLOTS);
    this.pool.words[base + SLOTS - 1] = NIL;
  }

  protected override unlink(cell: number, id: number): void {
    const base = this.pool.base(id);
    const more = this.pool.words[base + SLOTS] as number;
    const back = this.pool.words[base + BACK] as number;
    if (back === 0) this.setFirst(cell, more);
    else this.setMore(back, more);
    if (more !== 0) this.#setBack(more, back);
  }

  override check(noun: string, from: number, to: number): string[] {
    const found = super.check(noun, from, to);
    if (found.length > 0) return found;
    for (let cell = from; cell < to; cell++) {
      const word = this.heads[cell] as number;
      if ((word & 1) === 0) continue;
      let back = 0;
      for (let id = word >>> 1; id !== 0; id = this.pool.words[this.pool.base(id) + SLOTS] as number) {
        if (this.pool.words[this.pool.base(id) + BACK] !== back)
          found.push(`${noun} ${id} of list ${cell} leads back wrongly`);
        back = id;
      }
    }
    return found;
  }

  #setBack(id: number, back: number): void {
    this.pool.words[this.pool.base(id) + BACK] = back;
  }
}
