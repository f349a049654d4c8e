import { filter, map } from "rxjs";
import { describe, expect, it, vi } from "vitest";
import { Bus, type BusFault } from "../../src/bus/bus.ts";
import type { Envelope } from "../../src/bus/envelope.ts";
import {
  BusOverflowError,
  BusReentryError,
  DuplicateReceiverError,
  UnknownReceiverError,
  UnsupervisedFaultError,
} from "../../src/bus/errors.ts";

type Ping = { readonly type: "game.ping"; readonly n: number };
type Pong = { readonly type: "game.pong"; readonly n: number };
type Fact = { readonly type: "score.changed"; readonly by: number };
type Messages = Ping | Pong | Fact;

/** Two players that hit the ball back until `n` is used up; each hit is a fact, too. */
function rally(bus: Bus<Messages>): string[] {
  const log: string[] = [];
  const player = (self: string, other: string, answer: "game.ping" | "game.pong") => {
    const end = bus.register(self, (message) => {
      if (message.type === "score.changed") return;
      log.push(`${self} ${message.type} ${message.n}`);
      end.announce({ type: "score.changed", by: message.n });
      if (message.n > 0) end.post(other, { type: answer, n: message.n - 1 });
    });
  };
  player("ann", "bob", "game.ping");
  player("bob", "ann", "game.pong");
  return log;
}

describe("delivery", () => {
  it("delivers in the order of posting, what a handler posts after what was waiting", () => {
    const bus = new Bus<Messages>();
    const log: number[] = [];
    bus.register("a", (message) => {
      if (message.type !== "game.ping") return;
      log.push(message.n);
      if (message.n < 10) bus.post("a", "a", { type: "game.ping", n: message.n + 10 });
      log.push(-message.n);
    });
    for (const n of [1, 2, 3]) bus.post("test", "a", { type: "game.ping", n });
    expect(bus.drain()).toBe("empty");
    expect(log).toEqual([1, -1, 2, -2, 3, -3, 11, -11, 12, -12, 13, -13]);
  });

  it("steps one message at a time", () => {
    const bus = new Bus<Messages>();
    const log = rally(bus);
    bus.post("test", "ann", { type: "game.ping", n: 1 });
    expect(bus.step()).toBe(true);
    expect(log).toEqual(["ann game.ping 1"]);
    expect(bus.pending).toBe(1);
    expect(bus.step()).toBe(true);
    expect(bus.step()).toBe(false);
  });

  it("discards what is unwanted, keeps the order of the rest, and counts", () => {
    const bus = new Bus<Messages>({ capacity: 8 });
    const log: string[] = [];
    for (const id of ["a", "b"])
      bus.register(id, (message) => void log.push(`${id}${message.type === "game.ping" ? message.n : ""}`));
    // So that the queue goes around the end of its ring.
    for (let n = 0; n < 5; n++) bus.post("test", "a", { type: "game.ping", n });
    bus.drain();
    log.length = 0;
    for (const n of [1, 2, 3]) for (const id of ["a", "b"]) bus.post("test", id, { type: "game.ping", n });
    expect(
      bus.discard(({ receiver, sender, message }) => {
        expect(sender).toBe("test");
        return receiver === "a" && message.type === "game.ping" && message.n !== 2;
      }),
    ).toBe(2);
    expect([bus.pending, bus.dropped]).toEqual([4, 2]);
    for (let n = 4; n < 8; n++) bus.post("test", "a", { type: "game.ping", n });
    expect(() => bus.post("test", "a", { type: "game.ping", n: 8 })).toThrow(BusOverflowError);
    bus.drain();
    expect(log).toEqual(["b1", "a2", "b2", "b3", "a4", "a5", "a6", "a7"]);
  });

  it("comes back from a drain at its limit, and when it is stopped", () => {
    const bus = new Bus<Messages>();
    const log = rally(bus);
    bus.post("test", "ann", { type: "game.ping", n: 9 });
    expect(bus.drain(3)).toBe("limit");
    expect(log).toHaveLength(3);
    bus.register("stopper", () => bus.stop());
    bus.post("test", "stopper", { type: "game.ping", n: 0 });
    expect(bus.drain()).toBe("stopped");
    expect(bus.drain()).toBe("empty");
    expect(log).toHaveLength(10);
  });

  it("keeps the order while the ring of the queue wraps round", () => {
    const bus = new Bus<Messages>({ capacity: 4 });
    const seen: number[] = [];
    bus.register("a", (message) => message.type === "game.ping" && seen.push(message.n));
    for (let n = 0; n < 30; n += 3) {
      for (let k = 0; k < 3; k++) bus.post("test", "a", { type: "game.ping", n: n + k });
      bus.drain();
    }
    expect(seen).toEqual([...Array(30).keys()]);
  });

  it("refuses to be pumped by a handler", () => {
    const faults: BusFault<Messages>[] = [];
    const bus = new Bus<Messages>({ onFault: (fault) => faults.push(fault) });
    bus.register("a", () => void bus.drain());
    bus.post("test", "a", { type: "game.ping", n: 0 });
    bus.drain();
    expect(faults[0]?.error).toBeInstanceOf(BusReentryError);
  });
});

