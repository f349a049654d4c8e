import { FRAME_MASK, type PagingFormat, Pte } from "./format.ts";

/** Reads the entry at a physical address (guest-physical for guest tables, host-physical for shadow tables). */
export type EntryReader = (address: number) => number;

/** One leaf of a tree of tables. */
export interface Leaf {
  readonly gva: number;
  readonly sizeBytes: number;
  /** Number of the first 4 KiB frame mapped. */
  readonly frame: number;
  /** The leaf entry itself. */
  readonly entry: number;
  /** W and U combined over the path, the other bits of the leaf. */
  readonly flags: number;
}

/** Visits every present leaf, by ascending gva; reserved bits are not looked at. */
export function forEachLeaf(
  format: PagingFormat,
  read: EntryReader,
  root: number,
  visit: (leaf: Leaf) => void,
): void {
  descend(format, read, 0, (root & FRAME_MASK) >>> 0, 0, Pte.writable | Pte.user, visit);
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
    const entry = read(table + index * format.entryBytes);
    if ((entry & Pte.present) === 0) continue;
    const at = (gva | (index << level.shift)) >>> 0;
    const combined = rights & entry;
    const isLarge = level.large !== undefined && (entry & Pte.large) !== 0;
    if (!isLarge && depth + 1 < format.levels.length) {
      descend(format, read, depth + 1, (entry & FRAME_MASK) >>> 0, at, combined, visit);
      continue;
    }
    const frameMask = isLarge && level.large !== undefined ? level.large.frameMask : FRAME_MASK;
    const flags = (entry & ~frameMask & ~(Pte.writable | Pte.user)) | combined;
    visit({ gva: at, sizeBytes: 2 ** level.shift, frame: (entry & frameMask) >>> 12, entry, flags });
  }
}

/** A leaf for people and tests: `flags` spells out W (writable), U (user), A, D, G and ? (marked as not backed), in this order. */
export interface Mapping {
  readonly gva: number;
  readonly sizeBytes: number;
  readonly frame: number;
  readonly flags: string;
}

const LETTERS = [
  [Pte.writable, "W"],
  [Pte.user, "U"],
  [Pte.accessed, "A"],
  [Pte.dirty, "D"],
  [Pte.global, "G"],
  [Pte.unbacked, "?"],
] as const;

/** The whole tree at `root` as a list. */
export function dumpMappings(format: PagingFormat, read: EntryReader, root: number): Mapping[] {
  const list: Mapping[] = [];
  forEachLeaf(format, read, root, ({ gva, sizeBytes, frame, flags }) => {
    const letters = LETTERS.filter(([bit]) => (flags & bit) !== 0).map(([, letter]) => letter);
    list.push({ gva, sizeBytes, frame, flags: letters.join("") });
  });
  return list;
}
