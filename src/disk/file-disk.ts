import { createHash } from "node:crypto";
import { type Disk, SECTOR_BYTES } from "./disk.ts";
import { HostFile } from "./host-file.ts";

const HASHED_AT_ONCE = 1 << 20;

/** A raw disk image in a file of the host, written in place if `writable`. */
export class FileDisk implements Disk {
  readonly sectors: number;
  readonly file: HostFile;

  /** @throws DiskError when it cannot be opened, is empty, is no whole number of sectors, or is to be written and in use */
  constructor(path: string, writable: boolean) {
    this.file = new HostFile(path, "disk image", writable ? "write" : "read");
    const { sizeBytes } = this.file;
    try {
      if (sizeBytes === 0) this.file.refuse("it is empty");
      if (sizeBytes % SECTOR_BYTES !== 0)
        this.file.refuse(
          `its ${sizeBytes} bytes are no whole number of sectors of ${SECTOR_BYTES}: pad it (truncate -s %512)`,
        );
    } catch (error) {
      this.close();
      throw error;
    }
    this.sectors = sizeBytes / SECTOR_BYTES;
  }

  read(sector: number, count: number): Uint8Array {
    return this.file.read(sector * SECTOR_BYTES, count * SECTOR_BYTES);
  }

  write(sector: number, bytes: Uint8Array): void {
    this.file.write(sector * SECTOR_BYTES, bytes);
  }

  flush(): void {
    this.file.sync();
  }

  /** SHA-256 of all that is in it. */
  hash(): Uint8Array {
    const hash = createHash("sha256");
    const end = this.sectors * SECTOR_BYTES;
    for (let at = 0; at < end; at += HASHED_AT_ONCE)
      hash.update(this.file.read(at, Math.min(HASHED_AT_ONCE, end - at)));
    return hash.digest();
  }

  close(): void {
    this.file.close();
  }
}
