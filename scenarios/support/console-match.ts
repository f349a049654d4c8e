import type { Vm } from "../../src/vm/vm.ts";

/** How far back before the latest output a match may begin. */
const SEARCHED_CHARACTERS = 4096;

/** Guest instructions, or virtual ns if they are over sooner, between two looks at the screen, which is 4000 bytes and tells nobody when it changes. */
const SCREEN_INSTRUCTIONS = 200_000;
const SCREEN_NS = 100_000_000;

/**
 * Whether the guest has shown what is waited for, on its console or, if it has one, on its text screen. Cheap to ask after every exit: looks only when there
 * is new output, and at the screen now and then. When that is depends on the guest alone.
 */
export class ConsoleMatch {
  found = false;
  readonly #vm: Vm;
  #pattern: RegExp | undefined;
  /** All counted in bytes since power-on. */
  #from = 0;
  #seen = 0;
  #nextLook = 0;
  #nextLookNs = 0;
  /** The screen on which the last one was found: it does not count again before it changes. */
  #screen = "";

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
    this.found = this.#onConsole(this.#pattern) || this.#onScreen(this.#pattern);
    return this.found;
  }

  /** The run is over: the screen is looked at once more. */
  reachedAtEnd(): boolean {
    this.#nextLook = 0;
    return this.reached();
  }

  #onScreen(pattern: RegExp): boolean {
    const { retired, time } = this.#vm.vcpu.set;
    const nowNs = time.nowNs();
    if (retired < this.#nextLook && nowNs < this.#nextLookNs) return false;
    this.#nextLook = retired + SCREEN_INSTRUCTIONS;
    this.#nextLookNs = nowNs + SCREEN_NS;
    const screen = this.#vm.screen?.join("\n");
    if (screen === undefined || screen === this.#screen || !pattern.test(screen)) return false;
    this.#screen = screen;
    return true;
  }

  #onConsole(pattern: RegExp): boolean {
    const { text, total } = this.#vm.output;
    if (total === this.#seen) return false;
    // Of a match that is on its way a beginning may have been seen before.
    const start = Math.max(this.#from, Math.min(this.#seen, total) - SEARCHED_CHARACTERS);
    this.#seen = total;
    const cut = Math.max(0, start - (total - text.length));
    const match = pattern.exec(text.slice(cut));
    if (match === null) return false;
    this.#from = total - text.length + cut + match.index + match[0].length;
    return true;
  }
}
