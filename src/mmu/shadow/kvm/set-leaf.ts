import { NO_FRAME } from "../../address.ts";
import { Pte, Right } from "../../format.ts";
import { clearLeaf, dropLeaf, dropLink } from "./drop.ts";
import { setMmio } from "./mmio.ts";
import { sidOf } from "./pages.ts";
import { needProtect } from "./protect.ts";
import type { Level } from "./role.ts";
import { highOf, isMmio, isPresent, narrows, Spte } from "./spte.ts";
import type { KvmShadow } from "./state.ts";
import { oweLeaf } from "./translated.ts";

/** On whose behalf a leaf is made. */
export const Install = {
  /** A fault: what is asked for is granted, if need be by making pages unsync. */
  demand: 0,
  /** A guess: nothing is made unsync for it, A stays clear, no write is logged that has not happened. */
  speculative: 1,
  /** A leaf of an unsync page is brought up to date: as a guess, but what is writable may stay so. */
  sync: 2,
} as const;
export type Install = (typeof Install)[keyof typeof Install];

/** What became of it. */
export const Installed = {
  done: 0,
  /** Read-only, because the gfn is a table that must stay protected. */
  protected: 1,
  /** Not made: a large page is not possible (any more). */
  tooLarge: 2,
} as const;
export type Installed = (typeof Installed)[keyof typeof Installed];

/** Most leaves of one gfn; with more, all are dropped (and fault back in as they are used). */
export const RECYCLE_THRESHOLD = 1000;

/**
 * Makes slot `g` map `gfn` with these rights. The slot may hold anything; a leaf that maps the same gfn at the same frame stays in its
 * list. `frame` is the host's, NO_FRAME for MMIO.
 */
export function setLeaf(
  s: KvmShadow,
  g: number,
  access: number,
  gfn: number,
  frame: number,
  install: Install,
): Installed {
  const { pages, slots } = s;
  const sid = sidOf(g);
  const level = pages.level(sid);
  const keep = makeRoom(s, g, level, gfn, frame);
  if (frame === NO_FRAME) {
    setMmio(s, g, gfn, access);
    return Installed.done;
  }
  const oldLo = pages.lo(g);
  const oldHi = pages.hi(g);
  const hostWritable = slots.hostWritable(gfn);
  let rights = hostWritable ? access : access & ~Right.write;
  let result: Installed = Installed.done;
  if ((rights & Right.write) !== 0) {
    if (level > 1 && !mayBeLarge(s, gfn, level)) {
      if (keep) dropLeaf(s, g);
      return Installed.tooLarge;
    }
    const stays = install === Install.sync && (oldLo & Pte.writable) !== 0;
    if (stays) {
      // It was found writable before the guest's table was looked at: nothing new is granted.
    } else if (install !== Install.demand && slots.find(gfn)?.dirty !== undefined) rights &= ~Right.write;
    else if (needProtect(s, gfn, install === Install.demand)) {
      rights &= ~Right.write;
      result = Installed.protected;
    } else slots.markDirty(gfn);
  }
  let lo =
    (frame << 12) |
    Pte.present |
    (rights & (Right.write | Right.user | Right.lent)) |
    (install === Install.demand ? Pte.accessed : 0) |
    (level > 1 ? Pte.large : 0) |
    (hostWritable ? Spte.hostWritable : 0) |
    ((rights & Right.write) === 0 ? 0 : Spte.mmuWritable);
  if (keep) lo |= oldLo & Pte.dirty;
  lo >>>= 0;
  const hi = highOf(rights);
  if (keep && narrows(oldLo, oldHi, lo, hi)) oweLeaf(s, g);
  if (!pages.isDirect(sid)) pages.leafGfn[g] = gfn;
  pages.write(g, lo, hi);
  if (!keep || oldLo !== lo || oldHi !== hi) s.listener.filled(g, gfn, lo, hi);
  if (!keep) addToRmap(s, g, gfn, level);
  if (install === Install.speculative) {
    s.last.spte = g;
    s.last.spteGfn = gfn;
  }
  return result;
}

/** Empties the slot unless it holds a leaf that maps the same gfn at the same frame; returns whether it does. */
function makeRoom(s: KvmShadow, g: number, level: Level, gfn: number, frame: number): boolean {
  const { pages } = s;
  const lo = pages.lo(g);
  if (isPresent(lo)) {
    if (level > 1 && (lo & Pte.large) === 0) dropLink(s, g);
    else if (lo >>> 12 !== frame || pages.leafGfnOf(g) !== gfn) dropLeaf(s, g);
    else return true;
  } else if (isMmio(lo) && frame !== NO_FRAME) {
    pages.clear(g);
    oweLeaf(s, g);
  }
  return false;
}

function mayBeLarge(s: KvmShadow, gfn: number, level: Level): boolean {
  return s.slots.writeCount(gfn, 2) === 0 && (level === 2 || s.slots.writeCount(gfn, 3) === 0);
}

function addToRmap(s: KvmShadow, g: number, gfn: number, level: Level): void {
  const slot = s.slots.find(gfn);
  const sid = sidOf(g);
  if (slot !== undefined) s.pages.slotBits[sid] = (s.pages.slotBits[sid] as number) | (1 << (slot.id & 31));
  if (level > 1) s.stats.largeLeaves++;
  const cell = s.cells.rmap(gfn, level);
  const before = s.lists.add(cell, g, RECYCLE_THRESHOLD + 1);
  if (before <= RECYCLE_THRESHOLD || !s.options.recycle) return;
  // The one just made goes too: the access is repeated, and finds its own list short.
  const dropped = s.lists.drain(cell, (each) => clearLeaf(s, each));
  s.stats.recycledGfns++;
  s.listener.recycled(gfn, dropped);
}
