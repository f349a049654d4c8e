import { type Gfn, type Gpa, type Mfn, NO_FRAME, PAGE_SIZE } from "./address.ts";
import type { GuestMemory } from "./guest-memory.ts";

/** What a chip set can show as ROM or as RAM. */
export const UPPER_MEMORY_START = 0xc0000;
export const UPPER_MEMORY_END = 0x100000;

const FIRST_GFN = UPPER_MEMORY_START / PAGE_SIZE;
const FRAMES = (UPPER_MEMORY_END - UPPER_MEMORY_START) / PAGE_SIZE;

/** Where reads come from, and where writes go. */
export interface UpperMemoryAccess {
  readonly readsRam: boolean;
  readonly writesRam: boolean;
}

/**
 * C0000 to FFFFF of a guest: ROM, with RAM behind it. Each page reads as the one or the other, and writes reach the RAM or are lost. At power-on
 * there is ROM, and all ones where no image lies.
 */
export class UpperMemory {
  readonly #memory: GuestMemory;
  readonly #rom: readonly Mfn[];
  readonly #ram: readonly Mfn[];

  /** ROM images are in the p2m already. Throws OutOfFrames. */
  constructor(memory: GuestMemory) {
    const { p2m, machine } = memory;
    this.#memory = memory;
    for (let gfn = FIRST_GFN; gfn < FIRST_GFN + FRAMES; gfn++) {
      if (p2m.lookup(gfn) !== NO_FRAME) continue;
      p2m.addRegion(gfn as Gfn, 1);
      memory.fill((gfn * PAGE_SIZE) as Gpa, PAGE_SIZE, 0xff);
      machine.protectFrame(p2m.lookup(gfn) as Mfn);
    }
    this.#rom = Array.from({ length: FRAMES }, (_, n) => p2m.lookup(FIRST_GFN + n) as Mfn);
    this.#ram = Array.from({ length: FRAMES }, () => p2m.addHidden());
    for (const mfn of this.#ram) machine.clearFrame(mfn);
  }

  /** As at power-on; the RAM keeps what is in it. */
  reset(): void {
    this.set(UPPER_MEMORY_START, FRAMES * PAGE_SIZE, { readsRam: false, writesRam: false });
  }

  /** Whole pages of it, from a guest-physical address on. */
  set(gpa: number, sizeBytes: number, access: UpperMemoryAccess): void {
    const { machine, p2m } = this.#memory;
    const first = gpa / PAGE_SIZE;
    for (let gfn = first; gfn < first + sizeBytes / PAGE_SIZE; gfn++) {
      const rom = this.#rom[gfn - FIRST_GFN] as Mfn;
      const ram = this.#ram[gfn - FIRST_GFN] as Mfn;
      machine.protectFrame(rom, access.writesRam ? ram : undefined);
      if (access.writesRam) machine.openFrame(ram);
      else machine.protectFrame(ram);
      p2m.replace(gfn as Gfn, access.readsRam ? ram : rom);
    }
  }
}
