import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { type Disk, DiskError, SECTOR_BYTES } from "./disk.ts";

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EISDIR: "it is a directory",
  EACCES: "permission denied",
  EROFS: "its file system is read-only",
};

/** A raw disk image in a file of the host, written in place if `writable`. */
export class FileDisk implements Disk {
  readonly sectors: number;
  readonly #file: number;

  /** @throws DiskError when it cannot be opened, is empty, or is no whole number of sectors */
  constructor(path: string, writable: boolean) {
    try {
      this.#file = openSync(path, writable ? "r+" : "r");
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? "";
      throw new DiskError(`Cannot open the disk image ${path}: ${WORDS[code] ?? code}.`, { cause: error });
    }
    const stat = fstatSync(this.#file);
    const problem = !stat.isFile()
      ? "it is no ordinary file"
      : stat.size === 0
        ? "it is empty"
        : stat.size % SECTOR_BYTES !== 0
          ? `its ${stat.size} bytes are no whole number of sectors of ${SECTOR_BYTES}: pad it (truncate -s %512)`
          : undefined;
    if (problem !== undefined) {
      closeSync(this.#file);
      throw new DiskError(`Cannot use the disk image ${path}: ${problem}.`);
    }
    this.sectors = stat.size / SECTOR_BYTES;
  }

  read(sector: number, count: number): Uint8Array {
    const bytes = new Uint8Array(count * SECTOR_BYTES);
    readSync(this.#file, bytes, 0, bytes.length, sector * SECTOR_BYTES);
    return bytes;
  }

  write(sector: number, bytes: Uint8Array): void {
    writeSync(this.#file, bytes, 0, bytes.length, sector * SECTOR_BYTES);
  }

  flush(): void {
    fsyncSync(this.#file);
  }
}
