import type { Gpa } from "../mmu/address.ts";

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

/** Which actor stands behind a guest-physical address without memory. There are few ranges, and they may change while the guest runs. */
export class MmioRoutes {
  readonly #ranges: MmioRange[] = [];
  readonly #others: string;

  /** `others` serves what nobody claims. */
  constructor(others: string) {
    this.#others = others;
  }

  get ranges(): readonly MmioRange[] {
    return this.#ranges;
  }

  /** @throws MmioOverlapError */
  add(range: MmioRange): void {
    const other = this.#overlapping(range);
    if (other !== undefined) throw new MmioOverlapError(other, range);
    this.#ranges.push(range);
  }

  /** Whether nobody claims any of it. */
  isFree(range: MmioRange): boolean {
    return this.#overlapping(range) === undefined;
  }

  remove(range: MmioRange): void {
    const at = this.#ranges.indexOf(range);
    if (at >= 0) this.#ranges.splice(at, 1);
  }

  actorAt(gpa: Gpa): string {
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
