/** Errors of the message bus. Each says who did what, and what to look at. */

import type { CauseLink, Envelope, Message } from "./envelope.ts";

/** One line per link of a chain of causes, newest first. */
export function formatCauses(causes: readonly CauseLink[]): string {
  return causes
    .map((link) => `  #${link.seq} ${link.type} ${link.sender} -> ${link.receiver ?? "(fact)"}`)
    .join("\n");
}

/** A message was posted to an actor that is not registered. */
export class UnknownReceiverError extends Error {
  override readonly name = "UnknownReceiverError";
  readonly sender: string;
  readonly receiver: string;
  readonly type: string;
  constructor(sender: string, receiver: string, type: string, known: readonly string[]) {
    super(
      `'${sender}' posted '${type}' to '${receiver}', but no such actor is registered ` +
        `(registered: ${known.length === 0 ? "none" : known.join(", ")}). Register the receiver before posting to it.`,
    );
    this.sender = sender;
    this.receiver = receiver;
    this.type = type;
  }
}

/** Two actors claimed the same id. */
export class DuplicateReceiverError extends Error {
  override readonly name = "DuplicateReceiverError";
  constructor(actorId: string) {
    super(
      `An actor '${actorId}' is already registered on this bus. Unregister it first, or choose another id.`,
    );
  }
}

/** The queue is full; names the actor that posted most of what is in it. */
export class BusOverflowError extends Error {
  override readonly name = "BusOverflowError";
  /** The actor with most messages in the queue. */
  readonly flooder: string;
  /** How many of the queued messages are the flooder's. */
  readonly count: number;
  readonly capacity: number;
  constructor(capacity: number, flooder: string, count: number, type: string) {
    super(
      `The bus is full: ${capacity} messages are queued, ${count} of them posted by '${flooder}' ` +
        `(mostly '${type}'). Look for a loop of messages there, or raise the bus's capacity.`,
    );
    this.flooder = flooder;
    this.count = count;
    this.capacity = capacity;
  }
}

/** `step` or `drain` was called while a message was being delivered. */
export class BusReentryError extends Error {
  override readonly name = "BusReentryError";
  constructor(receiver: string) {
    super(
      `'${receiver}' tried to pump the bus while it was handling a message. ` +
        `Post the message and return; it is delivered after the present one.`,
    );
  }
}

/** A receiver threw and the bus has no fault handler to give the fault to. */
export class UnsupervisedFaultError extends Error {
  override readonly name = "UnsupervisedFaultError";
  readonly envelope: Envelope<Message>;
  readonly causes: readonly CauseLink[];
  constructor(error: unknown, envelope: Envelope<Message>, causes: readonly CauseLink[]) {
    super(
      `'${envelope.receiver}' threw while handling '${envelope.message.type}': ` +
        `${error instanceof Error ? error.message : String(error)}\nCaused by, newest first:\n${formatCauses(causes)}`,
      { cause: error },
    );
    this.envelope = envelope;
    this.causes = causes;
  }
}
