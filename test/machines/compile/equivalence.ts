/**
 * Proves that a chart does the same interpreted by XState and compiled by us.
 *
 * Guards are an oracle here: which of them are asked, in which order, and what every possible answer leads to, is
 * explored. Over that, `xstate/graph` walks all states that the chart can reach, and at each edge three runs are
 * compared: XState's, the compiled `transition` (the way of an inspected system) and the compiled `step` (the way of
 * the bus).
 */

import {
  type AnyStateMachine,
  type AnyStateNode,
  createActor,
  createMachine,
  type EventObject,
  fromTransition,
  type Snapshot,
} from "xstate";
import { getAdjacencyMap } from "xstate/graph";
import { allNodes, type ChartUses, collectUses, pathOf } from "../../../src/machines/compile/collect.ts";
import { type ChartLogic, compileChart } from "../../../src/machines/compile/compile.ts";

type AnySnapshot = Snapshot<unknown>;
type Logic = ChartLogic<AnySnapshot, EventObject>;

/** What one run of a transition did, in a form that can be compared. */
export interface Outcome {
  readonly value: unknown;
  readonly context: unknown;
  readonly status: string;
  readonly output: unknown;
  readonly tags: readonly string[];
  readonly history: unknown;
  /** Actions in the order of their execution, with parameters and the context and event that they saw. */
  readonly actions: readonly unknown[];
  /** Guards in the order in which they were asked, with parameters. */
  readonly asked: readonly unknown[];
  /** State values after each microstep; null for a run that inspection does not see. */
  readonly microsteps: readonly unknown[] | null;
  /** "loop" if the run was given up for never coming to rest. */
  readonly thrown: string | null;
}

export interface EquivalenceOptions {
  /** Events to try in every state. Default: one of each type that the chart mentions, and one that it does not. */
  readonly events?: readonly EventObject[];
  /** Guards whose answers are explored; the others always say no. Default: all of them. */
  readonly guardNames?: readonly string[];
  readonly input?: unknown;
  /** How often one guard may say yes in one macrostep (default 1): an unlimited yes would make `always` go round. */
  readonly maxYes?: number;
  /** Upper bound for the edges that are walked; beyond it the proof fails. Default 200,000. */
  readonly limit?: number;
}

export interface Proof {
  readonly states: number;
  readonly transitions: number;
  /** Paths of the states that were active at some time. */
  readonly reached: ReadonlySet<string>;
  readonly unreached: readonly string[];
  /** Names of the actions that ran. */
  readonly acted: ReadonlySet<string>;
}

/** Interpreted and compiled did different things. */
export class NotEquivalentError extends Error {
  override readonly name = "NotEquivalentError";
  readonly expected: Outcome;
  readonly actual: Outcome;
  constructor(
    chartId: string,
    way: string,
    from: unknown,
    event: unknown,
    expected: Outcome,
    actual: Outcome,
  ) {
    super(
      `Chart '${chartId}', ${way}, from ${JSON.stringify(from)} on ${JSON.stringify(event)}:\n` +
        `  XState:   ${JSON.stringify(expected)}\n  compiled: ${JSON.stringify(actual)}`,
    );
    this.expected = expected;
    this.actual = actual;
  }
}

const MAX_ITERATIONS = 60;

/** A chart with its actions logged and its guards answered from a script, interpreted and compiled. */
export class Pair {
  readonly machine: AnyStateMachine;
  readonly interpreted: Logic;
  readonly compiled: Logic;
  readonly uses: ChartUses;
  #answers: readonly boolean[] = [];
  #asked: unknown[] = [];
  #actions: unknown[] = [];
  readonly #free: ReadonlySet<string>;
  readonly #maxYes: number;
  #yes = new Map<string, number>();
  readonly #self = createActor(fromTransition((state: null) => state, null));
  /** Paths of the states that were active after some microstep. */
  readonly reached = new Set<string>();
  /** How many of the asked guards had a choice. */
  choices = 0;

  constructor(machine: AnyStateMachine, options: EquivalenceOptions = {}) {
    this.uses = collectUses(machine);
    this.#free = new Set(options.guardNames ?? this.uses.guards);
    this.#maxYes = options.maxYes ?? 1;
    const actions = Object.fromEntries(
      [...this.uses.actions].map((name) => [
        name,
        ({ context, event }: { context: unknown; event: EventObject }, params: unknown) => {
          this.#actions.push({ name, params, context: structuredClone(context), event });
        },
      ]),
    );
    const guards = Object.fromEntries(
      [...this.uses.guards].map((name) => [
        name,
        (_args: unknown, params: unknown) => this.#answer(name, params),
      ]),
    );
    // A chart that goes round for ever is to be told from one that rests, by both, after the same number of steps.
    const config = { ...machine.config, options: { ...machine.options, maxIterations: MAX_ITERATIONS } };
    this.machine = createMachine(config as never, machine.implementations as never).provide({
      actions,
      guards,
    } as never) as unknown as AnyStateMachine;
    this.interpreted = this.machine as unknown as Logic;
    this.compiled = compileChart(this.machine);
  }

