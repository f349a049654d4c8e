import { PAGE_SHIFT, PAGE_SIZE } from "./address.ts";
import { ALL_RIGHTS, frameIn, frameOf, NO_EXECUTE, type PagingFormat, Pte, Right } from "./format.ts";

/** Reads the 32-bit word at a physical address (guest-physical for guest tables, host-physical for shadow tables). */
export type EntryReader = (address: number) => number;

/** One leaf of a tree of tables. */
export interface Leaf {
  readonly gva: number;
  readonly sizeBytes: number;
  /** Number of the first 4 KiB frame mapped. */
  readonly frame: number;
  /** The leaf entry itself: low word, and high word of 8-byte entries. */
  readonly entry: number;
  readonly entryHigh: number;
  /** Right bits of the whole path. */
  readonly rights: number;
}

/** Visits every present leaf, by ascending gva; reserved bits are not looked at. The root of PAE is the address of its four pointers. */
export function forEachLeaf(
  format: PagingFormat,
  read: EntryReader,
  root: number,
  visit: (leaf: Leaf) => void,
): void {
  if (!format.pointerTable) {
    descend(format, read, 0, root >>> PAGE_SHIFT, 0, ALL_RIGHTS, visit);
    return;
  }
  for (let index = 0; index < 4; index++) {
    const low = read(root + index * 8);
    if ((low & Pte.present) === 0) continue;
    const table = frameOf(low, read(root + index * 8 + 4), PAGE_SHIFT);
    descend(format, read, 0, table, index * 2 ** 30, ALL_RIGHTS, visit);
  }
}

function descend(
  format: PagingFormat,
  read: EntryReader,
  depth: number,
  table: number,
  gva: number,
  rights: number,
  visit: (leaf: Leaf) => void,
): void {
  const level = format.levels[depth];
  if (level === undefined) return;
  for (let index = 0; index <= level.indexMask; index++) {
    const address = table * PAGE_SIZE + index * format.entryBytes;
    const entry = read(address);
    if ((entry & Pte.present) === 0) continue;
    const entryHigh = format.entryBytes === 8 ? read(address + 4) : 0;
    const at = gva + index * 2 ** level.shift;
    const execute = (entryHigh & NO_EXECUTE) === 0 ? Right.execute : 0;
    const combined = rights & ((entry & ~Right.execute) | execute);
    const isLarge = level.large !== undefined && (entry & Pte.large) !== 0;
    if (!isLarge && level.level !== 1) {
      descend(format, read, depth + 1, frameOf(entry, entryHigh, PAGE_SHIFT), at, combined, visit);
      continue;
    }
    const frame = frameIn(level, isLarge, entry, entryHigh);
    visit({ gva: at, sizeBytes: 2 ** level.shift, frame, entry, entryHigh, rights: combined });
  }
}

/** A leaf for people and tests: `flags` spells out W (writable), U (user), N (no fetches), A, D, G and ? (marked as not backed). */
export interface Mapping {
  readonly gva: number;
  readonly sizeBytes: number;
  readonly frame: number;
  readonly flags: string;
}

const LETTERS = [
  [Pte.accessed, "A"],
  [Pte.dirty, "D"],
  [Pte.global, "G"],
  [Pte.unbacked, "?"],
] as const;

/** The whole tree at `root` as a list. */
export function dumpMappings(format: PagingFormat, read: EntryReader, root: number): Mapping[] {
  const list: Mapping[] = [];
  forEachLeaf(format, read, root, ({ gva, sizeBytes, frame, entry, rights }) => {
    const w = rights & Right.write ? "W" : "";
    const u = rights & Right.user ? "U" : "";
    const n = rights & Right.execute ? "" : "N";
    const letters = LETTERS.filter(([bit]) => (entry & bit) !== 0).map(([, letter]) => letter);
    list.push({ gva, sizeBytes, frame, flags: w + u + n + letters.join("") });
  });
  return list;
}
