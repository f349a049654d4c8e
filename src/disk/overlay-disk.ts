import { createHash } from "node:crypto";
import { type Disk, SECTOR_BYTES } from "./disk.ts";

/** What is written stays in memory, and is seen instead of the disk below, which never changes. */
export class OverlayDisk implements Disk {
  readonly sectors: number;
  readonly #below: Disk;
  readonly #written = new Map<number, Uint8Array>();

  constructor(below: Disk) {
    this.#below = below;
    this.sectors = below.sectors;
  }

  /** Sectors that have been written. */
  get writtenSectors(): number {
    return this.#written.size;
  }

  read(sector: number, count: number): Uint8Array {
    const bytes = this.#below.read(sector, count);
    for (let n = 0; n < count; n++) {
      const own = this.#written.get(sector + n);
      if (own !== undefined) bytes.set(own, n * SECTOR_BYTES);
    }
    return bytes;
  }

  write(sector: number, bytes: Uint8Array): void {
    for (let n = 0; n * SECTOR_BYTES < bytes.length; n++)
      this.#written.set(sector + n, bytes.slice(n * SECTOR_BYTES, (n + 1) * SECTOR_BYTES));
  }

  /** SHA-256 of what has been written and where: the same exactly when the same sectors have been written with the same bytes. */
  writtenHash(): string {
    const hash = createHash("sha256");
    for (const sector of [...this.#written.keys()].sort((a, b) => a - b))
      hash.update(`${sector}:`).update(this.#written.get(sector) as Uint8Array);
    return hash.digest("hex");
  }

  flush(): void {}

  close(): void {
    this.#below.close();
  }
}
