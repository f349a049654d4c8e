/** One XState actor system for a machine's chart actors, which knows whether anybody is inspecting it. */

import { type Actor, createActor, fromTransition, type InspectionEvent, type Observer } from "xstate";

export interface ChartSystemOptions {
  /** Id of the root actor. */
  readonly id?: string;
  /** An inspector for all actors of the system, as XState's `createActor` takes it. */
  readonly inspect?: Inspector;
}

/** The root that other actors hang under; it keeps no state and ignores every event. */
const root = fromTransition((state: null) => state, null);

type Inspector = Observer<InspectionEvent> | ((event: InspectionEvent) => void);

export class ChartSystem {
  readonly root: Actor<typeof root>;
  #inspectors = 0;

  constructor(options: ChartSystemOptions = {}) {
    this.root = createActor(root, {
      ...(options.id !== undefined && { id: options.id, systemId: options.id }),
    });
    this.#countInspectors();
    if (options.inspect !== undefined) this.inspect(options.inspect);
    this.root.start();
  }

  /** XState's own actor system. */
  get system(): Actor<typeof root>["system"] {
    return this.root.system;
  }

  /** True while somebody inspects: actors then go XState's own way for every event. */
  get inspected(): boolean {
    return this.#inspectors > 0;
  }

  /** Attaches an inspector to all actors, at any time; detach it with the returned subscription. */
  inspect(inspector: Inspector): { unsubscribe(): void } {
    return this.system.inspect(inspector as Observer<InspectionEvent>);
  }

  /** Stops the root and with it the system. */
  stop(): void {
    this.root.stop();
  }

  /**
   * XState does not tell whether a system has inspectors, so its door for them counts who goes in and out. One that
   * throws would throw into the actor that it inspects: it is shown out.
   */
  #countInspectors(): void {
    const system = this.system;
    const attach = system.inspect;
    system.inspect = (inspector) => {
      const next = typeof inspector === "function" ? inspector : inspector.next?.bind(inspector);
      const subscription = attach((event) => {
        try {
          next?.(event);
        } catch (error) {
          detach();
          console.error("An inspector threw and was detached:", error);
        }
      });
      this.#inspectors++;
      let attached = true;
      const detach = () => {
        if (!attached) return;
        attached = false;
        this.#inspectors--;
        subscription.unsubscribe();
      };
      return { unsubscribe: detach };
    };
  }
}

export function createChartSystem(options: ChartSystemOptions = {}): ChartSystem {
  return new ChartSystem(options);
}
