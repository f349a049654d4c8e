import type { Vm } from "../../src/vm/vm.ts";

/** How far back before the latest output a match may begin. */
const SEARCHED_CHARACTERS = 4096;

/** Whether the console has shown what is waited for. Cheap to ask after every exit: looks only when there is new output. */
export class ConsoleMatch {
  found = false;
  readonly #vm: Vm;
  readonly #pattern: RegExp | undefined;
  #seen = 0;

  /** No pattern: never found. */
  constructor(vm: Vm, pattern: RegExp | undefined) {
    this.#vm = vm;
    this.#pattern = pattern;
  }

  reached(): boolean {
    if (this.#pattern === undefined || this.found) return this.found;
    const { text } = this.#vm.console;
    if (text.length === this.#seen) return false;
    this.#seen = text.length;
    this.found = this.#pattern.test(text.slice(-SEARCHED_CHARACTERS));
    return this.found;
  }
}
