import { Cr4, Efer } from "../../../cpu/state.ts";
import { NO_FRAME } from "../../address.ts";
import { formatOf, frameIn, type PagingLevel, Pte, Right } from "../../format.ts";
import type { Complain } from "./audit.ts";
import { spteName } from "./list-counters.ts";
import { mmioGfn } from "./mmio.ts";
import { SPTES, spteAt } from "./pages.ts";
import { accessOf, isInvalid, isWide, type Level, quadrantOf, RoleBit } from "./role.ts";
import { pagesPerEntry } from "./slots.ts";
import { isMmio, isPresent, rightsOf, Spte } from "./spte.ts";
import type { KvmShadow } from "./state.ts";

/** A guest entry, and the rules that the page's role reads it by. */
interface Gpte {
  readonly lo: number;
  readonly hi: number;
  /** P and A are set, no reserved bit is. */
  readonly usable: boolean;
  /** It maps a page rather than leading to a table. */
  readonly last: boolean;
  /** Rights that the page's role and the entry give; W only with D where the entry maps a page. */
  readonly access: number;
  readonly dirty: boolean;
  /** In the entry: of the table, or the first of the page. */
  readonly gfn: number;
}

/** I19, I22 to I28: leaves and links against the guest's tables and the host's frames. */
export function auditLeaves(s: KvmShadow, complain: Complain): void {
  for (const sid of s.pages.active) {
    if (isInvalid(s.pages.role[sid] as number)) continue;
    for (let slot = 0; slot < SPTES; slot++) checkSpte(s, sid, slot, complain);
    checkProtected(s, sid, complain);
  }
}

function checkSpte(s: KvmShadow, sid: number, slot: number, complain: Complain): void {
  const { pages } = s;
  const g = spteAt(sid, slot);
  const lo = pages.lo(g);
  const level = pages.level(sid);
  if ((lo & Pte.present) === 0) return;
  const link = isPresent(lo) && level > 1 && (lo & Pte.large) === 0;
  if (isPresent(lo) && !link) checkHost(s, g, complain);
  if (pages.isDirect(sid)) {
    const excess = rightsOf(lo, pages.hi(g)) & ~accessOf(pages.role[sid] as number);
    if (!link && excess !== 0)
      complain("I22", `${spteName(g)} of a direct page gives rights ${excess} more than its role`);
    return;
  }
  const now = readGpte(s, sid, slot);
  if (link) checkLink(s, g, now, complain);
  else if (pages.isUnsync(sid)) {
    const { records } = s;
    if (records === undefined) return;
    const then = decode(s, sid, records.gpteLo[g] as number, records.gpteHi[g] as number);
    checkLeaf(s, g, then, "I23", complain);
  } else checkLeaf(s, g, now, "I22", complain);
}

/** What the host says about a leaf's frame. */
function checkHost(s: KvmShadow, g: number, complain: Complain): void {
  const { pages, slots } = s;
  const sid = g >>> 9;
  const level = pages.level(sid);
  const lo = pages.lo(g);
  const gfn = pages.leafGfnOf(g);
  const size = pagesPerEntry(level);
  for (let i = 0; i < size; i++)
    if (slots.frame(gfn + i) !== (lo >>> 12) + i) {
      complain(
        "I25",
        `${spteName(g)} maps frame ${(lo >>> 12) + i} for gfn ${gfn + i}, the host has ${slots.frame(gfn + i)}`,
      );
      break;
    }
  const slot = slots.find(gfn);
  if (slot === undefined) return;
  const writable = (lo & Pte.writable) !== 0;
  if (slot.dirty !== undefined) {
    if (level > 1) complain("I26", `${spteName(g)} is large, slot ${slot.id} is logged`);
    const index = gfn - slot.baseGfn;
    if (writable && ((slot.dirty[index >>> 5] as number) & (1 << (index & 31))) === 0)
      complain("I26", `${spteName(g)} is writable, gfn 0x${gfn.toString(16)} is not noted as written`);
  }
  if (writable && ((lo & Spte.hostWritable) === 0 || !slots.hostWritable(gfn)))
    complain("I27", `${spteName(g)} is writable, the host's frame is not`);
  if (((pages.slotBits[sid] as number) & (1 << (slot.id & 31))) === 0)
    complain("I28", `page ${sid} has a leaf of slot ${slot.id} and does not know`);
}

/** A leaf must be what its guest entry gives. */
function checkLeaf(s: KvmShadow, g: number, gpte: Gpte, rule: string, complain: Complain): void {
  const { pages, slots } = s;
  const sid = g >>> 9;
  const level = pages.level(sid);
  const lo = pages.lo(g);
  const hi = pages.hi(g);
  const name = `${spteName(g)} = ${hex(hi)}:${hex(lo)}, guest entry ${hex(gpte.hi)}:${hex(gpte.lo)}`;
  if (!gpte.usable || !gpte.last) {
    complain(rule, `${name}: the guest's maps nothing, or has not been accessed`);
    return;
  }
  const gfn = isMmio(lo) ? mmioGfn(lo, hi) : pages.leafGfnOf(g);
  if (gfn !== mappedGfn(pages.role[sid] as number, level, g & 511, gpte))
    complain(rule, `${name}: another gfn`);
  if (isMmio(lo) && s.options.mmio === "unbacked" && slots.frame(gfn) !== NO_FRAME)
    complain(rule, `${name}: MMIO, but there is memory`);
  const rights = isMmio(lo) ? rightsOf(lo, 0) & ~Right.execute : rightsOf(lo, hi);
  const excess = rights & ~gpte.access;
  if (excess === 0) return;
  // CR0.WP clear: what the supervisor may write although W is clear is kept from the user.
  const lent =
    excess === Right.write &&
    (rights & Right.user) === 0 &&
    gpte.dirty &&
    ((gpte.access & Right.user) === 0 || (lo & Pte.lent) !== 0) &&
    ((pages.role[sid] as number) & RoleBit.writeProtect) === 0;
  if (!lent) complain(rule, `${name}: gives rights ${excess} more`);
}

