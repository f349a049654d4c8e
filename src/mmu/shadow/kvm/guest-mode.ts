import { Cr0, Cr4, Efer } from "../../../cpu/state.ts";
import { formatOf, NO_EXECUTE, type PagingFormat, type PagingLevel, Pte, Right } from "../../format.ts";
import type { GuestPaging } from "../../pager.ts";
import { baseRole, type Level } from "./role.ts";

/** How the guest pages at present, as far as shadows depend on it. */
export interface GuestMode {
  /** Levels of the guest's tables; 0 with paging off. */
  readonly rootLevel: 0 | 2 | 3 | 4;
  /** Level of the topmost shadow pages: with PAE tables the four pointers above are not a shadow page. */
  readonly topLevel: 2 | 4;
  /** Role bits of every page made now. */
  readonly base: number;
  readonly format: PagingFormat;
  /** By level. */
  readonly levels: readonly (PagingLevel | undefined)[];
  /** Gptes have 8 bytes. */
  readonly wide: boolean;
  /** CR0.WP. */
  readonly writeProtect: boolean;
  /** The register bits that all of this depends on. */
  readonly registers: readonly [cr0: number, cr4: number, efer: number, features: number | undefined];
}

const CR0_BITS = Cr0.PG | Cr0.WP;

/** The mode of the registers at present: `last` itself if it is that. */
export function currentMode(paging: GuestPaging, last: GuestMode): GuestMode {
  const [cr0, cr4, efer, features] = last.registers;
  return (paging.cr0 & CR0_BITS) === cr0 &&
    paging.cr4 === cr4 &&
    paging.efer === efer &&
    paging.features === features
    ? last
    : guestMode(paging);
}

export function guestMode(paging: GuestPaging): GuestMode {
  const format = formatOf(paging.cr4, paging.efer, paging.features);
  const levels: (PagingLevel | undefined)[] = [];
  for (const level of format.levels) levels[level.level] = level;
  const paged = (paging.cr0 & Cr0.PG) !== 0;
  const wide = paged && (paging.cr4 & Cr4.PAE) !== 0;
  const long = wide && (paging.efer & Efer.LMA) !== 0;
  return {
    rootLevel: !paged ? 0 : long ? 4 : wide ? 3 : 2,
    topLevel: long ? 4 : 2,
    base: baseRole(paging),
    format,
    levels,
    wide,
    writeProtect: (paging.cr0 & Cr0.WP) !== 0,
    registers: [paging.cr0 & CR0_BITS, paging.cr4, paging.efer, paging.features],
  };
}

/** The entry maps a page (rather than leading to a table). */
export function isLastGpte(mode: GuestMode, level: Level, lo: number): boolean {
  return level === 1 || ((lo & Pte.large) !== 0 && mode.levels[level]?.large !== undefined);
}

/** A present entry has bits set that must be 0. */
export function hasReservedBits(mode: GuestMode, level: Level, lo: number, hi: number): boolean {
  const rules = mode.levels[level] as PagingLevel;
  const { reserved, reservedHigh } = (lo & Pte.large) !== 0 ? (rules.large ?? rules) : rules;
  return ((lo & reserved) | (hi & reservedHigh)) !== 0;
}

/** What the entry itself allows, as Right bits. */
export function gpteRights(lo: number, hi: number): number {
  return (lo & (Pte.writable | Pte.user)) | ((hi & NO_EXECUTE) === 0 ? Right.execute : 0);
}

/** What a leaf made from the entry may allow: W is withheld until the guest's D is set, so that the first write comes to us. */
export function leafRights(lo: number, hi: number): number {
  const rights = gpteRights(lo, hi);
  return (lo & Pte.dirty) === 0 ? rights & ~Right.write : rights;
}
