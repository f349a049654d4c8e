import type { EntryTable } from "./entry.ts";
import type { GuestMemoryPort } from "./memory-port.ts";

/** Flat 4 GiB segments, present, ring 0, accessed: code execute/read, data read/write. */
const FLAT_CODE = 0x00cf9b000000ffffn;
const FLAT_DATA = 0x00cf93000000ffffn;

/** Writes a GDT of one flat code and one flat data segment; the selectors are multiples of eight. */
export function writeFlatGdt(
  memory: GuestMemoryPort,
  gpa: number,
  codeSelector: number,
  dataSelector: number,
): EntryTable {
  const table = new BigUint64Array(Math.max(codeSelector, dataSelector) / 8 + 1);
  table[codeSelector / 8] = FLAT_CODE;
  table[dataSelector / 8] = FLAT_DATA;
  memory.write(gpa, new Uint8Array(table.buffer));
  return { base: gpa, limit: table.byteLength - 1 };
}