  /** Runs something with the guards answering from a script; unscripted answers are no. */
  observe(
    answers: readonly boolean[],
    run: (scope: never) => AnySnapshot,
    inspected = true,
  ): [AnySnapshot | null, Outcome] {
    this.#answers = answers;
    this.#asked = [];
    this.#actions = [];
    this.#yes = new Map();
    this.choices = 0;
    const microsteps: unknown[] = [];
    const scope = {
      self: this.#self,
      id: "",
      sessionId: "",
      logger: () => {},
      defer: () => {},
      emit: () => {},
      stopChild: () => {},
      system: {
        _sendInspectionEvent: (event: {
          type: string;
          snapshot: { value: unknown; _nodes: AnyStateNode[] };
        }) => {
          if (event.type !== "@xstate.microstep") return;
          microsteps.push(event.snapshot.value);
          for (const node of event.snapshot._nodes) this.reached.add(pathOf(node));
        },
      },
      actionExecutor: (action: {
        type: string;
        info: never;
        params: never;
        exec?: (i: never, p: never) => void;
      }) => {
        if (!action.type.startsWith("xstate.")) action.exec?.(action.info, action.params);
      },
    };
    let snapshot: AnySnapshot | null = null;
    let thrown: string | null = null;
    try {
      snapshot = run(scope as never);
    } catch (error) {
      const text = String(error);
      thrown = text.includes("microsteps") ? "loop" : text;
    }
    const error = (snapshot as { error?: unknown } | null)?.error;
    if (error !== undefined && String(error).includes("microsteps")) thrown = "loop";
    return [
      thrown === null ? snapshot : null,
      this.#outcome(snapshot, thrown, inspected ? microsteps : null),
    ];
  }

  /** All scripts of answers that lead to different questions or outcomes. */
  scripts(run: (answers: readonly boolean[]) => void): void {
    const open: (readonly boolean[])[] = [[]];
    for (let script = open.pop(); script !== undefined; script = open.pop()) {
      run(script);
      // Beyond the script every answer was no: each of those could have been a yes.
      for (let at = script.length; at < this.choices; at++)
        open.push([...script, ...new Array<boolean>(at - script.length).fill(false), true]);
    }
  }

  #answer(name: string, params: unknown): boolean {
    let answer = false;
    const yes = this.#yes.get(name) ?? 0;
    if (this.#free.has(name) && yes < this.#maxYes) {
      answer = this.#answers[this.choices++] ?? false;
      if (answer) this.#yes.set(name, yes + 1);
    }
    this.#asked.push({ name, params, answer });
    return answer;
  }

  #outcome(
    snapshot: AnySnapshot | null,
    thrown: string | null,
    microsteps: readonly unknown[] | null,
  ): Outcome {
    if (snapshot === null || thrown !== null) {
      return {
        value: null,
        context: null,
        status: "thrown",
        output: undefined,
        tags: [],
        history: null,
        actions: this.#actions,
        asked: this.#asked,
        microsteps: null,
        thrown,
      };
    }
    const machine = snapshot as unknown as {
      value: unknown;
      context: unknown;
      tags: Set<string>;
      historyValue: Record<string, { id: string }[]>;
    };
    return {
      value: machine.value,
      context: machine.context,
      status: snapshot.status,
      output: snapshot.output,
      tags: [...machine.tags].sort(),
      history: Object.fromEntries(
        Object.entries(machine.historyValue).map(([id, nodes]) => [id, nodes.map((node) => node.id)]),
      ),
      actions: this.#actions,
      asked: this.#asked,
      microsteps,
      thrown,
    };
  }

  /**
   * Takes one transition all three ways.
   * @throws NotEquivalentError
   * @returns the snapshots after it, null if the chart never came to rest.
   */
  compare(
    from: { readonly interpreted: AnySnapshot; readonly compiled: AnySnapshot },
    event: EventObject,
    answers: readonly boolean[],
  ): { interpreted: AnySnapshot; compiled: AnySnapshot; outcome: Outcome } | null {
    const { interpreted, compiled } = this;
    const [after, expected] = this.observe(answers, (scope) =>
      interpreted.transition(from.interpreted, event, scope),
    );
    const [, careful] = this.observe(answers, (scope) => compiled.transition(from.compiled, event, scope));
    this.#same("inspected", from.interpreted, event, expected, careful);
    const [stepped, fast] = this.observe(answers, () => compiled.step!(from.compiled, event), false);
    this.#same("stepped", from.interpreted, event, { ...expected, microsteps: null }, fast);
    return after === null || stepped === null
      ? null
      : { interpreted: after, compiled: stepped, outcome: expected };
  }

  /** The initial snapshots, compared. */
  compareInitial(
    answers: readonly boolean[],
    input: unknown,
  ): { interpreted: AnySnapshot; compiled: AnySnapshot; outcome: Outcome } | null {
    const [after, expected] = this.observe(answers, (scope) =>
      this.interpreted.getInitialSnapshot(scope, input),
    );
    const [compiled, actual] = this.observe(answers, (scope) =>
      this.compiled.getInitialSnapshot(scope, input),
    );
    this.#same(
      "initially",
      null,
      { type: "xstate.init" },
      withoutMicrosteps(expected),
      withoutMicrosteps(actual),
    );
    return after === null || compiled === null ? null : { interpreted: after, compiled, outcome: expected };
  }

  #same(way: string, from: AnySnapshot | null, event: EventObject, expected: Outcome, actual: Outcome): void {
    if (canonical(expected) === canonical(actual)) return;
    const value = (from as { value?: unknown } | null)?.value ?? null;
    throw new NotEquivalentError(this.machine.id, way, value, event, expected, actual);
  }
}