describe("routing", () => {
  it("names sender, type and the known actors when a receiver is unknown", () => {
    const bus = new Bus<Messages>();
    bus.register("ann", () => {});
    const post = () => bus.post("test", "nobody", { type: "game.ping", n: 0 });
    expect(post).toThrow(UnknownReceiverError);
    expect(post).toThrow(/'test' posted 'game.ping' to 'nobody'.*ann/);
  });

  it("does not register an id twice", () => {
    const bus = new Bus<Messages>();
    bus.register("a", () => {});
    expect(() => bus.register("a", () => {})).toThrow(DuplicateReceiverError);
  });

  it("drops and counts what was queued for an actor that left, and lets the id be used again", () => {
    const bus = new Bus<Messages>();
    const end = bus.register("a", () => expect.unreachable());
    bus.post("test", "a", { type: "game.ping", n: 0 });
    end.unregister();
    expect(bus.drain()).toBe("empty");
    expect(bus.dropped).toBe(1);
    expect(() => bus.post("test", "a", { type: "game.ping", n: 0 })).toThrow(UnknownReceiverError);
    const again = vi.fn();
    bus.register("a", again);
    bus.post("test", "a", { type: "game.ping", n: 1 });
    bus.drain();
    expect(again).toHaveBeenCalledOnce();
  });
});

describe("envelopes", () => {
  function run(tapped: boolean): { envelopes: Envelope<Messages>[]; chain: unknown } {
    let time = 100;
    const bus = new Bus<Messages>({ now: () => time++ });
    rally(bus);
    const envelopes: Envelope<Messages>[] = [];
    if (tapped) bus.messages$.subscribe((envelope) => envelopes.push(envelope));
    bus.post("test", "ann", { type: "game.ping", n: 2 });
    bus.drain();
    return { envelopes, chain: bus.causeChain(bus.lastSeq) };
  }

  it("carry sequence, time, sender, receiver and cause", () => {
    expect(run(true).envelopes).toEqual([
      {
        seq: 1,
        time: 100,
        sender: "test",
        receiver: "ann",
        cause: null,
        message: { type: "game.ping", n: 2 },
      },
      {
        seq: 2,
        time: 101,
        sender: "ann",
        receiver: null,
        cause: 1,
        message: { type: "score.changed", by: 2 },
      },
      { seq: 3, time: 102, sender: "ann", receiver: "bob", cause: 1, message: { type: "game.ping", n: 1 } },
      {
        seq: 4,
        time: 103,
        sender: "bob",
        receiver: null,
        cause: 3,
        message: { type: "score.changed", by: 1 },
      },
      { seq: 5, time: 104, sender: "bob", receiver: "ann", cause: 3, message: { type: "game.pong", n: 0 } },
      {
        seq: 6,
        time: 105,
        sender: "ann",
        receiver: null,
        cause: 5,
        message: { type: "score.changed", by: 0 },
      },
    ]);
  });

  it("number and cause messages the same whether anybody watches or not", () => {
    expect(run(false).chain).toEqual(run(true).chain);
    expect(run(false).chain).toEqual([
      { seq: 6, type: "score.changed", sender: "ann", receiver: null, cause: 5 },
      { seq: 5, type: "game.pong", sender: "bob", receiver: "ann", cause: 3 },
      { seq: 3, type: "game.ping", sender: "ann", receiver: "bob", cause: 1 },
      { seq: 1, type: "game.ping", sender: "test", receiver: "ann", cause: null },
    ]);
  });

  it("do not ask for the time while nobody watches", () => {
    const now = vi.fn(() => 0);
    const bus = new Bus<Messages>({ now });
    rally(bus);
    const subscription = bus.of("game.pong").subscribe();
    bus.post("test", "ann", { type: "game.ping", n: 1 });
    bus.drain();
    subscription.unsubscribe();
    bus.post("test", "ann", { type: "game.pong", n: 1 });
    bus.drain();
    expect(now).not.toHaveBeenCalled();
  });

  it("give a chain of causes as far back as the history reaches", () => {
    const bus = new Bus<Messages>({ history: 8 });
    rally(bus);
    bus.post("test", "ann", { type: "game.ping", n: 20 });
    bus.drain();
    const chain = bus.causeChain(bus.lastSeq);
    expect(chain.map((link) => link.seq)).toEqual([42, 41, 39, 37, 35]);
    expect(bus.causeChain(1)).toEqual([]);
  });
});

