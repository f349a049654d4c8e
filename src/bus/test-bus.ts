/**
 * A bus for trying out one actor (or a few) alone: its surroundings are scripted, and what it posts is compared.
 * Needs no test runner.
 *
 *     const bus = createTestBus<Messages>();
 *     bus.register("uart", (message) => actor.deliver(message));
 *     bus.stub("pic", (message, reply) => { if (message.type === "irq.assert") reply("uart", …); });
 *     bus.post("test", "uart", { type: "io.write", port: 0x3f8, value: 65 });
 *     bus.drain();
 *     bus.expectMessages([{ type: "io.write" }, { type: "irq.assert", to: "pic", with: { line: 4 } }]);
 */

import { Bus, type BusFault, type BusOptions } from "./bus.ts";
import {
  CauseTree,
  type CauseTreeOptions,
  describeEnvelope,
  describeFields,
  describeValue,
} from "./cause-tree.ts";
import type { Envelope, Message, MessageOf } from "./envelope.ts";
import { formatCauses } from "./errors.ts";

/** A message as a test expects it: its type, and whatever else is to be compared. */
export type ExpectedMessage<M extends Message> = {
  [T in M["type"]]: {
    readonly type: T;
    readonly from?: string;
    /** The receiver; null: announced as a fact. */
    readonly to?: string | null;
    /** Fields that the message must have; others may be there too. Functions are predicates. */
    readonly with?: PartialFields<MessageOf<M, T>>;
  };
}[M["type"]];

/** {@link ExpectedMessage} without knowledge of the union. */
interface AnyExpectation {
  readonly type: string;
  readonly from?: string | undefined;
  readonly to?: string | null | undefined;
  readonly with?: object | undefined;
}

type PartialFields<T> = { readonly [K in keyof T]?: T[K] | ((value: T[K]) => boolean) | PartialFields<T[K]> };

/** Messages were not as expected. Shaped as `node:assert`'s AssertionError, so that test runners show it well. */
export class MessageExpectationError extends Error {
  override readonly name = "AssertionError";
  readonly code = "ERR_ASSERTION";
  readonly generatedMessage = false;
  readonly operator = "expectMessages";
  readonly actual: unknown;
  readonly expected: unknown;
  constructor(message: string, actual: unknown, expected: unknown) {
    super(message);
    this.actual = actual;
    this.expected = expected;
  }
}

/** A message that a stub actor received. */
export type StubScript<M extends Message> = (
  message: M,
  /** Posts an answer under the stub's name. */
  reply: (receiver: string, message: M) => void,
) => void;

export class TestBus<M extends Message> extends Bus<M> {
  /** Faults of receivers, in order. `expectMessages` fails while there are any. */
  readonly faults: BusFault<M>[] = [];
  readonly #tree: CauseTree<M>;
  readonly #clock: { now: number };
  #checked = 0;

  constructor(options: Omit<BusOptions<M>, "onFault">, clock: { now: number }) {
    super({ now: () => clock.now, ...options, onFault: (fault) => this.faults.push(fault) });
    this.#clock = clock;
    this.#tree = new CauseTree<M>(this);
  }

  /** Everything that was delivered or announced. */
  get envelopes(): readonly Envelope<M>[] {
    return this.#tree.envelopes;
  }

  /** Registers stand-ins that receive what the actor under test posts, and answer as scripted. */
  stub(actorId: string, script: StubScript<M> = () => {}): void {
    this.register(actorId, (message) =>
      script(message, (receiver, answer) => this.post(actorId, receiver, answer)),
    );
  }

  /** Moves virtual time on. */
  advance(byNs: number): void {
    this.#clock.now += byNs;
  }

  /** Forgets the messages so far; the next `expectMessages` begins here. */
  forget(): void {
    this.#checked = this.#tree.envelopes.length;
  }

