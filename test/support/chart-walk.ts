import type { AnyStateMachine } from "xstate";
import type { Message } from "../../src/index.ts";
import { bindChart, type ChartBindings, createChartActor } from "../../src/machines/bind.ts";
import { collectUses } from "../../src/machines/compile/collect.ts";

/** A chart with nothing behind it: actions are noted, guards answer as they are set. */
export interface ChartWalk {
  /** Names of guards that hold; all others do not. */
  readonly holds: Set<string>;
  /** Sends an event (only its type matters to most charts) and returns the actions that it set off. */
  send(event: Message["type"] | Message): string[];
  readonly state: unknown;
}

export function walkChart(chart: AnyStateMachine, interpreted: boolean): ChartWalk {
  const uses = collectUses(chart);
  const holds = new Set<string>();
  const done: string[] = [];
  const bindings = {
    actions: Object.fromEntries([...uses.actions].map((name) => [name, () => void done.push(name)])),
    guards: Object.fromEntries([...uses.guards].map((name) => [name, () => holds.has(name)])),
  } as ChartBindings<AnyStateMachine>;
  const actor = createChartActor(bindChart(chart, bindings, { interpreted }), { id: chart.id });
  return {
    holds,
    send: (event) => {
      done.length = 0;
      actor.deliver((typeof event === "string" ? { type: event } : event) as never);
      return [...done];
    },
    get state() {
      return (actor.getSnapshot() as { value: unknown }).value;
    },
  };
}

/** Both ways of running a chart, for `describe.each`. */
export const BOTH_WAYS = [
  ["compiled", false],
  ["interpreted", true],
] as const;
