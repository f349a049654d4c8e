import { type ObjectListArrays, ObjectLists } from "./object-lists.ts";
import { NIL } from "./pte-lists.ts";

const SLOTS = 4;
/** The slots and the number of the next descriptor. */
const WORDS = SLOTS + 1;

/** Lists of leaves in descriptors of four (Linux 2.6.35, struct kvm_rmap_desc). New descriptors go to the end of a list. */
export class RmapDescriptors extends ObjectLists {
  constructor(arrays: ObjectListArrays) {
    super(SLOTS, WORDS, arrays);
  }

  /** The first descriptor with room takes the entry. */
  protected override addToObjects(_cell: number, first: number, g: number): void {
    let id = first;
    while (this.pool.words[this.pool.base(id) + SLOTS - 1] !== NIL) {
      const more = this.more(id);
      if (more === 0) {
        const fresh = this.pool.take();
        this.setMore(id, fresh);
        id = fresh;
        break;
      }
      id = more;
    }
    this.pool.words[this.pool.base(id) + this.used(id)] = g;
  }

  /** The last entry of the same descriptor takes the place. */
  protected override closeGap(id: number, index: number): void {
    const { words } = this.pool;
    const base = this.pool.base(id);
    const last = this.used(id) - 1;
    words[base + index] = words[base + last] as number;
    words[base + last] = NIL;
  }

  protected override unlink(cell: number, id: number, previous: number): void {
    const more = this.pool.words[this.pool.base(id) + SLOTS] as number;
    if (previous === 0) this.setFirst(cell, more);
    else this.setMore(previous, more);
  }
}
