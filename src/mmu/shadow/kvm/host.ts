import { NO_FRAME } from "../../address.ts";
import { Pte } from "../../format.ts";
import { clearLeaf } from "./drop.ts";
import { mmioLayoutChanged } from "./mmio.ts";
import type { Level } from "./role.ts";
import type { MemorySlot } from "./slots.ts";
import { Spte } from "./spte.ts";
import type { KvmShadow } from "./state.ts";
import { oweLeaf } from "./translated.ts";
import { zapEverything } from "./zap.ts";

const LEVELS: readonly Level[] = [1, 2, 3];

/**
 * Whether a gfn was used since this was last asked: A of its leaves, which is cleared. No flush: what a TLB holds may go on being used
 * without setting A again, and the answer is an approximate one.
 */
export function age(s: KvmShadow, gfn: number): boolean {
  const { pages } = s;
  let young = false;
  for (const level of LEVELS)
    s.lists.filter(s.cells.rmap(gfn, level), (g) => {
      const lo = pages.lo(g);
      if ((lo & Pte.accessed) !== 0) {
        young = true;
        pages.write(g, lo & ~Pte.accessed, pages.hi(g));
      }
      return true;
    });
  return young;
}

/**
 * The p2m has a new frame for a gfn. A frame that the host allows writes to is faulted in; one that it shares is put into the leaves, which
 * lose W, HOST_W and A, and stay in their list.
 */
export function frameMoved(s: KvmShadow, gfn: number, writable: boolean): void {
  const { pages, slots } = s;
  slots.setHostWritable(gfn, writable);
  slots.layoutChanged();
  const frame = slots.frame(gfn);
  for (const level of LEVELS) {
    const cell = s.cells.rmap(gfn, level);
    if (writable || level > 1 || frame === NO_FRAME) s.lists.drain(cell, (g) => clearLeaf(s, g));
    else
      s.lists.filter(cell, (g) => {
        const bits = Pte.writable | Spte.hostWritable | Spte.mmuWritable | Pte.accessed;
        const lo = ((pages.lo(g) & 0xfff & ~bits) | (frame << 12)) >>> 0;
        pages.write(g, lo, pages.hi(g));
        oweLeaf(s, g);
        s.listener.filled(g, gfn, lo, pages.hi(g));
        return true;
      });
  }
  s.settleFlush();
}

/** A slot goes: everything is zapped first, so that no leaf of it is listed any more. Returns the slot. */
export function removeSlot(s: KvmShadow, id: number): MemorySlot {
  const slot = s.slots.byId(id);
  if (slot === undefined) throw new RangeError(`there is no memory slot ${id}`);
  zapEverything(s);
  s.slots.removeSlot(id);
  rebase(s);
  return slot;
}

/** A slot comes: what was MMIO there no longer is. */
export function addSlot(s: KvmShadow, slot: MemorySlot): void {
  if (slot.baseGfn < 0 || slot.baseGfn + slot.pages > s.slots.limit)
    throw new RangeError(`memory slot ${slot.id} ends beyond the guest's ${s.slots.limit} pages`);
  s.slots.addSlot(slot);
  rebase(s);
}

function rebase(s: KvmShadow): void {
  mmioLayoutChanged(s);
  s.settleFlush();
}
