import { READY_MARK } from "../../src/guest/initramfs/init-script.ts";
import type { Vm } from "../../src/vm/vm.ts";
import { ConsoleMatch } from "./console-match.ts";

const CTRL_A = 0x01;
const CTRL_D = 0x04;
const LOWER_X = 0x78;
const LOWER_S = 0x73;
const LOWER_H = 0x68;
const QUESTION_MARK = 0x3f;

/** Virtual time. */
const SILENCE_NS = 500_000_000;

const HELP =
  "\r\n[umbra] Ctrl-A x leaves, Ctrl-A s shows figures, Ctrl-A h this help, Ctrl-A Ctrl-A sends a Ctrl-A\r\n";

/** What Ctrl-A makes of typed bytes: those for the guest, and commands. */
export class EscapeKeys {
  #escaped = false;

  /** Bytes for the guest. `command` gets the key that follows a Ctrl-A. */
  feed(bytes: Uint8Array, command: (key: number) => void): Uint8Array {
    const out: number[] = [];
    for (const byte of bytes) {
      if (!this.#escaped) {
        if (byte === CTRL_A) this.#escaped = true;
        else out.push(byte);
        continue;
      }
      this.#escaped = false;
      if (byte === CTRL_A) out.push(byte);
      else command(byte);
    }
    return Uint8Array.from(out);
  }
}

/**
 * Connects stdin to the guest's console: a terminal in raw mode with Ctrl-A as the way out, or else a pipe, whose bytes are typed
 * once user space is up, with Ctrl-D behind the last.
 */
export class Terminal {
  readonly #vm: Vm;
  readonly #show: (text: string) => void;
  readonly #leave = new AbortController();
  readonly #keys = new EscapeKeys();
  /** What a pipe has given before the guest could take it. */
  readonly #held: Uint8Array[] = [];
  readonly #ready: ConsoleMatch;
  #open: boolean;
  #wake: () => void = () => {};
  /** The pipe has no more. */
  #ended = false;
  #lastLength = -1;
  #silentSinceNs = 0;

  readonly #to: "console" | "keyboard";

  /**
   * @param show writes text for the user beside the guest's output
   * @param to where typed text goes; to the keyboard at once, also that of a pipe, with nothing behind it
   */
  constructor(vm: Vm, show: (text: string) => void, to: "console" | "keyboard" = "console") {
    this.#vm = vm;
    this.#to = to;
    this.#show = show;
    this.#ready = new ConsoleMatch(vm, new RegExp(READY_MARK));
    this.#open = process.stdin.isTTY === true || to === "keyboard";
    const { stdin } = process;
    if (stdin.isTTY) {
      stdin.setRawMode(true);
      show(HELP.trimStart());
    }
    stdin.on("data", this.#onData);
    stdin.on("end", this.#onEnd);
    stdin.resume();
  }

  /** Aborted when the user wants to go. */
  get left(): AbortSignal {
    return this.#leave.signal;
  }

  /** To be called between bursts of the guest. */
  afterExit(): void {
    if (this.#ended && this.#open && this.#to === "console") this.#endInput();
    if (this.#open || !this.#ready.reached()) return;
    this.#open = true;
    for (const bytes of this.#held.splice(0)) this.#type(bytes);
  }

  /** Resolves when something was typed (true), or the user wants to go (false). */
  async input(): Promise<boolean> {
    if (!this.left.aborted)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    return !this.left.aborted;
  }

  disconnect(): void {
    const { stdin } = process;
    stdin.off("data", this.#onData);
    stdin.off("end", this.#onEnd);
    if (stdin.isTTY) stdin.setRawMode(false);
    stdin.pause();
  }

  readonly #onData = (chunk: Buffer): void => {
    const bytes = process.stdin.isTTY ? this.#keys.feed(chunk, (key) => this.#command(key)) : chunk;
    if (bytes.length === 0) return;
    if (this.#open) this.#type(bytes);
    else this.#held.push(bytes);
  };

  readonly #onEnd = (): void => {
    this.#ended = true;
  };

  /**
   * The pipe is empty: types Ctrl-D whenever the guest has been silent for a while. Once would not do: what is typed while a command
   * runs does not reach the shell as an end of input.
   */
  #endInput(): void {
    const { virtualNs } = this.#vm.stats();
    const { length } = this.#vm.console.text;
    if (length !== this.#lastLength) {
      this.#lastLength = length;
      this.#silentSinceNs = virtualNs;
    } else if (virtualNs - this.#silentSinceNs >= SILENCE_NS) {
      this.#silentSinceNs = virtualNs;
      this.#type(Uint8Array.of(CTRL_D));
    }
  }

  #type(bytes: Uint8Array): void {
    if (this.#vm.reason === undefined) {
      if (this.#to === "console") this.#vm.console.write(bytes);
      else this.#vm.keyboard.type(new TextDecoder().decode(bytes));
    }
    this.#wake();
  }

  #command(key: number): void {
    if (key === LOWER_X) {
      this.#leave.abort();
      this.#wake();
    } else if (key === LOWER_H || key === QUESTION_MARK) this.#show(HELP);
    else if (key === LOWER_S) this.#show(`\r\n[umbra] ${figures(this.#vm)}\r\n`);
  }
}

function figures(vm: Vm): string {
  const { instructions, virtualNs, pagerFrames, exits } = vm.stats();
  const total = Object.values(exits).reduce((sum, count) => sum + count, 0);
  const seconds = (virtualNs / 1e9).toFixed(2);
  return `${vm.name} under ${vm.pager}: ${instructions} instructions, ${seconds} s of virtual time, ${total} exits, ${pagerFrames} frames of shadow tables`;
}
