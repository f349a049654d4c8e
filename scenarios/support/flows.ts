import { describeEnvelope, formatCauseTree } from "../../src/bus/cause-tree.ts";
import type { Envelope } from "../../src/bus/envelope.ts";
import { KVM_TRACEPOINTS } from "../../src/bus/kvm-tracepoints.ts";
import type { Message } from "../../src/bus/messages/index.ts";
import type { Machine } from "../../src/vm/machine.ts";

/** One message that came from outside, and everything that it set off, in the order of delivery. */
export type Flow = readonly Envelope<Message>[];

/** Collects every message of a machine, in flows. */
export class FlowRecorder {
  readonly #flows: Envelope<Message>[][] = [];
  readonly #flowOf = new Map<number, Envelope<Message>[]>();

  constructor(machine: Machine) {
    machine.bus.tap((envelope) => this.#add(envelope));
  }

  get flows(): readonly Flow[] {
    return this.#flows;
  }

  /** The flows with a message that `matches`. */
  having(matches: (message: Message) => boolean): Flow[] {
    return this.#flows.filter((flow) => flow.some(({ message }) => matches(message)));
  }

  #add(envelope: Envelope<Message>): void {
    let flow = envelope.cause === null ? undefined : this.#flowOf.get(envelope.cause);
    if (flow === undefined) {
      flow = [];
      this.#flows.push(flow);
    }
    flow.push(envelope);
    this.#flowOf.set(envelope.seq, flow);
  }
}

export const drawFlow = (flow: Flow): string => formatCauseTree(flow);

/** Of facts of one kind in a row that are drawn one by one. */
const FEW = 3;

/** As `drawFlow`, with the fourth and further facts of a kind, set off by the same message, only counted, and KVM's tracepoints named. */
export function drawBriefly(flow: Flow): string {
  const kindOf = ({ cause, receiver, message }: Envelope<Message>) =>
    receiver === null ? `${cause} ${message.type}` : undefined;
  const counts = new Map<string, number>();
  const places = new Map<Envelope<Message>, number>();
  for (const envelope of flow) {
    const kind = kindOf(envelope);
    if (kind === undefined) continue;
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    places.set(envelope, count);
  }
  return formatCauseTree(flow, {
    hide: (envelope) => (places.get(envelope) ?? 0) > FEW,
    describe: (envelope) => {
      const more = (counts.get(kindOf(envelope) ?? "") ?? 0) - FEW;
      const tracepoint = KVM_TRACEPOINTS[envelope.message.type];
      const line = `${describeEnvelope(envelope)}${tracepoint === undefined ? "" : `  [${tracepoint}]`}`;
      return more > 0 && places.get(envelope) === FEW ? `${line}  … and ${more} more` : line;
    },
  });
}

/** The types of a flow's messages, for --json. */
export const typesOf = (flow: Flow): string[] => flow.map(({ message }) => message.type);
