import { Cr0, Cr4, Efer } from "../../../cpu/state.ts";
import { ALL_RIGHTS, Right } from "../../format.ts";
import type { GuestPaging } from "../../pager.ts";

/**
 * The role of a shadow page: everything besides the gfn that its contents depend on, in one word, so that two roles are compared at once.
 *
 *   0-3 level   4 gptes of 8 bytes   5-6 quadrant   13 direct   14-16 access (Right bits)   17 invalid
 *   18 EFER.NXE   19 CR0.WP   20 SMEP without WP   21 CR4.PSE   22 lent (direct pages)
 */
export const RoleBit = {
  wide: 1 << 4,
  direct: 1 << 13,
  /** Zapped, but still a root of the vcpu. A request never has it, so that such a page is never found again. */
  invalid: 1 << 17,
  nxe: 1 << 18,
  writeProtect: 1 << 19,
  smepWithoutWp: 1 << 20,
  pse: 1 << 21,
  /** A direct page whose leaves are lent to the supervisor (Right.lent). */
  lent: 1 << 22,
} as const;

const QUADRANT_SHIFT = 5;
const ACCESS_SHIFT = 14;
/** Register bits that a page's contents depend on; a store to a table is taken over into pages whose bits are the vcpu's. */
export const CONTEXT_BITS =
  RoleBit.wide | RoleBit.nxe | RoleBit.writeProtect | RoleBit.smepWithoutWp | RoleBit.pse;

export type Level = 1 | 2 | 3 | 4;

export const levelOf = (role: number): Level => (role & 15) as Level;
/** What the leaves of a direct page give: the access, and whether they are lent. */
export const directAccess = (role: number): number =>
  accessOf(role) | ((role & RoleBit.lent) !== 0 ? Right.lent : 0);
export const quadrantOf = (role: number): number => (role >>> QUADRANT_SHIFT) & 3;
export const accessOf = (role: number): number => (role >>> ACCESS_SHIFT) & 7;
export const isDirect = (role: number): boolean => (role & RoleBit.direct) !== 0;
export const isInvalid = (role: number): boolean => (role & RoleBit.invalid) !== 0;
export const isWide = (role: number): boolean => (role & RoleBit.wide) !== 0;

/** The role bits that the guest's registers decide; 0 with paging off. */
export function baseRole(paging: GuestPaging): number {
  if ((paging.cr0 & Cr0.PG) === 0) return 0;
  const wp =
    (paging.cr0 & Cr0.WP) !== 0
      ? RoleBit.writeProtect
      : (paging.cr4 & Cr4.SMEP) !== 0
        ? RoleBit.smepWithoutWp
        : 0;
  if ((paging.cr4 & Cr4.PAE) === 0) return wp | ((paging.cr4 & Cr4.PSE) !== 0 ? RoleBit.pse : 0);
  return RoleBit.wide | wp | ((paging.efer & Efer.NXE) !== 0 ? RoleBit.nxe : 0);
}

/** Role of the page of a guest table. `quadrant` is 0 for tables of 8-byte gptes. */
export function tableRole(base: number, level: Level, quadrant: number, access: number): number {
  return base | level | (quadrant << QUADRANT_SHIFT) | (access << ACCESS_SHIFT);
}

/** Role of a page that covers a linear range of gfns, with no guest table behind it. */
export function directRole(base: number, level: Level, access: number): number {
  const lent = (access & Right.lent) !== 0 ? RoleBit.lent : 0;
  return (base & ~RoleBit.wide) | RoleBit.direct | level | ((access & ALL_RIGHTS) << ACCESS_SHIFT) | lent;
}

/**
 * Which part of a two-level guest's table the shadow page for an address stands for: of a directory (level 2) the GiB, of a page table the
 * 2 MiB. A table of 1024 gptes needs that many pages of 512 sptes.
 */
export function quadrantFor(gva: number, level: Level): number {
  return (gva >>> (12 + 9 * level)) & ((1 << level) - 1);
}

export interface Role {
  readonly level: Level;
  readonly wide: boolean;
  readonly quadrant: number;
  readonly direct: boolean;
  readonly access: number;
  readonly invalid: boolean;
  readonly nxe: boolean;
  readonly writeProtect: boolean;
  readonly smepWithoutWp: boolean;
  readonly pse: boolean;
  readonly lent: boolean;
}

/** For people and tests. */
export function decodeRole(role: number): Role {
  const has = (bit: number) => (role & bit) !== 0;
  return {
    level: levelOf(role),
    wide: isWide(role),
    quadrant: quadrantOf(role),
    direct: isDirect(role),
    access: accessOf(role),
    invalid: isInvalid(role),
    nxe: has(RoleBit.nxe),
    writeProtect: has(RoleBit.writeProtect),
    smepWithoutWp: has(RoleBit.smepWithoutWp),
    pse: has(RoleBit.pse),
    lent: has(RoleBit.lent),
  };
}
