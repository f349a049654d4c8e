/** Text that a scenario sends to the guest's serial console, or types on its keyboard, when the guest has shown something: --send and --type. */
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

/** For guests with a keyboard. */
export const TYPE_FLAGS = {
  "type-after": {
    type: "string",
    value: "REGEX",
    multiple: true,
    help: "the same for the next --type; the text screen counts as well",
  },
  type: {
    type: "string",
    value: "TEXT",
    multiple: true,
    help: "type this on the keyboard, with the escapes of --send: \\n is Enter, \\e Escape, \\e[A \\e[B \\e[C \\e[D arrows, \\x03 Ctrl-C; may be given several times",
  },
} as const satisfies FlagSpecs;

export interface Send {
  /** Undefined: without waiting. */
  readonly after: RegExp | undefined;
  readonly to: "console" | "keyboard";
  readonly bytes: Uint8Array;
}

/** Pairs the flags in the order in which they were given. @throws UsageError */
export function sendsOf(given: readonly GivenFlag[]): Send[] {
  const sends: Send[] = [];
  /** What the next flag of that kind waits for. */
  let waits: { readonly kind: Kind; readonly pattern: RegExp } | undefined;
  for (const { name, value } of given) {
    const kind = KINDS.find((known) => name === known || name === `${known}-after`);
    if (kind === undefined) continue;
    if (name !== kind) {
      if (waits !== undefined) throw new UsageError(`--${name} twice: a --${waits.kind} belongs behind each`);
      waits = { kind, pattern: patternOf(name, value) };
      continue;
    }
    if (waits !== undefined && waits.kind !== kind)
      throw new UsageError(`--${waits.kind}-after is for a --${waits.kind} behind it, and not for --${kind}`);
    sends.push({
      after: waits?.pattern,
      to: kind === "send" ? "console" : "keyboard",
      bytes: unescapedBytes(kind, value),
    });
    waits = undefined;
  }
  if (waits !== undefined)
    throw new UsageError(
      `--${waits.kind}-after without a --${waits.kind} behind it: nothing to ${waits.kind}`,
    );
  return sends;
}

const KINDS = ["send", "type"] as const;
type Kind = (typeof KINDS)[number];

const ESCAPES: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, e: 27, "\\": 92 };

/** UTF-8, with the escapes replaced. @throws UsageError */
function unescapedBytes(kind: Kind, text: string): Uint8Array {
  const parts = text.split(/(\\x[0-9a-f]{2}|\\.?)/is);
  const bytes = parts.map((part) => {
    if (!part.startsWith("\\")) return new TextEncoder().encode(part);
    const code = part.length === 4 ? Number.parseInt(part.slice(2), 16) : ESCAPES[part.slice(1)];
    if (code === undefined)
      throw new UsageError(`--${kind} knows \\n, \\r, \\t, \\e, \\\\ and \\xHH, and no "${part}"`);
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
      if (next.to === "console") this.#vm.console.write(next.bytes);
      else this.#vm.keyboard.type(new TextDecoder().decode(next.bytes));
      this.#left.shift();
      this.#match.expect(this.#left[0]?.after);
    }
  }
}
