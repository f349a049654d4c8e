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

/** 256 words, and how they are filled. */
class Words {
  readonly bytes = new Uint8Array(512);
  readonly #view = new DataView(this.bytes.buffer);

  word(n: number, value: number): void {
    this.#view.setUint16(n * 2, value, true);
  }
  double(n: number, value: number): void {
    this.#view.setUint32(n * 2, value, true);
  }
  /** Strings have the first character of each pair in the high byte. */
  text(n: number, words: number, value: string): void {
    const padded = value.padEnd(words * 2);
    for (let k = 0; k < words; k++)
      this.word(n + k, (padded.charCodeAt(2 * k) << 8) | padded.charCodeAt(2 * k + 1));
  }

  /** What disks and CD drives have in common. */
  drive(serial: string, model: string, dmaMode: number): void {
    this.text(10, 10, serial);
    this.text(23, 4, "1.0");
    this.text(27, 20, model);
    const lba = 1 << 9;
    const dma = 1 << 8;
    this.word(49, lba | dma);
    // Words 54 to 58, 64 to 70 and 88 mean something.
    this.word(53, 7);
    this.word(63, dmaWord(MULTIWORD_DMA, dmaMode));
    // PIO modes 3 and 4; 120 ns a cycle, of multiword DMA too.
    this.word(64, 3);
    for (const n of [65, 66, 67, 68]) this.word(n, 120);
    this.word(80, 0x7e);
    this.word(88, dmaWord(ULTRA_DMA, dmaMode));
    // Device 0, by its jumper; a cable of 80 wires.
    this.word(93, 0x6001);
  }
}

/** The answer to IDENTIFY DEVICE (ATA/ATAPI-6, 8.15.6): 256 words. */
export function identify(disk: Disk, { serial, multiple, dmaMode }: DriveSettings): Uint8Array {
  const words = new Words();
  const cylinders = cylindersOf(disk);
  words.drive(serial, "UMBRA DISK", dmaMode);
  words.word(0, 0x0040);
  words.word(1, cylinders);
  words.word(3, HEADS);
  words.word(6, SECTORS_PER_TRACK);
  words.word(47, 0x8000 | MOST_MULTIPLE);
  words.word(50, 0x4000);
  words.word(51, 0x0200);
  words.word(54, cylinders);
  words.word(55, HEADS);
  words.word(56, SECTORS_PER_TRACK);
  words.double(57, cylinders * HEADS * SECTORS_PER_TRACK);
  words.word(59, multiple === 0 ? 0 : 0x0100 | multiple);
  words.double(60, Math.min(disk.sectors, MOST_LBA28));
  // FLUSH CACHE, FLUSH CACHE EXT, 48-bit addresses.
  words.word(83, 0x7400);
  words.word(84, 0x4000);
  words.word(86, 0x3400);
  words.word(87, 0x4000);
  words.double(100, disk.sectors >>> 0);
  words.double(102, Math.floor(disk.sectors / 2 ** 32));
  return words.bytes;
}

/** The answer to IDENTIFY PACKET DEVICE (ATA/ATAPI-6, 8.16) of a CD-ROM drive that takes packets of 12 bytes, at once. */
export function identifyCd({ serial, dmaMode }: Omit<DriveSettings, "multiple">): Uint8Array {
  const words = new Words();
  words.drive(serial, "UMBRA CD-ROM", dmaMode);
  words.word(0, 0x85c0);
  // PACKET, DEVICE RESET.
  words.word(82, 0x0210);
  words.word(83, 0x4000);
  words.word(84, 0x4000);
  words.word(85, 0x0210);
  words.word(87, 0x4000);
  return words.bytes;
}