describe("taps", () => {
  it("see only the types or families that they ask for", () => {
    const bus = new Bus<Messages>();
    rally(bus);
    const pings: number[] = [];
    const facts: number[] = [];
    const game: string[] = [];
    bus.of("game.ping").subscribe(({ message }) => pings.push(message.n));
    bus.ofFamily("score").subscribe(({ message }) => facts.push(message.by));
    bus.ofFamily("game").subscribe(({ message }) => game.push(message.type));
    bus.post("test", "bob", { type: "game.ping", n: 2 });
    bus.drain();
    expect(pings).toEqual([2, 0]);
    expect(facts).toEqual([2, 1, 0]);
    expect(game).toEqual(["game.ping", "game.pong", "game.ping"]);
  });

  it("see a message before its receiver handles it", () => {
    const bus = new Bus<Messages>();
    const log: string[] = [];
    bus.register("a", () => log.push("handled"));
    bus.messages$.subscribe(() => log.push("seen"));
    bus.post("test", "a", { type: "game.ping", n: 0 });
    bus.drain();
    expect(log).toEqual(["seen", "handled"]);
  });

  it("that throw stop themselves, not the bus nor other taps, also behind operators", async () => {
    const onTapFault = vi.fn();
    const onFault = vi.fn();
    const bus = new Bus<Messages>({ onTapFault, onFault });
    const log = rally(bus);
    const good: number[] = [];
    const fail = vi.fn(() => {
      throw new Error("tap");
    });
    bus.messages$.subscribe(fail);
    bus.messages$.pipe(filter(() => true)).subscribe(fail);
    bus.messages$.pipe(map(fail)).subscribe();
    bus.tap(fail);
    bus.messages$.subscribe(({ seq }) => good.push(seq));
    bus.post("test", "ann", { type: "game.ping", n: 1 });
    bus.drain();
    // RxJS would throw from a timer; it would fail this test run.
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(log).toHaveLength(2);
    expect(good).toEqual([1, 2, 3, 4]);
    expect(fail).toHaveBeenCalledTimes(4);
    expect(onTapFault).toHaveBeenCalledTimes(4);
    expect(onFault).not.toHaveBeenCalled();
  });

  it("may leave, and come, while an envelope is given out", () => {
    const bus = new Bus<Messages>();
    rally(bus);
    const late: number[] = [];
    const first = bus.messages$.subscribe(() => {
      first.unsubscribe();
      second.unsubscribe();
      bus.messages$.subscribe(({ seq }) => late.push(seq));
    });
    const second = bus.messages$.subscribe(() => expect.unreachable());
    bus.post("test", "ann", { type: "game.ping", n: 0 });
    bus.drain();
    expect(late).toEqual([2]);
  });

  it("may post: the message has the watched one as its cause", () => {
    const bus = new Bus<Messages>();
    const seen: (number | null)[] = [];
    bus.register("a", () => {});
    bus.messages$.subscribe(({ message, cause }) => {
      seen.push(cause);
      if (message.type === "game.ping") bus.post("tap", "a", { type: "game.pong", n: 0 });
    });
    bus.post("test", "a", { type: "game.ping", n: 0 });
    bus.drain();
    expect(seen).toEqual([null, 1]);
  });
});

