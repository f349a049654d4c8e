import type { IrqLine } from "./device.ts";

/** Several level-triggered outputs on one line: it is asserted while any of them is. */
export class WiredOr {
  readonly #line: IrqLine;
  readonly #asserted = new Set<IrqLine>();

  constructor(line: IrqLine) {
    this.#line = line;
  }

  /** An output of one more device. */
  output(): IrqLine {
    const output: IrqLine = {
      set: (level) => {
        if (level) this.#asserted.add(output);
        else this.#asserted.delete(output);
        this.#line.set(this.#asserted.size > 0);
      },
    };
    return output;
  }
}
