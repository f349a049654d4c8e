export const SECTOR_BYTES = 512;

/** A disk's contents, by sectors of 512 bytes. Addresses are below `sectors`; whoever asks has checked that. */
export interface Disk {
  readonly sectors: number;
  /** A copy of `count` sectors. */
  read(sector: number, count: number): Uint8Array;
  /** `bytes` is a multiple of a sector. */
  write(sector: number, bytes: Uint8Array): void;
  /** What was written is safe from now on. */
  flush(): void;
  /** It is not used any more: a file can be opened by others. */
  close(): void;
}

/** A disk image cannot be used. The message is one line and says what to do. */
export class DiskError extends Error {
  override readonly name = "DiskError";
}