describe("faults", () => {
  it("of a receiver go to the supervisor with the chain of causes, and the bus goes on", () => {
    const faults: BusFault<Messages>[] = [];
    const bus = new Bus<Messages>({
      now: () => 7,
      onFault: (fault) => {
        faults.push(fault);
        bus.post("supervisor", "ok", { type: "game.pong", n: 9 });
      },
    });
    const handled: unknown[] = [];
    bus.register("bad", () => {
      throw new Error("broken");
    });
    const relay = bus.register("relay", () => relay.post("bad", { type: "game.ping", n: 2 }));
    bus.register("ok", (message) =>
      handled.push(
        message,
        bus.causeChain(bus.currentSeq!).map((link) => link.type),
      ),
    );
    bus.post("test", "relay", { type: "game.ping", n: 1 });
    expect(bus.drain()).toBe("empty");
    expect(faults).toHaveLength(1);
    expect(faults[0]!.error).toEqual(new Error("broken"));
    expect(faults[0]!.envelope).toMatchObject({
      seq: 2,
      time: 7,
      sender: "relay",
      receiver: "bad",
      cause: 1,
    });
    expect(faults[0]!.causes.map((link) => `${link.sender}>${link.receiver}`)).toEqual([
      "relay>bad",
      "test>relay",
    ]);
    expect(handled).toEqual([{ type: "game.pong", n: 9 }, ["game.pong", "game.ping", "game.ping"]]);
  });

  it("are thrown, with the chain, from a bus without a supervisor, which can go on after it", () => {
    const bus = new Bus<Messages>();
    bus.register("bad", (message) => {
      if (message.type === "game.ping") throw new Error("broken");
    });
    bus.post("test", "bad", { type: "game.ping", n: 0 });
    bus.post("test", "bad", { type: "game.pong", n: 0 });
    expect(() => bus.drain()).toThrow(UnsupervisedFaultError);
    expect(bus.drain()).toBe("empty");
    bus.post("test", "bad", { type: "game.ping", n: 0 });
    expect(() => bus.drain()).toThrow(
      /'bad' threw while handling 'game.ping': broken[\s\S]*#3 game.ping test -> bad/,
    );
  });

  it("by overflow name the actor that posted most of what is queued", () => {
    const faults: BusFault<Messages>[] = [];
    const bus = new Bus<Messages>({ capacity: 16, onFault: (fault) => faults.push(fault) });
    const a = bus.register("flooder", () => {
      for (;;) a.post("sink", { type: "game.ping", n: 0 });
    });
    bus.register("sink", () => {});
    bus.post("modest", "sink", { type: "game.pong", n: 0 });
    bus.post("modest", "flooder", { type: "game.pong", n: 0 });
    bus.post("modest", "sink", { type: "game.pong", n: 0 });
    expect(bus.drain()).toBe("empty");
    expect(faults).toHaveLength(1);
    const error = faults[0]!.error as BusOverflowError;
    expect(error).toBeInstanceOf(BusOverflowError);
    expect(error).toMatchObject({ flooder: "flooder", count: 15, capacity: 16 });
    expect(error.message).toMatch(/15 of them posted by 'flooder' \(mostly 'game.ping'\)/);
  });
});

describe("break points", () => {
  it("stop a drain before the message, and let the next drain deliver it", () => {
    const bus = new Bus<Messages>();
    const log = rally(bus);
    const point = bus.breakOn(({ message, receiver }) => message.type === "game.pong" && receiver === "ann");
    bus.post("test", "ann", { type: "game.ping", n: 4 });
    expect(bus.drain()).toBe("break");
    expect(log).toEqual(["ann game.ping 4", "bob game.ping 3"]);
    expect(bus.peek()).toEqual({
      sender: "bob",
      receiver: "ann",
      cause: 3,
      message: { type: "game.pong", n: 2 },
    });
    expect(bus.drain()).toBe("break");
    expect(log).toHaveLength(4);
    point.clear();
    expect(bus.drain()).toBe("empty");
    expect(log).toHaveLength(5);
  });

  it("do not hold up a step", () => {
    const bus = new Bus<Messages>();
    const log = rally(bus);
    bus.breakOn(() => true);
    bus.post("test", "ann", { type: "game.ping", n: 1 });
    expect(bus.step()).toBe(true);
    expect(bus.drain()).toBe("break");
    expect(log).toHaveLength(1);
  });
});
