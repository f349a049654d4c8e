import { clearLeaf } from "./drop.ts";
import { logProtect } from "./protect.ts";
import type { Level } from "./role.ts";
import type { MemorySlot } from "./slots.ts";
import type { KvmShadow } from "./state.ts";

/** Begins to log writes to a slot: from now on the first write to each page faults. Large leaves of the slot are dropped. */
export function startDirtyLog(s: KvmShadow, slot: MemorySlot): void {
  slot.dirty = new Uint32Array(Math.ceil(slot.pages / 32));
  for (let gfn = slot.baseGfn; gfn < slot.baseGfn + slot.pages; gfn++) logProtect(s, gfn);
  for (const level of [2, 3] as const) dropLarge(s, slot, level);
  s.settleFlush();
}

export function stopDirtyLog(slot: MemorySlot): void {
  slot.dirty = undefined;
}

/** The pages written since the log was started or last read, one bit each; they are protected again. Throws RangeError if not logged. */
export function readDirtyLog(s: KvmShadow, slot: MemorySlot): Uint32Array {
  const { dirty } = slot;
  if (dirty === undefined)
    throw new RangeError(`writes to memory slot ${slot.id} are not logged: start the log first`);
  const snapshot = dirty.slice();
  dirty.fill(0);
  for (const [word, bits] of snapshot.entries())
    for (let bit = 0; bit < 32 && bits >>> bit !== 0; bit++)
      if ((bits & (1 << bit)) !== 0) logProtect(s, slot.baseGfn + word * 32 + bit);
  s.settleFlush();
  return snapshot;
}

function dropLarge(s: KvmShadow, slot: MemorySlot, level: Level): void {
  const first = s.cells.rmap(slot.baseGfn, level);
  const last = s.cells.rmap(slot.baseGfn + slot.pages - 1, level);
  for (let cell = first; cell <= last; cell++) s.lists.drain(cell, (g) => clearLeaf(s, g));
}