/** A link must lead to the shadow of the table, or of the large page, that its guest entry names. */
function checkLink(s: KvmShadow, g: number, gpte: Gpte, complain: Complain): void {
  const { pages } = s;
  const sid = g >>> 9;
  const role = pages.role[sid] as number;
  const level = pages.level(sid);
  const child = pages.child(g);
  if (child === 0) return;
  const childRole = pages.role[child] as number;
  const name = `${spteName(g)} to page ${child}, guest entry ${hex(gpte.hi)}:${hex(gpte.lo)}`;
  if (!gpte.usable) {
    complain("I24", `${name}: the guest's leads nowhere, or has not been accessed`);
    return;
  }
  if (pages.isDirect(child) !== gpte.last) {
    complain("I24", `${name}: the guest's ${gpte.last ? "maps a large page" : "leads to a table"}`);
    return;
  }
  const gfn = pages.gfn[child] as number;
  if (gpte.last) {
    if (gfn !== mappedGfn(role, level, g & 511, gpte))
      complain("I24", `${name}: begins at gfn 0x${gfn.toString(16)}`);
    // Less is no harm: the walk that sets D for the one half of a 4 MiB page leaves the link of the other as it is.
    const excess = accessOf(childRole) & ~gpte.access;
    const lent =
      gpte.dirty && (role & RoleBit.writeProtect) === 0 && (accessOf(childRole) & Right.user) === 0;
    if (excess !== 0 && !(lent && excess === Right.write))
      complain("I24", `${name}: gives rights ${excess} more`);
    return;
  }
  if (gfn !== gpte.gfn) complain("I24", `${name}: it shadows gfn 0x${gfn.toString(16)}`);
  if (accessOf(childRole) !== gpte.access)
    complain("I24", `${name}: its rights are ${accessOf(childRole)}, the guest's ${gpte.access}`);
  if (quadrantOf(childRole) !== (isWide(role) ? 0 : g & ((1 << (level - 1)) - 1)))
    complain("I24", `${name}: quadrant ${quadrantOf(childRole)}`);
}

/** No leaf may let the guest write a table that is relied on. */
function checkProtected(s: KvmShadow, sid: number, complain: Complain): void {
  const { pages } = s;
  const gfn = pages.gfn[sid] as number;
  if (pages.isDirect(sid) || pages.isUnsync(sid) || gfn >= s.slots.limit) return;
  for (const level of [1, 2, 3] as const)
    s.lists.filter(s.cells.rmap(gfn, level), (g) => {
      if ((pages.lo(g) & Pte.writable) !== 0)
        complain(
          "I19",
          `${spteName(g)} lets the guest write gfn 0x${gfn.toString(16)}, the table of page ${sid}`,
        );
      return true;
    });
}

function readGpte(s: KvmShadow, sid: number, slot: number): Gpte {
  const role = s.pages.role[sid] as number;
  const table = (s.pages.gfn[sid] as number) * 4096;
  if (isWide(role))
    return decode(s, sid, s.memory.readEntry32(table + slot * 8), s.memory.readEntry32(table + slot * 8 + 4));
  // Entries of 4 MiB are shadowed by two slots.
  const level = s.pages.level(sid);
  const index = level === 1 ? quadrantOf(role) * 512 + slot : quadrantOf(role) * 256 + (slot >>> 1);
  return decode(s, sid, s.memory.readEntry32(table + index * 4), 0);
}

function decode(s: KvmShadow, sid: number, lo: number, hi: number): Gpte {
  const role = s.pages.role[sid] as number;
  const level = s.pages.level(sid);
  const efer = ((role & RoleBit.nxe) !== 0 ? Efer.NXE : 0) | (s.longTables ? Efer.LMA : 0);
  const { features } = s.context.paging;
  const format = isWide(role)
    ? formatOf(Cr4.PAE, efer, features)
    : formatOf((role & RoleBit.pse) !== 0 ? Cr4.PSE : 0, 0, features);
  const rules = format.levels.find((each) => each.level === level) as PagingLevel;
  const large = (lo & Pte.large) !== 0 ? rules.large : undefined;
  const last = level === 1 || large !== undefined;
  const { reserved, reservedHigh } = large ?? rules;
  let access = accessOf(role) & ((lo & (Pte.writable | Pte.user)) | (hi >>> 31 === 0 ? Right.execute : 0));
  const dirty = (lo & Pte.dirty) !== 0;
  if (last && !dirty) access &= ~Right.write;
  const flags = Pte.present | Pte.accessed;
  const usable = (lo & flags) === flags && ((lo & reserved) | (hi & reservedHigh)) === 0;
  return { lo, hi, usable, last, access, dirty, gfn: frameIn(rules, large !== undefined, lo, hi) };
}

/** First gfn that a slot maps by a guest entry. */
function mappedGfn(role: number, level: Level, slot: number, gpte: Gpte): number {
  return level === 1 || isWide(role) ? gpte.gfn : gpte.gfn + (slot & 1) * 512;
}

const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");
