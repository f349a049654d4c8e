/** What power-on tests say of themselves: codes on the POST port, a byte each. */
import type { Vm } from "../../src/vm/vm.ts";
import { UsageError } from "./flags.ts";

/** Codes that are kept: tests count to a few dozens, kernels write the port for ever. */
const MOST_KEPT = 256;

/** Follows the POST codes of a vm: `look` is to be called after every exit, and an access to a port is one. */
export class PostCodes {
  /** Every code in its order, repetitions left out. */
  readonly seen: number[] = [];
  readonly #vm: Vm;
  readonly #goal: number | undefined;
  readonly #show: ((text: string) => void) | undefined;
  #writes = 0;

  /** `goal` is the code that ends the run; `show` gets a line for each that is new. */
  constructor(vm: Vm, goal: number | undefined, show?: (text: string) => void) {
    this.#vm = vm;
    this.#goal = goal;
    this.#show = show;
  }

  /** True when the code just written is the goal. */
  look(): boolean {
    const { last, writes } = this.#vm.devices.postCode.state;
    if (writes === this.#writes) return false;
    this.#writes = writes;
    if (this.seen.at(-1) !== last && this.seen.length < MOST_KEPT) {
      this.seen.push(last);
      this.#show?.(`POST ${postCodeText(last)}\n`);
    }
    return last === this.#goal;
  }
}

export const postCodeText = (code: number): string => code.toString(16).toUpperCase().padStart(2, "0");

/** `post=FF`; undefined when it is another end. @throws UsageError */
export function postCodeOf(end: string): number | undefined {
  if (!end.startsWith("post=")) return undefined;
  const code = /^post=(0x)?([0-9a-f]{1,2})$/i.exec(end)?.[2];
  if (code === undefined)
    throw new UsageError(
      `--exit-on post= takes a hexadecimal code from 00 to FF, as in post=FF, not "${end}"`,
    );
  return Number.parseInt(code, 16);
}
