import { type EntryRegisters, type EntryState, flatEntry, realModeEntry } from "./entry.ts";
import { GuestImageError, hex, mebibytes } from "./errors.ts";
import { writeFlatGdt } from "./flat-gdt.ts";
import { type GuestMemoryPort, isBacked, type LoadedRegion } from "./memory-port.ts";

const CODE_SELECTOR = 0x08;
const DATA_SELECTOR = 0x10;
const GDT_GPA = 0x800;
const REAL_MODE_LIMIT = 0x10000;

export interface FlatImage {
  readonly bytes: Uint8Array;
  /** Guest-physical address of its first byte. */
  readonly gpa: number;
  /** Guest-physical address of the first instruction. Default: `gpa`. */
  readonly entry?: number;
  readonly registers?: Partial<EntryRegisters>;
}

export interface LoadedFlat {
  readonly entry: EntryState;
  readonly regions: readonly LoadedRegion[];
}

/**
 * Loads a raw binary that runs in 32-bit protected mode with flat segments (CS 0x08, all others 0x10) and paging off. The GDT
 * is at 0x800, or where it does not overlap the image.
 *
 * @throws GuestImageError `image-out-of-memory`
 */
export function loadFlat(memory: GuestMemoryPort, image: FlatImage): LoadedFlat {
  const region = place(memory, image);
  const overlaps = image.gpa < GDT_GPA + 0x18 && image.gpa + image.bytes.length > GDT_GPA;
  const gdtGpa = overlaps ? (image.gpa + image.bytes.length + 7) & ~7 : GDT_GPA;
  const gdtr = writeFlatGdt(memory, gdtGpa, CODE_SELECTOR, DATA_SELECTOR);
  const entry = flatEntry({
    eip: image.entry ?? image.gpa,
    ...(image.registers ? { registers: image.registers } : {}),
    codeSelector: CODE_SELECTOR,
    dataSelector: DATA_SELECTOR,
    gdtr,
  });
  return { entry, regions: [region, { name: "gdt", gpa: gdtr.base, sizeBytes: gdtr.limit + 1 }] };
}

/**
 * Loads a raw binary that runs in real mode; every segment register is 0 when all of the image lies below 64 KiB (as a boot sector at
 * 0x7c00 wants it, with the stack below), else the paragraph in which the image begins.
 *
 * @throws GuestImageError `image-out-of-memory` also when the entry is not below 1 MiB
 */
export function loadFlatRealMode(memory: GuestMemoryPort, image: FlatImage): LoadedFlat {
  const region = place(memory, image);
  const entry = image.entry ?? image.gpa;
  const isLow = image.gpa + image.bytes.length <= REAL_MODE_LIMIT;
  const segment = isLow ? 0 : image.gpa >>> 4;
  const offset = entry - (segment << 4);
  if (segment > 0xffff || offset < 0 || offset >= REAL_MODE_LIMIT) {
    throw new GuestImageError(
      "image-out-of-memory",
      `Real mode cannot begin at ${hex(entry)}: it must lie within 64 KiB of the image, which must lie below 1 MiB.`,
    );
  }
  const esp = isLow ? image.gpa & 0xfffc : 0xfffc;
  return { entry: realModeEntry(segment, offset, { esp, ...image.registers }), regions: [region] };
}

function place(memory: GuestMemoryPort, image: FlatImage): LoadedRegion {
  const { gpa, bytes } = image;
  if (!isBacked(memory, gpa, bytes.length)) {
    throw new GuestImageError(
      "image-out-of-memory",
      `The image does not fit at ${hex(gpa)} (${bytes.length} bytes): the guest has ${mebibytes(memory.sizeBytes)} ` +
        "with a hole from 0xa0000 to 0x100000.",
    );
  }
  memory.write(gpa, bytes);
  return { name: "image", gpa, sizeBytes: bytes.length };
}
