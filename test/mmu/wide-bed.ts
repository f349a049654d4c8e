import { Cr4, Efer } from "../../src/cpu/state.ts";
import { Bed, gpa, P } from "./bed.ts";

/** Bit 63 of an 8-byte entry, in its high word. */
export const NX = 0x80000000;

/** Where the tables of a WideBed are: the PDPT of PAE at POINTERS, the topmost table of 4-level paging at TOP, and one of each below. */
export const POINTERS = 0x10000;
export const TOP = 0x11000;
export const GIBS = 0x12000;
export const DIRECTORY2 = 0x13000;
export const TABLE1 = 0x14000;

/** A bed whose guest has tables of 8-byte entries; CR4.PAE is set, with 4-level tables EFER.LMA too; EFER.NXE is set. */
export class WideBed extends Bed {
  constructor(format: "PAE" | "4-level" = "PAE") {
    super();
    this.paging.cr4 = Cr4.PAE;
    this.paging.efer = Efer.NXE | (format === "PAE" ? 0 : Efer.LMA);
    this.paging.cr3 = format === "PAE" ? POINTERS : TOP;
  }

  /** Writes an 8-byte entry of the table at `table`. */
  put(table: number, index: number, low: number, high = 0): void {
    this.memory.write32(gpa(table + index * 8), low);
    this.memory.write32(gpa(table + index * 8 + 4), high);
  }

  /** Low and high word. */
  entry(table: number, index: number): [number, number] {
    return [this.memory.read32(gpa(table + index * 8)), this.memory.read32(gpa(table + index * 8 + 4))];
  }

  /** Makes the GiB with that number lead to DIRECTORY2, as a load of CR3 with such a PDPT would. */
  latch(gib: number): void {
    this.put(POINTERS, gib, DIRECTORY2 | P);
    if (!this.hardware.latchPdptes(POINTERS)) throw new Error("the PDPTEs are refused");
  }
}
