import { Pte } from "../../format.ts";
import { dropSpte } from "./drop.ts";
import { countPageWrite, countVcpuWrite } from "./flood.ts";
import { spteAt } from "./pages.ts";
import { installGpte } from "./prefetch.ts";
import { isTable } from "./protect.ts";
import { CONTEXT_BITS, isWide, type Level, quadrantOf } from "./role.ts";
import type { KvmShadow } from "./state.ts";
import { commitZap, prepareZap, type ZapList } from "./zap.ts";

/** A store to guest-physical memory, already done. */
export interface TableStore {
  readonly gpa: number;
  /** 1, 2, 4 or 8; does not cross a page. */
  readonly bytes: number;
}

/** Brings every shadow of a table up to date with a store that the guest has made into it. */
export function tableWritten(s: KvmShadow, store: TableStore): void {
  const { pages } = s;
  const gfn = Math.floor(store.gpa / 4096);
  s.slots.markDirty(gfn);
  if (pages.indirect === 0) return;
  s.stats.tableWrites++;
  const tables: number[] = [];
  for (let sid = pages.hash.first(gfn); sid !== 0; sid = pages.hash.next(sid))
    if (isTable(s, sid, gfn)) tables.push(sid);
  s.lists.reserve(tables.length * 2);
  const vcpuFlooded = s.options.flood === "vcpu" && countVcpuWrite(s, gfn);
  const zapped: ZapList = [];
  for (const sid of tables) {
    if (!pages.isLive(sid)) continue;
    const flooded = vcpuFlooded || (s.options.flood === "page" && countPageWrite(s, sid));
    if (flooded || isMisaligned(s, sid, store)) {
      prepareZap(s, sid, zapped);
      s.stats.flooded++;
      s.listener.flooded(gfn);
    } else update(s, sid, store);
  }
  commitZap(s, zapped);
  s.settleFlush();
}

/** The gpte that a store changes: its offset in the table and size, after widening half of an 8-byte gpte to the whole. */
function gpteOf(wide: boolean, store: TableStore): { offset: number; bytes: number } {
  const offset = store.gpa & 0xfff;
  const half = wide && store.bytes === 4 && (offset & 7) <= 4;
  return half ? { offset: offset & ~7, bytes: 8 } : { offset, bytes: store.bytes };
}

/** The store is no store of one gpte: the page is not used as a table any more, or in a way that cannot be followed. */
function isMisaligned(s: KvmShadow, sid: number, store: TableStore): boolean {
  const wide = isWide(s.pages.role[sid] as number);
  const { offset, bytes } = gpteOf(wide, store);
  const size = wide ? 8 : 4;
  // Guests clear a flag bit so.
  if (bytes === 1 && offset % size === 0) return false;
  return bytes < 4 || Math.floor(offset / size) !== Math.floor((offset + bytes - 1) / size);
}

/** Slots of a page that a store at an offset of its table concerns: the first one and how many; none in another quadrant. */
export function slotsHit(role: number, level: Level, offset: number): { first: number; count: number } {
  if (isWide(role)) return { first: offset >>> 3, count: 1 };
  const scaled = level === 1 ? offset * 2 : ((offset * 2) & ~7) * 2;
  const count = scaled >>> 12 === quadrantOf(role) ? level : 0;
  return { first: (scaled & 0xfff) >>> 3, count };
}

function update(s: KvmShadow, sid: number, store: TableStore): void {
  const { pages, memory } = s;
  const role = pages.role[sid] as number;
  const level = pages.level(sid);
  const wide = isWide(role);
  const { offset, bytes } = gpteOf(wide, store);
  const { first, count } = slotsHit(role, level, offset);
  const table = (pages.gfn[sid] as number) * 4096;
  const whole = bytes >= 4;
  const lo = whole ? memory.readEntry32(table + (offset & (wide ? ~7 : ~3))) : 0;
  const hi = whole && wide ? memory.readEntry32(table + (offset & ~7) + 4) : 0;
  for (let slot = first; slot < first + count; slot++) {
    const g = spteAt(sid, slot);
    if ((pages.lo(g) & Pte.present) !== 0 && level > 1) s.stats.pdeZapped++;
    dropSpte(s, g);
    if (level === 1 && (lo | hi) !== 0 && ((role ^ s.mode.base) & CONTEXT_BITS) === 0)
      installGpte(s, sid, g, lo, hi);
  }
}
