import type { Vm } from "../../src/vm/vm.ts";

/** How far back before the latest output a match may begin. */
const SEARCHED_CHARACTERS = 4096;

/** Whether the console has shown what is waited for. Cheap to ask after every exit: looks only when there is new output. */
export class ConsoleMatch {
  found = false;
  readonly #vm: Vm;
  #pattern: RegExp | undefined;
  /** All counted in bytes since power-on. */
  #from = 0;
  #seen = 0;

  /** No pattern: never found. */
  constructor(vm: Vm, pattern: RegExp | undefined) {
    this.#vm = vm;
    this.#pattern = pattern;
  }

  /** Waits for another one, behind what was found last. */
  expect(pattern: RegExp | undefined): void {
    this.found = false;
    this.#pattern = pattern;
    this.#seen = this.#from;
  }

  reached(): boolean {
    if (this.#pattern === undefined || this.found) return this.found;
    const { text, total } = this.#vm.output;
    if (total === this.#seen) return false;
    // Of a match that is on its way a beginning may have been seen before.
    const start = Math.max(this.#from, Math.min(this.#seen, total) - SEARCHED_CHARACTERS);
    this.#seen = total;
    const cut = Math.max(0, start - (total - text.length));
    const match = this.#pattern.exec(text.slice(cut));
    if (match === null) return false;
    this.found = true;
    this.#from = total - text.length + cut + match.index + match[0].length;
    return true;
  }
}
