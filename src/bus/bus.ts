/**
 * The bus: one first-in first-out queue of typed messages per machine, queued at the entrance.
 *
 * `post` appends; `step` and `drain` deliver one message at a time to completion, so that the order is total and
 * the same in every run. What a handler posts waits its turn and has the handled message as its cause.
 *
 * HOT: a message costs no envelope as long as nobody taps it. Sender, receiver and cause travel in parallel arrays
 * beside the message; the last deliveries stay in a ring, so that a fault can tell its chain of causes without taps.
 */

import type { Observable } from "rxjs";
import type { CauseLink, Envelope, FamilyOf, Message, MessageOf } from "./envelope.ts";
import {
  BusOverflowError,
  BusReentryError,
  DuplicateReceiverError,
  UnknownReceiverError,
  UnsupervisedFaultError,
} from "./errors.ts";
import { TapObservable } from "./tap-observable.ts";
import { type Tap, type TapHandle, Taps } from "./taps.ts";

/** Handles one message to completion. What it throws is contained by the bus. */
export type Receiver<M extends Message> = (message: M) => void;

/** A receiver threw while it handled a message. */
export interface BusFault<M extends Message> {
  readonly error: unknown;
  /** The message that it was handling. */
  readonly envelope: Envelope<M>;
  /** The handled message first, then what caused it, as far back as the history reaches. */
  readonly causes: readonly CauseLink[];
}

export interface BusOptions<M extends Message> {
  /** The virtual time in ns, asked only when an envelope is made. Default: always 0. */
  readonly now?: () => number;
  /** How many messages may be queued, rounded up to a power of two. Default 4096. */
  readonly capacity?: number;
  /** How many deliveries the history keeps for chains of causes, rounded up to a power of two. Default 4096. */
  readonly history?: number;
  /** Told of a receiver that threw; the bus goes on. Without it `step` and `drain` throw {@link UnsupervisedFaultError}. */
  readonly onFault?: (fault: BusFault<M>) => void;
  /** Told of a tap that threw (and was detached). Default: a line on stderr. */
  readonly onTapFault?: (error: unknown) => void;
}

/** Why `drain` came back. */
export type DrainEnd = "empty" | "break" | "stopped" | "limit";

/** A place on the bus: posts under its own name. Made by {@link Bus.register}. */
export interface Endpoint<M extends Message> {
  readonly id: string;
  post(receiver: string, message: M): void;
  announce(message: M): number;
  /** Leaves the bus. What is still queued for this actor is dropped and counted in {@link Bus.dropped}. */
  unregister(): void;
}

/** A break point: `drain` and `step` stop before a message that it matches. */
export interface BreakPoint {
  clear(): void;
}

/** A message at the head of the queue, before its delivery (it has no sequence number yet). */
export interface PendingMessage<M extends Message> {
  readonly sender: string;
  readonly receiver: string;
  readonly cause: number | null;
  readonly message: M;
}

const powerOfTwo = (n: number) => 2 ** Math.ceil(Math.log2(Math.max(2, n)));

export class Bus<M extends Message = Message> {
  /** Every delivered message and announced fact, hot and in order; emitted before the receiver handles it. */
  readonly messages$: Observable<Envelope<M>>;

  readonly #now: () => number;
  #onFault: ((fault: BusFault<M>) => void) | undefined;
  readonly #taps: Taps<M>;

  // Names are small numbers inside.
  readonly #idOf = new Map<string, number>();
  readonly #names: string[] = [];
  readonly #receivers: (Receiver<M> | undefined)[] = [];

  // The queue: a ring of parallel arrays.
  readonly #mask: number;
  readonly #messages: (M | undefined)[];
  readonly #senders: Int32Array;
  readonly #targets: Int32Array;
  readonly #causes: Float64Array;
  #head = 0;
  #length = 0;

  // The history: a ring indexed by sequence number. 0 as a cause: none; -1 as a target: a fact.
  readonly #historyMask: number;
  readonly #historyTypes: string[];
  readonly #historySenders: Int32Array;
  readonly #historyTargets: Int32Array;
  readonly #historyCauses: Float64Array;

  #seq = 0;
  #current = 0;
  #handling = -1;
  #dropped = 0;
  #stopRequested = false;
  readonly #breakPoints = new Set<(pending: PendingMessage<M>) => boolean>();
  /** True while the head of the queue has stopped a drain already, so that the next one delivers it. */
  #headPassed = false;

