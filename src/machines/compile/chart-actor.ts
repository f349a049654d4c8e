/**
 * An XState actor that the bus drives.
 *
 * For `send`, inspectors and subscribers it is XState's actor. `deliver` is how the bus hands a message to it: the
 * same transition, but what an action throws comes back to the bus (XState would throw it from a timer and take the
 * process down), and while nobody inspects or subscribes the message goes straight to the transition table, without
 * mailbox and inspection records. `getSnapshot()` is always current.
 */

import { Actor, type AnyActorLogic, type EventObject, type Snapshot } from "xstate";
import { type ChartSystem, createChartSystem } from "./chart-system.ts";
import type { ChartLogic } from "./compile.ts";

export interface ChartActorOptions {
  /** Id within the system, and the name that inspectors show. */
  readonly id: string;
  /** The system that the actor belongs to. Default: one of its own. */
  readonly system?: ChartSystem;
  /** A persisted snapshot to go on from. */
  readonly snapshot?: Snapshot<unknown>;
  /** Input for the chart's context. */
  readonly input?: unknown;
}

/** The parts of XState's actor that its types keep to themselves (xstate 5.33). */
interface ActorInside extends Pick<Actor<AnyActorLogic>, Exclude<keyof Actor<AnyActorLogic>, "stop">> {
  stop(): this;
  _snapshot: Snapshot<unknown>;
  _processingStatus: number;
  readonly observers: Set<{ error?: (error: unknown) => void }>;
  readonly eventListeners: Map<string, unknown>;
  readonly mailbox: { readonly _current: unknown };
  update(snapshot: Snapshot<unknown>, event: EventObject): void;
  _send(event: EventObject): void;
  _stop(): this;
  _error(error: unknown): void;
  _reportError(error: unknown): void;
}

const ActorBase = Actor as unknown as new (logic: unknown, options: object) => ActorInside;
const RUNNING = 1;

class DeliverableActor extends ActorBase {
  readonly #chartSystem: ChartSystem;
  readonly #step: ((snapshot: Snapshot<unknown>, event: EventObject) => Snapshot<unknown>) | undefined;
  /** True while `deliver` runs a transition past the mailbox. */
  #stepping = false;
  /** True while `deliver` waits for XState's own way. */
  #sending = false;
  #failure: { readonly error: unknown } | null = null;
  /** Events sent to the actor by its own actions during a step. */
  #pending: EventObject[] = [];

  constructor(logic: ChartLogic<Snapshot<unknown>, EventObject>, options: ChartActorOptions) {
    const chartSystem = options.system ?? createChartSystem();
    super(logic, {
      id: options.id,
      systemId: options.id,
      parent: chartSystem.root,
      ...(options.snapshot !== undefined && { snapshot: options.snapshot }),
      ...(options.input !== undefined && { input: options.input }),
    });
    this.#chartSystem = chartSystem;
    this.#step = logic.step;
  }

  deliver(event: EventObject): void {
    if (this.#stepping) {
      this.#pending.push(event);
      return;
    }
    if (this._processingStatus !== RUNNING) return;
    const step = this.#step;
    if (step === undefined || this.#isWatched() || this.mailbox._current !== null) {
      this.#sendAndThrow(event);
      return;
    }
    let next: Snapshot<unknown>;
    this.#stepping = true;
    try {
      next = step(this._snapshot, event);
    } catch (error) {
      this.#stepping = false;
      this.#fail(error);
      throw error;
    }
    this.#stepping = false;
    // An action may have attached an observer, which is to see this transition.
    if (next.status === "active" && !this.#isWatched()) this._snapshot = next;
    else this.update(next, event);
    if (this.#pending.length > 0) this.#deliverPending();
  }

  /** Stops this actor; the others of its system go on. */
  override stop(): this {
    return this._stop();
  }

  override _send(event: EventObject): void {
    if (this.#stepping) this.#pending.push(event);
    else super._send(event);
  }

  override _error(error: unknown): void {
    if (this.#sending) this.#failure = { error };
    super._error(error);
  }

  /** Tells the subscribers of an error. One that `deliver` throws to the bus is not thrown from a timer as well. */
  override _reportError(error: unknown): void {
    if (this.#failure === null) {
      super._reportError(error);
      return;
    }
    for (const observer of this.observers) {
      try {
        observer.error?.(error);
      } catch (thrown) {
        console.error(`A subscriber of actor '${this.id}' threw while it was told of an error:`, thrown);
      }
    }
    this.observers.clear();
    this.eventListeners.clear();
  }

  #isWatched(): boolean {
    return this.observers.size > 0 || this.#chartSystem.inspected;
  }

  #sendAndThrow(event: EventObject): void {
    if (this.#sending) {
      this.send(event as never);
      return;
    }
    this.#sending = true;
    try {
      this.send(event as never);
      if (this.#failure !== null) throw this.#failure.error;
    } finally {
      this.#sending = false;
      this.#failure = null;
    }
  }

  #deliverPending(): void {
    const pending = this.#pending;
    this.#pending = [];
    for (const event of pending) this.deliver(event);
  }

  /** Leaves the actor as XState leaves one whose transition threw. */
  #fail(error: unknown): void {
    this.#pending = [];
    this._snapshot = { ...this._snapshot, status: "error", error } as Snapshot<unknown>;
    this.#failure = { error };
    try {
      this._error(error);
    } finally {
      this.#failure = null;
    }
  }
}

/** An XState actor with a door for the bus. */
export interface ChartActor<TSnapshot extends Snapshot<unknown>, TEvent extends EventObject>
  extends Pick<Actor<ChartLogic<TSnapshot, TEvent>>, keyof Actor<ChartLogic<TSnapshot, TEvent>>> {
  /**
   * Handles one event to completion. An event that the actor's own actions deliver waits until then; one for an actor
   * that is stopped, done or failed is ignored.
   * @throws what an action or a guard throws; the actor's snapshot then has the status "error".
   */
  deliver(event: TEvent): void;
}

/**
 * Makes a chart's actor and starts it. Its initial entry actions have run when this returns.
 * @throws what an initial entry action or the context's factory throws.
 */
export function createChartActor<TSnapshot extends Snapshot<unknown>, TEvent extends EventObject>(
  logic: ChartLogic<TSnapshot, TEvent>,
  options: ChartActorOptions,
): ChartActor<TSnapshot, TEvent> {
  const actor = new DeliverableActor(logic as unknown as ChartLogic<Snapshot<unknown>, EventObject>, options);
  actor.start();
  const { status, error } = actor.getSnapshot() as Snapshot<unknown>;
  if (status === "error") throw error;
  return actor as unknown as ChartActor<TSnapshot, TEvent>;
}