/** XState shows no microstep for entering the initial states, only for what follows. */
const withoutMicrosteps = (outcome: Outcome): Outcome => ({ ...outcome, microsteps: null });

/** JSON with sorted keys: state values are equal whatever the order of their regions. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** One event of each type that a chart mentions, and one that it does not. */
export function defaultEvents(machine: AnyStateMachine): EventObject[] {
  const types = new Set<string>();
  for (const node of allNodes(machine))
    for (const descriptor of node.transitions.keys())
      if (!descriptor.startsWith("xstate.")) types.add(descriptor.replace(/\*$/, "anything"));
  return [...types, "$unknown"].map((type) => ({ type }));
}

/**
 * Explores every reachable state of the chart, with every event and every answer of its guards.
 * @throws NotEquivalentError at the first difference.
 */
export function proveEquivalent(machine: AnyStateMachine, options: EquivalenceOptions = {}): Proof {
  const pair = new Pair(machine, options);
  const events = options.events ?? defaultEvents(machine);
  const serialize = (snapshot: AnySnapshot) => {
    const { value, context, historyValue, status } = snapshot as unknown as Record<string, unknown>;
    const history = Object.entries((historyValue ?? {}) as Record<string, { id: string }[]>);
    return canonical([
      value,
      context,
      history.map(([id, nodes]) => [id, nodes.map((node) => node.id)]),
      status,
    ]);
  };
  const acted = new Set<string>();
  const states = new Set<string>();
  let transitions = 0;
  const note = (outcome: Outcome, snapshot: AnySnapshot) => {
    for (const action of outcome.actions) acted.add((action as { name: string }).name);
    for (const node of (snapshot as unknown as { _nodes: AnyStateNode[] })._nodes)
      pair.reached.add(pathOf(node));
  };

  /** An edge for `xstate/graph`: the event, and the answers that the guards give on it. */
  interface Edge extends EventObject {
    readonly event: EventObject;
    readonly answers: readonly boolean[];
  }
  const walkable = {
    transition: (snapshot: AnySnapshot, edge: Edge) => {
      const [next] = pair.observe(edge.answers, (scope) =>
        pair.interpreted.transition(snapshot, edge.event, scope),
      );
      return next ?? snapshot;
    },
    getInitialSnapshot: (scope: unknown) =>
      pair.interpreted.getInitialSnapshot(scope as never, options.input),
    getPersistedSnapshot: (snapshot: AnySnapshot) => snapshot,
  };
  const edgesOf = (snapshot: AnySnapshot): Edge[] => {
    if (states.has(serialize(snapshot)) || snapshot.status !== "active") return [];
    states.add(serialize(snapshot));
    return events.flatMap((event) => {
      const edges: Edge[] = [];
      pair.scripts((answers) => {
        // The compiled chart takes over XState's snapshot here; its own ones are walked by the random walks.
        const after = pair.compare({ interpreted: snapshot, compiled: snapshot }, event, answers);
        transitions++;
        if (after === null) return;
        note(after.outcome, after.interpreted);
        edges.push({ type: event.type, event, answers });
      });
      return edges;
    });
  };

  pair.scripts((answers) => {
    const initial = pair.compareInitial(answers, options.input);
    if (initial === null) return;
    note(initial.outcome, initial.interpreted);
    const asked = pair.choices;
    getAdjacencyMap(walkable as never, {
      fromState: initial.interpreted as never,
      events: edgesOf as never,
      serializeState: serialize as never,
      serializeEvent: canonical as never,
      limit: options.limit ?? 200_000,
    });
    // The walk asked guards as well; `scripts` wants to know about the initial ones.
    pair.choices = asked;
  });
  const all = allNodes(machine).filter((node) => node.type !== "history");
  return {
    states: states.size,
    transitions,
    reached: pair.reached,
    unreached: all.map(pathOf).filter((path) => !pair.reached.has(path)),
    acted,
  };
}
