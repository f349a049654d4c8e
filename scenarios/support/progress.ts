import { READY_MARK } from "../../src/guest/initramfs/init-script.ts";
import type { Vm } from "../../src/vm/vm.ts";

const REFRESH_MS = 250;
/** After so long without output the user wonders. */
const SILENCE_MS = 400;
const CLEAR_LINE = "\r\x1b[K";

/** While a booting guest says nothing: a line on stderr (a terminal only) that tells how far it is. Over when user space is up. */
export class ProgressLine {
  readonly #vm: Vm;
  readonly #stream: NodeJS.WriteStream;
  readonly #startMs = performance.now();
  readonly #timer: NodeJS.Timeout | undefined;
  #lastOutputMs = performance.now();
  #shown = false;

  constructor(vm: Vm, stream: NodeJS.WriteStream = process.stderr) {
    this.#vm = vm;
    this.#stream = stream;
    if (stream.isTTY) this.#timer = setInterval(() => this.#refresh(), REFRESH_MS).unref();
  }

  /** To be called before anything else is written to the terminal. */
  clear(): void {
    this.#lastOutputMs = performance.now();
    if (!this.#shown) return;
    this.#stream.write(CLEAR_LINE);
    this.#shown = false;
  }

  /** For good. */
  stop(): void {
    clearInterval(this.#timer);
    this.clear();
  }

  #refresh(): void {
    const now = performance.now();
    if (now - this.#lastOutputMs < SILENCE_MS) return;
    const { text } = this.#vm.console;
    if (text.includes(READY_MARK)) {
      this.stop();
      return;
    }
    // A line that the guest has begun is not to be overwritten.
    if (text !== "" && !text.endsWith("\n")) return;
    const { instructions, virtualNs } = this.#vm.stats();
    const mips = instructions / 1000 / (now - this.#startMs);
    const told = `${(instructions / 1e6).toFixed(0)} M instructions, ${mips.toFixed(0)} MIPS, ${(virtualNs / 1e9).toFixed(2)} s of virtual time`;
    this.#stream.write(`${CLEAR_LINE}${told}`);
    this.#shown = true;
  }
}
