/**
 * The bus's messages as an RxJS Observable that cannot hurt the bus.
 *
 * RxJS throws what a subscriber throws from a timer, where nothing can catch it: the process dies. Here such a
 * subscriber is unsubscribed and its error goes to `onFault` instead, also behind operators (`messages$.pipe(…)`).
 * Observables made by creation functions (`merge(a$, b$)`) are RxJS's own and keep RxJS's rule.
 */

import { Observable, type Observer, type Operator, Subscriber, Subscription } from "rxjs";

type Attach<T> = (next: (value: T) => void) => { detach(): void };

export class TapObservable<T> extends Observable<T> {
  readonly #onFault: (error: unknown) => void;

  /** @param attach hooks a listener up, once per subscription; an `undefined` one is for RxJS's own `lift` only. */
  constructor(attach: Attach<T> | undefined, onFault: (error: unknown) => void) {
    super(
      attach &&
        ((subscriber) => {
          const handle = attach((value) => subscriber.next(value));
          return () => handle.detach();
        }),
    );
    this.#onFault = onFault;
  }

  /** RxJS makes the result of an operator through this, so that operators stay guarded too. */
  override lift<R>(operator?: Operator<T, R>): Observable<R> {
    const lifted = new TapObservable<R>(undefined, this.#onFault);
    lifted.source = this;
    lifted.operator = operator;
    return lifted;
  }

  override subscribe(
    observerOrNext?: Partial<Observer<T>> | ((value: T) => void) | null,
    error?: ((error: unknown) => void) | null,
    complete?: (() => void) | null,
  ): Subscription {
    if (observerOrNext instanceof Subscriber) return super.subscribe(observerOrNext);
    const observer: Partial<Observer<T>> =
      typeof observerOrNext === "function" || !observerOrNext
        ? {
            ...(observerOrNext && { next: observerOrNext }),
            ...(error && { error }),
            ...(complete && { complete }),
          }
        : observerOrNext;
    const subscription = new Subscription();
    const guarded =
      <A>(call: ((argument: A) => void) | undefined) =>
      (argument: A) => {
        try {
          call?.call(observer, argument);
        } catch (thrown) {
          subscription.unsubscribe();
          this.#onFault(thrown);
        }
      };
    subscription.add(
      super.subscribe({
        next: guarded<T>(observer.next),
        error: guarded<unknown>(observer.error ?? this.#onFault),
        complete: guarded<void>(observer.complete),
      }),
    );
    return subscription;
  }
}
