import type { Disk } from "../../disk/disk.ts";

/** What the BIOS and old drivers count by. */
export const HEADS = 16;
export const SECTORS_PER_TRACK = 63;
const MOST_CYLINDERS = 16383;
const MOST_LBA28 = 0x0fffffff;
/** READ and WRITE MULTIPLE move at most so many sectors a block. */
export const MOST_MULTIPLE = 16;

export const cylindersOf = ({ sectors }: Pick<Disk, "sectors">): number =>
  Math.min(MOST_CYLINDERS, Math.max(1, Math.floor(sectors / (HEADS * SECTORS_PER_TRACK))));

/** Modes of DMA, as SET FEATURES chooses them: so many, from 0 on. */
export const MULTIWORD_DMA = { first: 0x20, modes: 3 } as const;
export const ULTRA_DMA = { first: 0x40, modes: 6 } as const;

export interface DriveSettings {
  readonly serial: string;
  /** What SET MULTIPLE MODE has set, 0 if nothing. */
  readonly multiple: number;
  /** What SET FEATURES has chosen for DMA, 0 if nothing. */
  readonly dmaMode: number;
}

/** Those there are in the low byte, the one that is chosen in the high byte. */
function dmaWord({ first, modes }: typeof MULTIWORD_DMA | typeof ULTRA_DMA, chosen: number): number {
  const isChosen = chosen >= first && chosen < first + modes;
  return ((1 << modes) - 1) | (isChosen ? 0x100 << (chosen - first) : 0);
}

/** The answer to IDENTIFY DEVICE (ATA/ATAPI-6, 8.15.6): 256 words. */
export function identify(disk: Disk, { serial, multiple, dmaMode }: DriveSettings): Uint8Array {
  const bytes = new Uint8Array(512);
  const view = new DataView(bytes.buffer);
  const word = (n: number, value: number): void => view.setUint16(n * 2, value, true);
  const double = (n: number, value: number): void => view.setUint32(n * 2, value, true);
  // Strings have the first character of each pair in the high byte.
  const text = (n: number, words: number, value: string): void => {
    const padded = value.padEnd(words * 2);
    for (let k = 0; k < words; k++)
      word(n + k, (padded.charCodeAt(2 * k) << 8) | padded.charCodeAt(2 * k + 1));
  };
  const cylinders = cylindersOf(disk);
  word(0, 0x0040);
  word(1, cylinders);
  word(3, HEADS);
  word(6, SECTORS_PER_TRACK);
  text(10, 10, serial);
  text(23, 4, "1.0");
  text(27, 20, "UMBRA DISK");
  word(47, 0x8000 | MOST_MULTIPLE);
  const lba = 1 << 9;
  const dma = 1 << 8;
  word(49, lba | dma);
  word(50, 0x4000);
  word(51, 0x0200);
  // Words 54 to 58, 64 to 70 and 88 mean something.
  word(53, 7);
  word(54, cylinders);
  word(55, HEADS);
  word(56, SECTORS_PER_TRACK);
  double(57, cylinders * HEADS * SECTORS_PER_TRACK);
  word(59, multiple === 0 ? 0 : 0x0100 | multiple);
  double(60, Math.min(disk.sectors, MOST_LBA28));
  word(63, dmaWord(MULTIWORD_DMA, dmaMode));
  // PIO modes 3 and 4; 120 ns a cycle, of multiword DMA too.
  word(64, 3);
  word(65, 120);
  word(66, 120);
  word(67, 120);
  word(68, 120);
  word(80, 0x7e);
  // FLUSH CACHE, FLUSH CACHE EXT, 48-bit addresses.
  word(83, 0x7400);
  word(84, 0x4000);
  word(86, 0x3400);
  word(87, 0x4000);
  word(88, dmaWord(ULTRA_DMA, dmaMode));
  // Device 0, by its jumper; a cable of 80 wires.
  word(93, 0x6001);
  double(100, disk.sectors >>> 0);
  double(102, Math.floor(disk.sectors / 2 ** 32));
  return bytes;
}
