/** Counts the bus's messages, by type and by family. */

import { type Envelope, familyOf, type Message } from "./envelope.ts";

export interface MessageCounts {
  readonly total: number;
  /** Deliveries by message type. */
  readonly byType: Readonly<Record<string, number>>;
  readonly byFamily: Readonly<Record<string, number>>;
}

export class MessageCounters<M extends Message> {
  readonly #counts = new Map<string, number>();
  readonly #tap: { detach(): void };

  /** @param bus whatever can be tapped: a `Bus`. */
  constructor(bus: { tap(tap: (envelope: Envelope<M>) => void): { detach(): void } }) {
    this.#tap = bus.tap(({ message }) =>
      this.#counts.set(message.type, (this.#counts.get(message.type) ?? 0) + 1),
    );
  }

  /** How many messages of a type there were. */
  count(type: M["type"]): number {
    return this.#counts.get(type) ?? 0;
  }

  /** All counts, most frequent first. */
  counts(): MessageCounts {
    const byType = [...this.#counts].sort((a, b) => b[1] - a[1]);
    const byFamily = new Map<string, number>();
    for (const [type, n] of byType) byFamily.set(familyOf(type), (byFamily.get(familyOf(type)) ?? 0) + n);
    return {
      total: byType.reduce((sum, [, n]) => sum + n, 0),
      byType: Object.fromEntries(byType),
      byFamily: Object.fromEntries([...byFamily].sort((a, b) => b[1] - a[1])),
    };
  }

  reset(): void {
    this.#counts.clear();
  }

  detach(): void {
    this.#tap.detach();
  }
}
