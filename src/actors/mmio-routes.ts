import type { Routes } from "./routes.ts";

/** A run of guest-physical addresses that an actor answers for. */
export interface MmioRange {
  readonly first: number;
  readonly sizeBytes: number;
  readonly actor: string;
}

/** Two devices claim one address. */
export class MmioOverlapError extends Error {
  override readonly name = "MmioOverlapError";

  constructor(first: MmioRange, second: MmioRange) {
    super(
      `guest-physical 0x${second.first.toString(16)} is claimed by ${first.actor} and by ${second.actor}: give one of them another base address`,
    );
  }
}

/** Which actor stands behind a guest-physical address without memory. There are few ranges. */
export class MmioRoutes implements Routes {
  #ranges: MmioRange[] = [];
  readonly #others: string;

  /** `others` serves what nobody claims. */
  constructor(others: string) {
    this.#others = others;
  }

  /** For those that have to be there. @throws MmioOverlapError */
  add(range: MmioRange): void {
    const other = this.#overlapping(range);
    if (other !== undefined) throw new MmioOverlapError(other, range);
    this.#ranges.push(range);
  }

  claim(first: number, sizeBytes: number, actor: string): boolean {
    const range = { first, sizeBytes, actor };
    if (this.#overlapping(range) !== undefined) return false;
    this.#ranges.push(range);
    return true;
  }

  release(first: number, sizeBytes: number, actor: string): void {
    this.#ranges = this.#ranges.filter(
      (range) => range.first !== first || range.sizeBytes !== sizeBytes || range.actor !== actor,
    );
  }

  actorAt(gpa: number): string {
    for (const range of this.#ranges)
      if (gpa >= range.first && gpa < range.first + range.sizeBytes) return range.actor;
    return this.#others;
  }

  #overlapping({ first, sizeBytes }: MmioRange): MmioRange | undefined {
    return this.#ranges.find(
      (other) => first < other.first + other.sizeBytes && other.first < first + sizeBytes,
    );
  }
}
