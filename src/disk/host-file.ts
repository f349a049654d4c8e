import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from "node:fs";
import { claim } from "./claim.ts";
import { DiskError } from "./disk.ts";

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  ENOTDIR: "a part of the path is no folder",
  EISDIR: "it is a directory",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "its file system is read-only",
  EMFILE: "too many files are open",
};
const ACCESS = {
  read: constants.O_RDONLY,
  write: constants.O_RDWR,
  /** It need not exist. */
  create: constants.O_RDWR | constants.O_CREAT,
} as const;

export type FileAccess = keyof typeof ACCESS;

/** A file of the host, read and written at offsets. One that may be written is this disk's alone. */
export class HostFile {
  readonly path: string;
  /** How messages call it. */
  readonly name: string;
  /** When it was opened. */
  readonly stat: BigIntStats;
  readonly #file: number;
  readonly #release: () => void = () => {};

  /** @throws DiskError when it cannot be opened, is no ordinary file, or is in use */
  constructor(path: string, what: string, access: FileAccess) {
    this.path = path;
    this.name = `the ${what} ${path}`;
    try {
      this.#file = openSync(path, ACCESS[access], 0o666);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? "";
      const missing = access === "create" && code === "ENOENT" ? "there is no such folder" : undefined;
      throw new DiskError(`Cannot open ${this.name}: ${missing ?? WORDS[code] ?? code}.`, { cause: error });
    }
    this.stat = fstatSync(this.#file, { bigint: true });
    try {
      if (!this.stat.isFile()) this.refuse("it is no ordinary file");
      if (access !== "read") this.#release = claim(this.name, this.stat);
    } catch (error) {
      closeSync(this.#file);
      throw error;
    }
  }

  /** When it was opened. */
  get sizeBytes(): number {
    return Number(this.stat.size);
  }

  /** What lies beyond the file's end is 0. */
  read(offset: number, sizeBytes: number): Uint8Array {
    const bytes = new Uint8Array(sizeBytes);
    for (let done = 0; done < sizeBytes; ) {
      const length = readSync(this.#file, bytes, done, sizeBytes - done, offset + done);
      if (length === 0) break;
      done += length;
    }
    return bytes;
  }

  write(offset: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; )
      done += writeSync(this.#file, bytes, done, bytes.length - done, offset + done);
  }

  /** Makes it so long. */
  resize(sizeBytes: number): void {
    ftruncateSync(this.#file, sizeBytes);
  }

  sync(): void {
    fsyncSync(this.#file);
  }

  /** It can be opened again. */
  close(): void {
    this.#release();
    closeSync(this.#file);
  }

  /** @throws DiskError, always */
  refuse(problem: string): never {
    throw new DiskError(`Cannot use ${this.name}: ${problem}.`);
  }
}
