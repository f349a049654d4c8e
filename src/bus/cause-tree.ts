/** Draws messages as a tree of causes: what each of them set off, indented below it. */

import type { Envelope, Message } from "./envelope.ts";

export interface CauseTreeOptions<M extends Message> {
  /** One line of text for a message. Default: `#seq type sender -> receiver {fields}`. */
  readonly describe?: (envelope: Envelope<M>) => string;
  /** Leave a message out; what it caused moves up to its place. */
  readonly hide?: (envelope: Envelope<M>) => boolean;
}

/** The fields of a message beside its type, short: numbers above 9 in hexadecimal, long values cut. */
export function describeFields(message: Message): string {
  const fields = Object.entries(message).filter(([name]) => name !== "type");
  if (fields.length === 0) return "";
  return ` {${fields.map(([name, value]) => `${name}: ${describeValue(value)}`).join(", ")}}`;
}

const MAX_VALUE_LENGTH = 60;

/** A value in a few characters. */
export function describeValue(value: unknown): string {
  if (typeof value === "number" && Number.isInteger(value) && value > 9) return `0x${value.toString(16)}`;
  if (typeof value === "bigint") return `0x${value.toString(16)}`;
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
  const text = typeof value === "string" ? JSON.stringify(value) : (stringify(value) ?? String(value));
  return text.length > MAX_VALUE_LENGTH ? `${text.slice(0, MAX_VALUE_LENGTH - 1)}…` : text;
}

/** JSON that survives what JSON cannot say. */
function stringify(value: unknown): string | undefined {
  const seen = new Set<unknown>();
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === "bigint") return `0x${part.toString(16)}`;
    if (typeof part !== "object" || part === null) return part;
    if (ArrayBuffer.isView(part)) return `${part.byteLength} bytes`;
    if (seen.has(part)) return "(again)";
    seen.add(part);
    return part;
  });
}

export function describeEnvelope(envelope: Envelope<Message>): string {
  const { seq, sender, receiver, message } = envelope;
  const to = receiver === null ? `${sender}:` : `${sender} -> ${receiver}`;
  return `#${seq} ${message.type}  ${to}${describeFields(message)}`;
}

/**
 * The messages as an indented tree, causes above what they caused, siblings in the order of delivery. A message whose
 * cause is not among `envelopes` is a root.
 */
export function formatCauseTree<M extends Message>(
  envelopes: readonly Envelope<M>[],
  options: CauseTreeOptions<M> = {},
): string {
  const { describe = describeEnvelope, hide = () => false } = options;
  const known = new Set(envelopes.map((envelope) => envelope.seq));
  const children = new Map<number | null, Envelope<M>[]>();
  for (const envelope of envelopes) {
    const cause = envelope.cause !== null && known.has(envelope.cause) ? envelope.cause : null;
    const siblings = children.get(cause);
    if (siblings === undefined) children.set(cause, [envelope]);
    else siblings.push(envelope);
  }
  /** The children to draw: those of a hidden message stand in its place. */
  const drawn = (cause: number | null): Envelope<M>[] =>
    (children.get(cause) ?? []).flatMap((envelope) => (hide(envelope) ? drawn(envelope.seq) : [envelope]));

  const lines: string[] = [];
  const draw = (envelope: Envelope<M>, lead: string, below: string): void => {
    lines.push(lead + describe(envelope));
    const caused = drawn(envelope.seq);
    caused.forEach((child, at) => {
      const last = at === caused.length - 1;
      draw(child, `${below}${last ? "└─ " : "├─ "}`, `${below}${last ? "   " : "│  "}`);
    });
  };
  for (const root of drawn(null)) draw(root, "", "");
  return lines.join("\n");
}

/** Collects envelopes from a tap, and draws them. */
export class CauseTree<M extends Message> {
  readonly envelopes: Envelope<M>[] = [];
  readonly #tap: { detach(): void };

  /** @param bus whatever can be tapped: a `Bus`. */
  constructor(bus: { tap(tap: (envelope: Envelope<M>) => void): { detach(): void } }) {
    this.#tap = bus.tap((envelope) => this.envelopes.push(envelope));
  }

  /** Forgets what was collected so far. */
  clear(): void {
    this.envelopes.length = 0;
  }

  /** Stops collecting. */
  detach(): void {
    this.#tap.detach();
  }

  format(options: CauseTreeOptions<M> = {}): string {
    return formatCauseTree(this.envelopes, options);
  }
}
