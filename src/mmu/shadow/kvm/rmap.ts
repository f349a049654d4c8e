import type { Level } from "./role.ts";

/**
 * Numbers of the list cells: one for each gfn and level (the leaves that map it) and one for each shadow page (the links that lead to it).
 * Cells exist for every gfn below the guest's limit, whatever slot it belongs to.
 */
export class CellNumbers {
  readonly #starts: readonly [number, number, number];
  readonly firstParent: number;
  readonly count: number;

  constructor(gfnLimit: number, pages: number) {
    const large = Math.ceil(gfnLimit / 2 ** 9);
    this.#starts = [1, 1 + gfnLimit, 1 + gfnLimit + large];
    this.firstParent = 1 + gfnLimit + large + Math.ceil(gfnLimit / 2 ** 18);
    this.count = this.firstParent + pages;
  }

  /** Leaves of that level that map a gfn (or, above level 1, the large frame around it). */
  rmap(gfn: number, level: Level): number {
    return (this.#starts[level - 1] as number) + (gfn >>> (9 * (level - 1)));
  }
  parents(sid: number): number {
    return this.firstParent + sid - 1;
  }

  /** What a cell is for. */
  describe(cell: number): { kind: "rmap"; gfn: number; level: Level } | { kind: "parents"; sid: number } {
    if (cell >= this.firstParent) return { kind: "parents", sid: cell - this.firstParent + 1 };
    const level = (cell >= this.#starts[2] ? 3 : cell >= this.#starts[1] ? 2 : 1) as Level;
    return {
      kind: "rmap",
      gfn: (cell - (this.#starts[level - 1] as number)) * 2 ** (9 * (level - 1)),
      level,
    };
  }
}
