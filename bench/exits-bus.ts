/**
 * What a message costs: post and delivery on the bus, with and without taps, and one transition of a chart, compiled
 * and interpreted, straight and through XState's mailbox. Run alone with `tsx bench/exits-bus.ts`; prints a table and,
 * as the last line, JSON.
 */

import { pathToFileURL } from "node:url";
import { createActor, setup } from "xstate";
import { Bus } from "../src/bus/bus.ts";
import { bindChart, createChartActor, createChartSystem } from "../src/machines/bind.ts";

export interface BusBenchResult {
  readonly name: string;
  /** Nanoseconds per message or transition: the best of several rounds. */
  readonly ns: number;
  /** The bar that the project sets itself, if there is one. */
  readonly barNs: number | null;
}

const ROUNDS = 7;

/** The best time of one operation in ns; `run` performs `count` of them. */
function best(count: number, run: (count: number) => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    run(count);
    least = Math.min(least, Number(process.hrtime.bigint() - start) / count);
  }
  return least;
}

type Message =
  | { readonly type: "cpu.exit"; readonly reason: number }
  | { readonly type: "mmu.fault"; readonly gva: number }
  | { readonly type: "cpu.enter" };

/** An exit's shape: a state with an exit action, a guarded choice, an entry action. */
const exitChart = setup({
  types: { events: {} as Message },
  actions: { save: () => {}, ask: () => {}, load: () => {} },
  guards: { isIo: () => false, isPageFault: () => true },
}).createMachine({
  id: "exit",
  initial: "guest",
  states: {
    guest: {
      exit: "save",
      on: {
        "cpu.exit": [
          { guard: "isIo", target: "serving" },
          { guard: "isPageFault", target: "serving", actions: "ask" },
        ],
      },
    },
    serving: { on: { "cpu.enter": { target: "guest", actions: "load" } } },
  },
});

function exitActor(interpreted: boolean) {
  const counts = { save: 0, ask: 0, load: 0 };
  const logic = bindChart(
    exitChart,
    {
      actions: {
        save: () => void counts.save++,
        ask: () => void counts.ask++,
        load: () => void counts.load++,
      },
      guards: {
        isIo: ({ event }) => event.type === "cpu.exit" && event.reason === 1,
        isPageFault: ({ event }) => event.type === "cpu.exit" && event.reason === 2,
      },
    },
    { interpreted },
  );
  return { logic, counts };
}

/** A bus where one message bounces between two receivers. */
function bouncingBus(): { bus: Bus<Message>; bounce: (count: number) => void } {
  const bus = new Bus<Message>();
  let left = 0;
  const message: Message = { type: "mmu.fault", gva: 0 };
  const a = bus.register("switcher", () => void (left-- > 0 && a.post("mmu", message)));
  const b = bus.register("mmu", () => void (left-- > 0 && b.post("switcher", message)));
  return {
    bus,
    bounce: (count) => {
      left = count;
      bus.post("bench", "mmu", message);
      bus.drain();
    },
  };
}

export function benchBus(): BusBenchResult[] {
  const results: BusBenchResult[] = [];
  const add = (name: string, ns: number, barNs: number | null = null) => results.push({ name, ns, barNs });

  const plain = bouncingBus();
  add("bus: post + deliver", best(300_000, plain.bounce), 200);
  const elsewhere = bouncingBus();
  elsewhere.bus.of("cpu.exit").subscribe();
  add("bus: post + deliver, a tap on another type", best(300_000, elsewhere.bounce));
  const tapped = bouncingBus();
  let seen = 0;
  tapped.bus.messages$.subscribe(() => seen++);
  add("bus: post + deliver, tapped", best(300_000, tapped.bounce));

  const exit: Message = { type: "cpu.exit", reason: 2 };
  const enter: Message = { type: "cpu.enter" };
  for (const interpreted of [false, true]) {
    const kind = interpreted ? "interpreted" : "compiled";
    const count = interpreted ? 10_000 : 300_000;
    const system = createChartSystem();
    const actor = createChartActor(exitActor(interpreted).logic, { id: "exit", system });
    const alternate = (send: (message: Message) => void) => (times: number) => {
      for (let i = 0; i < times; i += 2) {
        send(exit);
        send(enter);
      }
    };
    add(
      `chart: deliver, ${kind}`,
      best(
        count,
        alternate((message) => actor.deliver(message)),
      ),
      interpreted ? null : 300,
    );
    const xstate = createActor(exitActor(interpreted).logic).start();
    add(
      `chart: XState's send, ${kind}`,
      best(
        count,
        alternate((message) => xstate.send(message)),
      ),
      interpreted ? null : 500,
    );

    const bus = new Bus<Message>();
    const onBus = createChartActor(exitActor(interpreted).logic, { id: "onBus", system });
    bus.register("switcher", (message) => onBus.deliver(message));
    const post = (message: Message) => {
      bus.post("bench", "switcher", message);
      bus.drain();
    };
    add(
      `bus + chart: post, deliver, transition, ${kind}`,
      best(count, alternate(post)),
      interpreted ? null : 500,
    );
  }
  return results;
}

export function formatBusBench(results: readonly BusBenchResult[]): string {
  const width = Math.max(...results.map(({ name }) => name.length));
  return results
    .map(({ name, ns, barNs }) => {
      const bar = barNs === null ? "" : `  (bar ${barNs} ns${ns <= barNs ? "" : ", MISSED"})`;
      return `${name.padEnd(width)}  ${ns.toFixed(0).padStart(6)} ns${bar}`;
    })
    .join("\n");
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const results = benchBus();
  console.log(formatBusBench(results));
  console.log(JSON.stringify({ bus: results }));
}
