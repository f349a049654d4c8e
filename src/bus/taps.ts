/** Who watches the bus, and which messages each of them wants. */

import { type Envelope, familyOf, type Message } from "./envelope.ts";

export type Tap<M extends Message> = (envelope: Envelope<M>) => void;

/** An attached tap; detaching twice is harmless. */
export interface TapHandle {
  detach(): void;
}

/** Which messages a tap wants: those of one of the types or families; without either, all. */
export interface TapFilter {
  readonly types?: readonly string[];
  readonly families?: readonly string[];
}

interface Entry<M extends Message> {
  readonly tap: Tap<M>;
  readonly wants: (type: string) => boolean;
}

function wantsOf(filter: TapFilter): (type: string) => boolean {
  if (filter.types === undefined && filter.families === undefined) return () => true;
  const types = new Set(filter.types ?? []);
  const families = new Set(filter.families ?? []);
  return (type) => types.has(type) || families.has(familyOf(type));
}

export class Taps<M extends Message> {
  /** False while nobody watches: the bus then makes no envelope at all. */
  active = false;
  readonly onFault: (error: unknown) => void;
  #entries: readonly Entry<M>[] = [];
  /** The taps that want a type, found once per type and set of taps. */
  readonly #byType = new Map<string, readonly Entry<M>[]>();

  constructor(onFault: (error: unknown) => void) {
    this.onFault = onFault;
  }

  attach(tap: Tap<M>, filter: TapFilter = {}): TapHandle {
    const entry: Entry<M> = { tap, wants: wantsOf(filter) };
    this.#change([...this.#entries, entry]);
    return { detach: () => this.#change(this.#entries.filter((other) => other !== entry)) };
  }

  /**
   * Gives one envelope, made only if somebody wants it, to every tap that wants the type. A tap that throws is
   * detached; the others and the bus go on.
   */
  emit(type: string, envelope: () => Envelope<M>): void {
    let wanted = this.#byType.get(type);
    if (wanted === undefined) {
      wanted = this.#entries.filter((entry) => entry.wants(type));
      this.#byType.set(type, wanted);
    }
    if (wanted.length === 0) return;
    const made = envelope();
    for (const entry of wanted) {
      // A tap detached by an earlier tap of this very envelope hears no more.
      if (!this.#entries.includes(entry)) continue;
      try {
        entry.tap(made);
      } catch (error) {
        this.#change(this.#entries.filter((other) => other !== entry));
        this.onFault(error);
      }
    }
  }

  #change(entries: readonly Entry<M>[]): void {
    this.#entries = entries;
    this.#byType.clear();
    this.active = entries.length > 0;
  }
}
