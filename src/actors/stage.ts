import type { AnyStateMachine, EventFromLogic, SnapshotFrom } from "xstate";
import type { Bus, Endpoint } from "../bus/bus.ts";
import type { Message } from "../bus/messages/index.ts";
import {
  bindChart,
  type ChartActor,
  type ChartBindings,
  type ChartSystem,
  createChartActor,
} from "../machines/bind.ts";

export type MessageBus = Bus<Message>;
export type MessageEndpoint = Endpoint<Message>;

/** Where actors stand: one bus, one XState actor system, and whether charts are compiled or interpreted. */
export class Stage {
  readonly bus: MessageBus;
  readonly system: ChartSystem;
  readonly interpreted: boolean;
  readonly #actors = new Map<string, { stop(): unknown }>();

  constructor(bus: MessageBus, system: ChartSystem, interpreted = false) {
    this.bus = bus;
    this.system = system;
    this.interpreted = interpreted;
  }

  /**
   * Puts an actor on the bus. Its bindings are made with its own endpoint in hand, to post under its own name.
   * @throws DuplicateReceiverError, ChartBindingError
   */
  add<Chart extends AnyStateMachine>(
    id: string,
    chart: Chart,
    bindings: (self: MessageEndpoint) => ChartBindings<Chart>,
  ): ChartActor<SnapshotFrom<Chart>, EventFromLogic<Chart>> {
    let actor: ChartActor<SnapshotFrom<Chart>, EventFromLogic<Chart>>;
    const self = this.bus.register(id, (message) => actor.deliver(message as EventFromLogic<Chart>));
    try {
      const logic = bindChart(chart, bindings(self), { interpreted: this.interpreted });
      actor = createChartActor(logic, { id, system: this.system });
      this.#actors.set(id, actor);
    } catch (error) {
      self.unregister();
      throw error;
    }
    return actor;
  }

  /** Takes an actor off the bus. It stays in the actor system in its last state, for whoever wants to look at it. */
  remove(id: string): void {
    this.bus.unregister(id);
    this.#actors.delete(id);
  }

  /** Takes an actor off the bus and out of the actor system, so that another one may have its name. Unknown ids are ignored. */
  clear(id: string): void {
    this.bus.unregister(id);
    this.#actors.get(id)?.stop();
    this.#actors.delete(id);
  }
}
