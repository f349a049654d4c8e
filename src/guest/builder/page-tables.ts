import type { GuestMemoryPort } from "../memory-port.ts";
import { GuestBuilderError } from "./encode.ts";

/** Bits of a 32-bit page-directory or page-table entry (Intel SDM vol. 3, 4.3). */
const PRESENT = 1 << 0;
const WRITABLE = 1 << 1;
const USER = 1 << 2;
const WRITE_THROUGH = 1 << 3;
const CACHE_DISABLE = 1 << 4;
const LARGE = 1 << 7;
const GLOBAL = 1 << 8;

const PAGE = 0x1000;
const LARGE_PAGE = 0x400000;
const ENTRIES = 1024;

export interface MapOptions {
  readonly writable?: boolean;
  readonly user?: boolean;
  /** 4 MiB pages; the guest must set CR4.PSE. */
  readonly large?: boolean;
  /** The guest must set CR4.PGE. */
  readonly global?: boolean;
  readonly writeThrough?: boolean;
  readonly cacheDisable?: boolean;
  /** How many pages from there on. Default: 1. */
  readonly pages?: number;
}

export interface PageTableImage {
  readonly gpa: number;
  readonly bytes: Uint8Array;
}

/**
 * Lays out 32-bit two-level page tables: the directory at `gpa`, the page tables in the pages behind it, as they are needed.
 * Directory entries allow writing and user access, so that the page tables' entries alone decide.
 */
export class PageTables {
  /** Guest-physical address of the directory: the value for CR3. */
  readonly gpa: number;
  private readonly pages: Uint32Array[] = [new Uint32Array(ENTRIES)];

  constructor(gpa: number) {
    if (gpa % PAGE !== 0)
      throw new GuestBuilderError(`The page directory's address ${hexOf(gpa)} is not page-aligned.`);
    this.gpa = gpa;
  }

  /** Bytes in use so far. */
  get sizeBytes(): number {
    return this.pages.length * PAGE;
  }

  /**
   * @throws GuestBuilderError for addresses that are not aligned, or what is mapped already
   */
  map(gva: number, gpa: number, options: MapOptions = {}): this {
    const unit = options.large ? LARGE_PAGE : PAGE;
    if (gva % unit !== 0 || gpa % unit !== 0) {
      throw new GuestBuilderError(
        `Cannot map ${hexOf(gva)} to ${hexOf(gpa)}: not aligned to ${hexOf(unit)}.`,
      );
    }
    const flags = flagsOf(options);
    for (let page = 0; page < (options.pages ?? 1); page++) {
      this.mapOne(gva + page * unit, gpa + page * unit, flags);
    }
    return this;
  }

  /**
   * Guest-physical address of the entry that maps `gva`: for guest code that changes it.
   *
   * @throws GuestBuilderError when nothing maps it
   */
  entryGpa(gva: number): number {
    const slot = gva >>> 22;
    const directoryEntry = this.directory[slot] as number;
    if (!(directoryEntry & PRESENT)) throw new GuestBuilderError(`Nothing maps ${hexOf(gva)}.`);
    if (directoryEntry & LARGE) return this.gpa + slot * 4;
    return (directoryEntry & ~(PAGE - 1)) + ((gva >>> 12) & (ENTRIES - 1)) * 4;
  }

  build(): PageTableImage {
    const bytes = new Uint8Array(this.sizeBytes);
    const view = new DataView(bytes.buffer);
    this.pages.forEach((page, number) => {
      page.forEach((entry, index) => {
        view.setUint32(number * PAGE + index * 4, entry, true);
      });
    });
    return { gpa: this.gpa, bytes };
  }

  writeTo(memory: GuestMemoryPort): void {
    const { gpa, bytes } = this.build();
    memory.write(gpa, bytes);
  }

  private get directory(): Uint32Array {
    return this.pages[0] as Uint32Array;
  }

  private mapOne(gva: number, gpa: number, flags: number): void {
    const slot = gva >>> 22;
    const present = this.directory[slot] as number;
    if (flags & LARGE) {
      if (present) throw new GuestBuilderError(`${hexOf(gva)} is mapped already.`);
      this.directory[slot] = gpa | flags;
      return;
    }
    if (present & LARGE) throw new GuestBuilderError(`${hexOf(gva)} is mapped already, by a 4 MiB page.`);
    if (!present) {
      this.directory[slot] = (this.gpa + this.sizeBytes) | PRESENT | WRITABLE | USER;
      this.pages.push(new Uint32Array(ENTRIES));
    }
    const number = ((this.directory[slot] as number) - this.gpa) >>> 12;
    const table = this.pages[number] as Uint32Array;
    const index = (gva >>> 12) & (ENTRIES - 1);
    if (table[index]) throw new GuestBuilderError(`${hexOf(gva)} is mapped already.`);
    table[index] = gpa | flags;
  }
}

function flagsOf(options: MapOptions): number {
  return (
    PRESENT |
    (options.writable ? WRITABLE : 0) |
    (options.user ? USER : 0) |
    (options.writeThrough ? WRITE_THROUGH : 0) |
    (options.cacheDisable ? CACHE_DISABLE : 0) |
    (options.large ? LARGE : 0) |
    (options.global ? GLOBAL : 0)
  );
}

const hexOf = (address: number): string => `0x${(address >>> 0).toString(16)}`;
