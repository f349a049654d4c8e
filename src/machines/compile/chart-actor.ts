/** An XState actor that is driven by the bus. */
import { Actor, type EventObject, type Snapshot } from "xstate";
import type { ChartSystem } from "./chart-system.ts";
import type { ChartLogic } from "./compile.ts";

export interface ChartActorOptions {
  /** Id within the system, and the name that inspectors show. */
  readonly id: string;
  /** The system that the actor belongs to; without one it is the root of its own. */
  readonly system?: ChartSystem;
}

export class ChartActor<TSnapshot extends Snapshot<unknown>, TEvent extends EventObject> extends Actor<
  ChartLogic<TSnapshot, TEvent>
> {
  /** Handles one event to completion. Unlike `send` it throws what an action or a guard throws. */
  deliver(event: TEvent): void {
    this.send(event as never);
  }
}

/** Makes a chart actor and starts it. */
export function createChartActor<TSnapshot extends Snapshot<unknown>, TEvent extends EventObject>(
  logic: ChartLogic<TSnapshot, TEvent>,
  options: ChartActorOptions,
): ChartActor<TSnapshot, TEvent> {
  const actor = new ChartActor<TSnapshot, TEvent>(logic, {
    id: options.id,
    systemId: options.id,
    ...(options.system && { parent: options.system.root }),
  });
  return actor.start();
}
