/** Text that a scenario sends to the guest's serial console when the console has shown something: --send and --send-after. */
import type { Vm } from "../../src/vm/vm.ts";
import type { ConsoleMatch } from "./console-match.ts";
import { type FlagSpecs, type GivenFlag, patternOf, UsageError } from "./flags.ts";

export const SEND_FLAGS = {
  "send-after": {
    type: "string",
    value: "REGEX",
    multiple: true,
    help: "the next --send waits until the console shows this, behind what the one before has waited for",
  },
  send: {
    type: "string",
    value: "TEXT",
    multiple: true,
    help: "send this to the serial console; \\n, \\r, \\t, \\e, \\\\ and \\xHH are understood; may be given several times, and then --until looks at what comes behind the last",
  },
} as const satisfies FlagSpecs;

export interface Send {
  /** Undefined: without waiting. */
  readonly after: RegExp | undefined;
  readonly bytes: Uint8Array;
}

/** Pairs the flags in the order in which they were given. @throws UsageError */
export function sendsOf(given: readonly GivenFlag[]): Send[] {
  const sends: Send[] = [];
  let after: RegExp | undefined;
  for (const { name, value } of given) {
    if (name === "send-after") {
      if (after !== undefined) throw new UsageError("--send-after twice: a --send belongs behind each");
      after = patternOf(name, value);
    } else if (name === "send") {
      sends.push({ after, bytes: unescapedBytes(value) });
      after = undefined;
    }
  }
  if (after !== undefined) throw new UsageError("--send-after without a --send behind it: nothing to send");
  return sends;
}

const ESCAPES: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, e: 27, "\\": 92 };

/** UTF-8, with the escapes replaced. @throws UsageError */
function unescapedBytes(text: string): Uint8Array {
  const parts = text.split(/(\\x[0-9a-f]{2}|\\.?)/is);
  const bytes = parts.map((part) => {
    if (!part.startsWith("\\")) return new TextEncoder().encode(part);
    const code = part.length === 4 ? Number.parseInt(part.slice(2), 16) : ESCAPES[part.slice(1)];
    if (code === undefined)
      throw new UsageError(`--send knows \\n, \\r, \\t, \\e, \\\\ and \\xHH, and no "${part}"`);
    return Uint8Array.of(code);
  });
  return Uint8Array.from(bytes.flatMap((part) => [...part]));
}

/** Sends one after the other. What is sent when depends on the guest alone, so that every run is the same. */
export class Sender {
  readonly #vm: Vm;
  readonly #match: ConsoleMatch;
  readonly #left: Send[];

  /** @param match stands where the search for the first one begins, and is moved on by each that is sent */
  constructor(vm: Vm, sends: readonly Send[], match: ConsoleMatch) {
    this.#vm = vm;
    this.#match = match;
    this.#left = [...sends];
    this.#match.expect(this.#left[0]?.after);
  }

  /** Those that wait. */
  get left(): readonly Send[] {
    return this.#left;
  }

  /** To be called between bursts of the guest. True when nothing is left. */
  afterExit(): boolean {
    for (;;) {
      const next = this.#left[0];
      if (next === undefined) return true;
      if (next.after !== undefined && !this.#match.reached()) return false;
      this.#vm.console.write(next.bytes);
      this.#left.shift();
      this.#match.expect(this.#left[0]?.after);
    }
  }
}