  constructor(options: BusOptions<M> = {}) {
    this.#now = options.now ?? (() => 0);
    this.#onFault = options.onFault;
    const capacity = powerOfTwo(options.capacity ?? 4096);
    this.#mask = capacity - 1;
    this.#messages = new Array<M | undefined>(capacity).fill(undefined);
    this.#senders = new Int32Array(capacity);
    this.#targets = new Int32Array(capacity);
    this.#causes = new Float64Array(capacity);
    const history = powerOfTwo(options.history ?? 4096);
    this.#historyMask = history - 1;
    this.#historyTypes = new Array<string>(history).fill("");
    this.#historySenders = new Int32Array(history);
    this.#historyTargets = new Int32Array(history);
    this.#historyCauses = new Float64Array(history);
    this.#taps = new Taps<M>(
      options.onTapFault ?? ((error) => console.error("A tap of the bus threw and was detached:", error)),
    );
    this.messages$ = new TapObservable<Envelope<M>>((next) => this.#taps.attach(next), this.#taps.onFault);
  }

  // ------------------------------------------------------------------ wiring

  /**
   * Puts an actor on the bus.
   * @throws DuplicateReceiverError if the id is taken.
   */
  register(actorId: string, receiver: Receiver<M>): Endpoint<M> {
    const id = this.#intern(actorId);
    if (this.#receivers[id] !== undefined) throw new DuplicateReceiverError(actorId);
    this.#receivers[id] = receiver;
    return {
      id: actorId,
      post: (target, message) => this.#enqueue(id, target, message),
      announce: (message) => this.#announce(id, message),
      unregister: () => {
        if (this.#receivers[id] === receiver) this.#receivers[id] = undefined;
      },
    };
  }

  /** Takes an actor off the bus; unknown ids are ignored. */
  unregister(actorId: string): void {
    const id = this.#idOf.get(actorId);
    if (id !== undefined) this.#receivers[id] = undefined;
  }

  isRegistered(actorId: string): boolean {
    const id = this.#idOf.get(actorId);
    return id !== undefined && this.#receivers[id] !== undefined;
  }

  /**
   * Takes out of the queue what `unwanted` says, and counts it in {@link Bus.dropped}. The others keep their order.
   * @returns how many there were
   */
  discard(unwanted: (pending: PendingMessage<M>) => boolean): number {
    const before = this.#length;
    let kept = 0;
    for (let n = 0; n < before; n++) {
      const from = (this.#head + n) & this.#mask;
      if (unwanted(this.#pendingAt(from))) continue;
      const to = (this.#head + kept++) & this.#mask;
      this.#messages[to] = this.#messages[from];
      this.#senders[to] = this.#senders[from]!;
      this.#targets[to] = this.#targets[from]!;
      this.#causes[to] = this.#causes[from]!;
    }
    for (let n = kept; n < before; n++) this.#messages[(this.#head + n) & this.#mask] = undefined;
    this.#length = kept;
    this.#dropped += before - kept;
    if (kept < before) this.#headPassed = false;
    return before - kept;
  }

  /** Sets who is told of a receiver that threw. */
  superviseWith(onFault: (fault: BusFault<M>) => void): void {
    this.#onFault = onFault;
  }

  // ----------------------------------------------------------------- posting

  /**
   * Appends a message to the queue.
   * @throws UnknownReceiverError, BusOverflowError
   */
  post(sender: string, receiver: string, message: M): void {
    this.#enqueue(this.#intern(sender), receiver, message);
  }

  /**
   * Tells a fact to the taps, now and without a receiver.
   * @returns its sequence number.
   */
  announce(sender: string, message: M): number {
    return this.#announce(this.#intern(sender), message);
  }

  // ---------------------------------------------------------------- delivery

  /** Messages waiting. */
  get pending(): number {
    return this.#length;
  }

  /** The sequence number given last (0: none yet). */
  get lastSeq(): number {
    return this.#seq;
  }

  /** The sequence number of the message being handled, null between messages. */
  get currentSeq(): number | null {
    return this.#current === 0 ? null : this.#current;
  }

  /** Messages that were queued for an actor which left the bus before their turn. */
  get dropped(): number {
    return this.#dropped;
  }

  /** The message that would be delivered next. */
  peek(): PendingMessage<M> | undefined {
    return this.#length === 0 ? undefined : this.#pendingAt(this.#head);
  }

  /**
   * Delivers exactly one message, break point or not.
   * @returns false if there was none.
   */
  step(): boolean {
    if (this.#handling >= 0) throw new BusReentryError(this.#names[this.#handling]!);
    while (this.#length > 0) {
      this.#headPassed = false;
      if (this.#deliver()) return true;
    }
    return false;
  }

  /**
   * Delivers until the queue is empty, a break point matches the next message, {@link stop} was called, or `limit`
   * messages were delivered. A drain after "break" begins with the message that it stopped at.
   */
  drain(limit = Number.POSITIVE_INFINITY): DrainEnd {
    if (this.#handling >= 0) throw new BusReentryError(this.#names[this.#handling]!);
    this.#stopRequested = false;
    let left = limit;
    while (this.#length > 0) {
      if (left <= 0) return "limit";
      if (this.#breakPoints.size > 0 && !this.#headPassed && this.#breaksHere()) {
        this.#headPassed = true;
        return "break";
      }
      this.#headPassed = false;
      if (this.#deliver()) left--;
      if (this.#stopRequested) return "stopped";
    }
    return "empty";
  }

  /** Makes a running `drain` come back after the message being handled. */
  stop(): void {
    this.#stopRequested = true;
  }

  /** Makes `drain` stop before each message that the predicate matches. */
  breakOn(predicate: (pending: PendingMessage<M>) => boolean): BreakPoint {
    this.#breakPoints.add(predicate);
    return { clear: () => void this.#breakPoints.delete(predicate) };
  }

  // ---------------------------------------------------------------- watching

  /** The envelopes of the given types only, typed. Messages of other types cost nothing. */
  of<T extends M["type"]>(...types: readonly T[]): Observable<Envelope<MessageOf<M, T>>> {
    return new TapObservable<Envelope<MessageOf<M, T>>>(
      (next) => this.#taps.attach(next as unknown as Tap<M>, { types }),
      this.#taps.onFault,
    );
  }

  /** The envelopes of the given families (`cpu`, `shadow`, …) only. Messages of other families cost nothing. */
  ofFamily<F extends FamilyOf<M["type"]>>(
    ...families: readonly F[]
  ): Observable<Envelope<MessageOf<M, Extract<M["type"], F | `${F}.${string}`>>>> {
    return new TapObservable<Envelope<MessageOf<M, Extract<M["type"], F | `${F}.${string}`>>>>(
      (next) => this.#taps.attach(next as unknown as Tap<M>, { families }),
      this.#taps.onFault,
    );
  }

  /** Attaches a plain function as a tap: the cheapest way to watch. */
  tap(
    tap: Tap<M>,
    filter: { readonly types?: readonly M["type"][]; readonly families?: readonly string[] } = {},
  ): TapHandle {
    return this.#taps.attach(tap, filter);
  }

  /**
   * The message with this sequence number, then its cause, and so on to the first known one. Shorter than the truth
   * if older links have left the history; empty if `seq` itself has.
   */
  causeChain(seq: number): CauseLink[] {
    const chain: CauseLink[] = [];
    const oldest = this.#seq - this.#historyMask;
    for (let at = seq; at >= 1 && at >= oldest && at <= this.#seq; ) {
      const slot = at & this.#historyMask;
      const cause = this.#historyCauses[slot]!;
      const target = this.#historyTargets[slot]!;
      chain.push({
        seq: at,
        type: this.#historyTypes[slot]!,
        sender: this.#names[this.#historySenders[slot]!]!,
        receiver: target < 0 ? null : this.#names[target]!,
        cause: cause || null,
      });
      at = cause;
    }
    return chain;
  }

  // ------------------------------------------------------------------ inside

  #intern(name: string): number {
    const known = this.#idOf.get(name);
    if (known !== undefined) return known;
    const id = this.#names.length;
    this.#idOf.set(name, id);
    this.#names.push(name);
    this.#receivers.push(undefined);
    return id;
  }

  #enqueue(sender: number, receiver: string, message: M): void {
    const target = this.#idOf.get(receiver);
    if (target === undefined || this.#receivers[target] === undefined) {
      const known = this.#names.filter((_, id) => this.#receivers[id] !== undefined);
      throw new UnknownReceiverError(this.#names[sender]!, receiver, message.type, known);
    }
    if (this.#length > this.#mask) throw this.#overflow();
    const at = (this.#head + this.#length) & this.#mask;
    this.#messages[at] = message;
    this.#senders[at] = sender;
    this.#targets[at] = target;
    this.#causes[at] = this.#current;
    this.#length++;
  }

  #announce(sender: number, message: M): number {
    const seq = ++this.#seq;
    this.#remember(seq, message.type, sender, -1, this.#current);
    if (this.#taps.active) this.#show(seq, sender, -1, this.#current, message);
    return seq;
  }

  /** Delivers the head of the queue. Returns false if its receiver has left the bus (the message is dropped). */
  #deliver(): boolean {
    const at = this.#head;
    const message = this.#messages[at]!;
    const sender = this.#senders[at]!;
    const target = this.#targets[at]!;
    const cause = this.#causes[at]!;
    this.#messages[at] = undefined;
    // An empty queue begins anew in the same few places, which stay in the host's caches.
    this.#head = --this.#length === 0 ? 0 : (at + 1) & this.#mask;
    const receiver = this.#receivers[target];
    if (receiver === undefined) {
      this.#dropped++;
      return false;
    }
    const seq = ++this.#seq;
    this.#remember(seq, message.type, sender, target, cause);
    this.#current = seq;
    this.#handling = target;
    try {
      if (this.#taps.active) this.#show(seq, sender, target, cause, message);
      receiver(message);
    } catch (error) {
      this.#fault(error, seq, sender, target, cause, message);
    } finally {
      this.#current = 0;
      this.#handling = -1;
    }
    return true;
  }

  #remember(seq: number, type: string, sender: number, target: number, cause: number): void {
    const slot = seq & this.#historyMask;
    this.#historyTypes[slot] = type;
    this.#historySenders[slot] = sender;
    this.#historyTargets[slot] = target;
    this.#historyCauses[slot] = cause;
  }

  /** Apart from the delivery, whose variables a closure there would put on the heap. */
  #show(seq: number, sender: number, target: number, cause: number, message: M): void {
    this.#taps.emit(message.type, () => this.#envelope(seq, sender, target, cause, message));
  }

  #envelope(seq: number, sender: number, target: number, cause: number, message: M): Envelope<M> {
    return {
      seq,
      time: this.#now(),
      sender: this.#names[sender]!,
      receiver: target < 0 ? null : this.#names[target]!,
      cause: cause === 0 ? null : cause,
      message,
    };
  }

  /** Still inside the failed message's handling, so that what the supervisor posts has it as its cause. */
  #fault(error: unknown, seq: number, sender: number, target: number, cause: number, message: M): void {
    const envelope = this.#envelope(seq, sender, target, cause, message);
    const causes = this.causeChain(seq);
    if (this.#onFault === undefined) throw new UnsupervisedFaultError(error, envelope, causes);
    this.#onFault({ error, envelope, causes });
  }

  #breaksHere(): boolean {
    const pending = this.peek()!;
    for (const predicate of this.#breakPoints) if (predicate(pending)) return true;
    return false;
  }

  #pendingAt(at: number): PendingMessage<M> {
    return {
      sender: this.#names[this.#senders[at]!]!,
      receiver: this.#names[this.#targets[at]!]!,
      cause: this.#causes[at] || null,
      message: this.#messages[at]!,
    };
  }

  #overflow(): BusOverflowError {
    const counts = new Map<number, number>();
    for (const sender of this.#senders) counts.set(sender, (counts.get(sender) ?? 0) + 1);
    const [flooder, count] = [...counts].reduce((most, entry) => (entry[1] > most[1] ? entry : most));
    const types = new Map<string, number>();
    this.#messages.forEach((message, at) => {
      if (message !== undefined && this.#senders[at] === flooder)
        types.set(message.type, (types.get(message.type) ?? 0) + 1);
    });
    const [type] = [...types].reduce((most, entry) => (entry[1] > most[1] ? entry : most));
    return new BusOverflowError(this.#mask + 1, this.#names[flooder]!, count, type);
  }
}
