import { type Disk, DiskError, SECTOR_BYTES } from "./disk.ts";

/** A disk in the host's memory. */
export class MemoryDisk implements Disk {
  readonly sectors: number;
  readonly bytes: Uint8Array;

  /** Uses `bytes` as they are. @throws DiskError when they are no whole number of sectors, or none */
  constructor(bytes: Uint8Array) {
    if (bytes.length === 0 || bytes.length % SECTOR_BYTES !== 0)
      throw new DiskError(
        `a disk has a whole number of sectors of ${SECTOR_BYTES} bytes, not ${bytes.length} bytes`,
      );
    this.bytes = bytes;
    this.sectors = bytes.length / SECTOR_BYTES;
  }

  read(sector: number, count: number): Uint8Array {
    return this.bytes.slice(sector * SECTOR_BYTES, (sector + count) * SECTOR_BYTES);
  }

  write(sector: number, bytes: Uint8Array): void {
    this.bytes.set(bytes, sector * SECTOR_BYTES);
  }

  flush(): void {}

  close(): void {}
}
