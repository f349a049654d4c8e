/** A chart's snapshot: the same fields and methods as XState's machine snapshot, and the configuration behind it. */

import type { AnyMachineSnapshot, AnyStateMachine, AnyStateNode, StateValue } from "xstate";
import type { Configuration } from "./configuration.ts";
import { type History, realChildren } from "./tree.ts";

type Status = "active" | "done" | "error" | "stopped";

/** XState keeps the methods as own properties, so that a snapshot that was spread out still has them. */
export interface SnapshotMethods {
  readonly matches: unknown;
  readonly hasTag: unknown;
  readonly can: unknown;
  readonly getMeta: unknown;
  readonly toJSON: unknown;
}

export class ChartSnapshot {
  readonly status: Status;
  readonly output: unknown;
  readonly error: unknown;
  readonly machine: AnyStateMachine;
  readonly context: unknown;
  readonly _nodes: readonly AnyStateNode[];
  readonly value: StateValue;
  readonly tags: Set<string>;
  readonly children: object;
  readonly historyValue: History;
  readonly matches: unknown;
  readonly hasTag: unknown;
  readonly can: unknown;
  readonly getMeta: unknown;
  readonly toJSON: unknown;
  readonly #configuration: Configuration;

  constructor(
    machine: AnyStateMachine,
    methods: SnapshotMethods,
    children: object,
    configuration: Configuration,
    context: unknown,
    status: Status,
    output: unknown,
    error: unknown,
  ) {
    this.status = status;
    this.output = output;
    this.error = error;
    this.machine = machine;
    this.context = context;
    this._nodes = configuration.nodes;
    this.value = configuration.value;
    this.tags = configuration.tags;
    this.children = children;
    this.historyValue = configuration.history;
    this.matches = methods.matches;
    this.hasTag = methods.hasTag;
    this.can = methods.can;
    this.getMeta = methods.getMeta;
    this.toJSON = methods.toJSON;
    this.#configuration = configuration;
  }

  /** The configuration of a snapshot that the given chart made; null for any other. */
  static configurationOf(snapshot: object, machine: AnyStateMachine): Configuration | null {
    return snapshot instanceof ChartSnapshot && snapshot.machine === machine ? snapshot.#configuration : null;
  }
}

/** XState's own snapshot methods, taken from one of its snapshots. */
export function snapshotMethods(machine: AnyStateMachine): SnapshotMethods {
  const root = machine.root as AnyStateNode;
  const value = root.type === "compound" ? realChildren(root)[0]!.key : {};
  const sample = machine.resolveState({ value, context: {} }) as AnyMachineSnapshot;
  const { matches, hasTag, can, getMeta, toJSON } = sample;
  return { matches, hasTag, can, getMeta, toJSON };
}
