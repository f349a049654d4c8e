import { LEGACY_HOLE_END, LEGACY_HOLE_START } from "../mmu/p2m.ts";
import { GuestImageError, hex, mebibytes } from "./errors.ts";

/** A ROM chip's contents where the guest sees them. Address and size are multiples of 4096. */
export interface RomImage {
  readonly gpa: number;
  readonly bytes: Uint8Array;
}

const PAGE = 4096;
const TOP = 0x1_0000_0000;
/** What a chipset shows of the top of a BIOS below 1 MiB. */
const LOW_WINDOW = 0x20000;
const LARGEST = 0x100_0000;

/**
 * A ROM file as the machine holds it. Without an address it is a BIOS: it ends at 4 GiB, and its last 128 KiB are seen below 1 MiB as well,
 * so that the processor's first instruction, at F000:FFF0, is in it both ways. With an address it must lie in the hole between
 * 640 KiB and 1 MiB, or behind RAM.
 *
 * @throws GuestImageError `bad-rom`
 */
export function placeRom(bytes: Uint8Array, gpa: number | undefined, memoryBytes: number): RomImage[] {
  if (bytes.length === 0) throw badRom("is empty");
  if (bytes.length % PAGE !== 0)
    throw badRom(`has ${bytes.length} bytes, which is no multiple of 4096: pad it`);
  if (bytes.length > LARGEST) throw badRom(`has ${mebibytes(bytes.length)}, and 16 MiB are the most`);
  if (gpa === undefined) {
    const low = bytes.subarray(-LOW_WINDOW);
    return [
      { gpa: TOP - bytes.length, bytes },
      { gpa: LEGACY_HOLE_END - low.length, bytes: low },
    ];
  }
  if (gpa % PAGE !== 0) throw badRom(`cannot be at ${hex(gpa)}: choose a multiple of 4096`);
  const end = gpa + bytes.length;
  const inHole = gpa >= LEGACY_HOLE_START && end <= LEGACY_HOLE_END;
  if (!inHole && (gpa < Math.max(memoryBytes, LEGACY_HOLE_END) || end > TOP))
    throw badRom(
      `cannot be from ${hex(gpa)} to ${hex(end)}: ROM lies between 0xa0000 and 0x100000, or behind the guest's memory (${mebibytes(memoryBytes)}) and below 4 GiB`,
    );
  return [{ gpa, bytes }];
}

const badRom = (what: string): GuestImageError => new GuestImageError("bad-rom", `The ROM image ${what}.`);
