/** Shows a running machine's charts in Stately's inspector, in samples, so that a boot does not choke it. */
import { createInspector } from "@statelyai/inspect";
import type { ActorRefLike, AnyActorRef, InspectionEvent } from "xstate";
import type { ChartSystem } from "../machines/bind.ts";
import { InspectorServer } from "./server.ts";

export interface InspectorOptions {
  /** On the loopback interface; 0: any free one. Default 8080. */
  readonly port?: number;
  /** How often a sample is taken, in ms of the wall clock. Default 250. */
  readonly sampleEveryMs?: number;
  /** Inspection events in a sample; then the charts run unwatched, at full speed, until the next. Default 64. */
  readonly eventsPerSample?: number;
}

export interface InspectorHandle {
  /** To be opened in a browser. */
  readonly url: string;
  readonly port: number;
  /** Browsers (or other programs) that are looking on. */
  readonly clients: number;
  stop(): void;
}

/** What has charts: a `Machine`. */
export interface Inspectable {
  readonly charts: ChartSystem;
}

const DEFAULT_PORT = 8080;
const DEFAULT_SAMPLE_MS = 250;
const DEFAULT_SAMPLE_EVENTS = 64;
/** Deepest nesting of a message or a definition that is sent. */
const DEPTH = 12;

/**
 * Serves the charts of a machine to a browser on this host. Works before and while the machine runs (`runAsync`: a synchronous run
 * gives nobody else a turn). Nothing is watched while no client is connected; a client first gets every actor with its chart and
 * its present state, then samples.
 *
 * @throws InspectorPortError
 */
export async function attachInspector(
  machine: Inspectable,
  options: InspectorOptions = {},
): Promise<InspectorHandle> {
  const {
    port = DEFAULT_PORT,
    sampleEveryMs = DEFAULT_SAMPLE_MS,
    eventsPerSample = DEFAULT_SAMPLE_EVENTS,
  } = options;
  const server = await InspectorServer.listen(port);
  const inspector = createInspector(
    { send: (event) => server.send(toJson(event)) },
    { serializationDepthLimit: DEPTH },
  );
  const sampler = new Sampler(machine.charts, (event) => inspector.inspect.next?.(event), eventsPerSample);
  server.onClient = () => sampler.introduce();
  const timer = setInterval(() => {
    if (server.clients > 0) sampler.sample();
  }, sampleEveryMs).unref();
  return {
    url: server.url,
    port: server.port,
    get clients() {
      return server.clients;
    },
    stop: () => {
      clearInterval(timer);
      sampler.stop();
      server.stop();
    },
  };
}

/** Passes on what the charts do, for so many events at a time. */
class Sampler {
  readonly #charts: ChartSystem;
  readonly #tell: (event: InspectionEvent) => void;
  readonly #events: number;
  #subscription: { unsubscribe(): void } | undefined;
  #left = 0;
  /** The state of each actor that was told last. */
  readonly #told = new Map<ActorRefLike, unknown>();

  constructor(charts: ChartSystem, tell: (event: InspectionEvent) => void, events: number) {
    this.#charts = charts;
    this.#tell = tell;
    this.#events = events;
  }

  /** Every actor anew, with its chart and its present state. */
  introduce(): void {
    this.#told.clear();
    this.#catchUp();
  }

  /** What has changed while nobody watched, then the next events as they happen. */
  sample(): void {
    this.#catchUp();
    this.#left = this.#events;
    this.#subscription ??= this.#charts.inspect((event) => this.#next(event));
  }

  stop(): void {
    this.#subscription?.unsubscribe();
    this.#subscription = undefined;
  }

  #next(event: InspectionEvent): void {
    if (event.type !== "@xstate.snapshot" && event.type !== "@xstate.event") return;
    // The charts keep no guest data, but a message may; it must not change between now and its sending, and messages do not.
    if (event.type === "@xstate.snapshot") this.#told.set(event.actorRef, event.snapshot);
    this.#tell(event);
    if (--this.#left <= 0) this.stop();
  }

  #catchUp(): void {
    const rootId = this.#charts.root.sessionId;
    for (const actor of Object.values(this.#charts.system.getAll()) as AnyActorRef[]) {
      if (actor === (this.#charts.root as AnyActorRef)) continue;
      const snapshot = actor.getSnapshot();
      if (!this.#told.has(actor)) this.#tell({ type: "@xstate.actor", rootId, actorRef: actor });
      else if (this.#told.get(actor) !== snapshot)
        this.#tell({
          type: "@xstate.snapshot",
          rootId,
          actorRef: actor,
          snapshot,
          event: { type: "umbra.sample" },
        });
      this.#told.set(actor, snapshot);
    }
  }
}

/** JSON that survives what messages may hold. */
function toJson(event: object): string {
  const above: unknown[] = [];
  return JSON.stringify(event, function (this: unknown, _key, value: unknown) {
    if (typeof value === "bigint") return `0x${value.toString(16)}`;
    if (value instanceof Error) return `${value.name}: ${value.message}`;
    if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
    if (typeof value !== "object" || value === null) return value;
    while (above.length > 0 && above.at(-1) !== this) above.pop();
    if (above.includes(value)) return "(again)";
    above.push(value);
    return value;
  });
}
