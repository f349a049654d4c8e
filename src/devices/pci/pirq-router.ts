import type { IrqLine } from "../device.ts";
import { WiredOr } from "../wired-or.ts";
import type { PciFunction } from "./function.ts";

/** PIRQRCA to PIRQRCD of the ISA bridge: where its four inputs PIRQA# to PIRQD# lead (Intel 82371AB PIIX4 datasheet, 4.1.10). */
export const PIRQ_ROUTING = 0x60;
export const PIRQ_INPUTS = 4;
/** Bit 7: nowhere. The low bits are the line; some, which the board's own devices have, cannot be chosen. */
const NOWHERE = 0x80;
const LINE = 0x0f;
const ROUTABLE: ReadonlySet<number> = new Set([3, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15]);

/** The input that pin A of a function in this slot is wired to: neighbouring slots take them in turn. */
export const pirqOfSlot = (slot: number): number => (slot + PIRQ_INPUTS - 1) % PIRQ_INPUTS;

/** Leads the pins of PCI functions to interrupt lines, as the routing registers say at any moment. A line is high while an input is that leads to it. */
export class PirqRouter {
  readonly #bridge: PciFunction;
  readonly #lineOf: (line: number) => IrqLine;
  /** By number, those that have ever been led to. */
  readonly #lines = new Map<number, IrqLine>();
  readonly #levels: boolean[] = new Array(PIRQ_INPUTS).fill(false);
  readonly #inputs: readonly WiredOr[];

  /** `lineOf` gives an interrupt line by its number; it is asked once for each. */
  constructor(bridge: PciFunction, lineOf: (line: number) => IrqLine) {
    this.#bridge = bridge;
    this.#lineOf = lineOf;
    this.#inputs = this.#levels.map(
      (_, input) =>
        new WiredOr({
          set: (level) => {
            this.#levels[input] = level;
            this.#drive();
          },
        }),
    );
    const others = bridge.onWrite;
    bridge.onWrite = (offset, sizeBytes) => {
      others(offset, sizeBytes);
      if (offset < PIRQ_ROUTING + PIRQ_INPUTS && offset + sizeBytes > PIRQ_ROUTING) this.#drive();
    };
  }

  /** A pin of one more device on an input, 0 to 3. */
  pin(input: number): IrqLine {
    return (this.#inputs[input] as WiredOr).output();
  }

  #drive(): void {
    const high = new Set<number>();
    for (const [input, level] of this.#levels.entries()) {
      const line = this.#route(input);
      if (level && line !== undefined) high.add(line);
    }
    for (const line of high) if (!this.#lines.has(line)) this.#lines.set(line, this.#lineOf(line));
    // What ends first: a line that another device has may not look asserted by both.
    for (const [number, line] of this.#lines) if (!high.has(number)) line.set(false);
    for (const [number, line] of this.#lines) if (high.has(number)) line.set(true);
  }

  #route(input: number): number | undefined {
    const register = this.#bridge.read(PIRQ_ROUTING + input, 1);
    const line = register & LINE;
    return (register & NOWHERE) === 0 && ROUTABLE.has(line) ? line : undefined;
  }
}