  /**
   * Compares what was delivered and announced since the last call with a list: type, receiver, sender and fields as
   * far as given, in order, none missing and none more.
   * @throws MessageExpectationError that shows both lists side by side.
   */
  expectMessages(expected: readonly ExpectedMessage<M>[]): void {
    this.#failOnFaults();
    const actual = this.#tree.envelopes.slice(this.#checked);
    this.#checked = this.#tree.envelopes.length;
    const lines: string[] = [];
    let differs = false;
    for (let at = 0; at < Math.max(actual.length, expected.length); at++) {
      const envelope = actual[at];
      const wanted = expected[at];
      if (envelope !== undefined && wanted !== undefined) {
        const reasons = mismatches(envelope, wanted);
        lines.push(`${reasons.length === 0 ? "  " : "≠ "}${describeEnvelope(envelope)}`);
        lines.push(...reasons.map((reason) => `      ${reason}`));
        differs ||= reasons.length > 0;
      } else {
        differs = true;
        if (envelope !== undefined) lines.push(`+ ${describeEnvelope(envelope)}   (not expected)`);
        else lines.push(`- ${describeExpected(wanted!)}   (did not come)`);
      }
    }
    if (differs)
      throw new MessageExpectationError(
        `Messages differ from what was expected:\n${lines.join("\n")}`,
        actual.map(({ sender, receiver, message }) => ({ sender, receiver, message })),
        expected,
      );
  }

  /** All messages as an indented tree of causes. */
  causeTree(options: CauseTreeOptions<M> = {}): string {
    return this.#tree.format(options);
  }

  #failOnFaults(): void {
    const [fault] = this.faults;
    if (fault === undefined) return;
    throw new MessageExpectationError(
      `'${fault.envelope.receiver}' threw: ${fault.error instanceof Error ? fault.error.message : String(fault.error)}\n` +
        formatCauses(fault.causes),
      fault.error,
      "no fault",
    );
  }
}

/** A bus whose time stands still unless told to `advance`. */
export function createTestBus<M extends Message>(options: Omit<BusOptions<M>, "onFault"> = {}): TestBus<M> {
  return new TestBus<M>(options, { now: 0 });
}

function describeExpected(expected: AnyExpectation): string {
  const to = expected.to === undefined ? "" : ` -> ${expected.to ?? "(fact)"}`;
  return `${expected.type}${to}${describeFields({ ...expected.with, type: expected.type })}`;
}

function mismatches(envelope: Envelope<Message>, expected: AnyExpectation): string[] {
  const reasons: string[] = [];
  const { type } = envelope.message;
  if (type !== expected.type) return [`expected ${describeExpected(expected)}`];
  if (expected.from !== undefined && expected.from !== envelope.sender)
    reasons.push(`expected from '${expected.from}', not '${envelope.sender}'`);
  if (expected.to !== undefined && expected.to !== envelope.receiver)
    reasons.push(`expected to ${expected.to ?? "(fact)"}, not ${envelope.receiver ?? "(fact)"}`);
  compare(envelope.message, expected.with ?? {}, "", reasons);
  return reasons;
}

/** Adds a line for each place where `actual` does not have what `expected` says. */
function compare(actual: unknown, expected: unknown, path: string, reasons: string[]): void {
  if (typeof expected === "function") {
    if (!expected(actual))
      reasons.push(`${path || "message"}: ${describeValue(actual)} does not satisfy the predicate`);
  } else if (
    typeof expected === "object" &&
    expected !== null &&
    typeof actual === "object" &&
    actual !== null
  ) {
    if (Array.isArray(expected) && Array.isArray(actual) && expected.length !== actual.length)
      reasons.push(`${path}: expected ${expected.length} elements, got ${actual.length}`);
    else
      for (const [key, value] of Object.entries(expected))
        compare((actual as Record<string, unknown>)[key], value, path ? `${path}.${key}` : key, reasons);
  } else if (!Object.is(actual, expected)) {
    reasons.push(`${path}: expected ${describeValue(expected)}, got ${describeValue(actual)}`);
  }
}
