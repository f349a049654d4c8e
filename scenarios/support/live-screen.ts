import type { Vm } from "../../src/vm/vm.ts";

const REFRESH_MS = 50;
const ROWS = 25;
/** A terminal's screen of its own, which leaves what was there before as it was. */
const ENTER = "\x1b[?1049h\x1b[2J";
const LEAVE = "\x1b[?25h\x1b[?1049l";
const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";
const at = (row: number, column: number): string => `\x1b[${row + 1};${column + 1}H`;
const CLEAR_REST = "\x1b[K";

/** The guest's text screen on a terminal, while it runs: twenty times a second what has changed, and the cursor where the guest has it. */
export class LiveScreen {
  readonly #vm: Vm;
  readonly #write: (text: string) => void;
  readonly #timer: NodeJS.Timeout;
  #shown: string[] = [];
  #cursor = "";

  constructor(vm: Vm, write: (text: string) => void) {
    this.#vm = vm;
    this.#write = write;
    write(ENTER);
    this.#timer = setInterval(() => this.refresh(), REFRESH_MS).unref();
  }

  refresh(): void {
    const { screen = [], cursor } = this.#vm;
    let changes = "";
    for (const [row, text] of screen.entries()) {
      if (text === (this.#shown[row] ?? "")) continue;
      changes += `${at(row, 0)}${text}${CLEAR_REST}`;
    }
    const place = cursor === undefined ? HIDE_CURSOR : `${SHOW_CURSOR}${at(cursor.row, cursor.column)}`;
    if (changes === "" && place === this.#cursor) return;
    this.#shown = [...screen];
    this.#cursor = place;
    this.#write(`${HIDE_CURSOR}${changes}${place}`);
  }

  /** A line of the scenario's own, below the guest's. */
  tell(text: string): void {
    const line = text.replace(/[\r\n]+/g, " ").trim();
    this.#write(`${at(ROWS, 0)}${line}${CLEAR_REST}${this.#cursor}`);
  }

  /** For good; the terminal is as it was. */
  stop(): void {
    clearInterval(this.#timer);
    this.#write(LEAVE);
  }
}
