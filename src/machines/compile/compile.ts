/**
 * Flattens a chart into a transition table behind XState's ActorLogic.
 *
 * Interpreting a transition, XState walks the tree of states, computes sets of states to leave and to enter, and
 * clones a snapshot per assignment: some microseconds. All of that depends on nothing but the active states and the
 * event's type, so here it is worked out once per pair of them; a transition is then a look-up, its guards and its
 * actions. `test/machines/compile/equivalence.ts` proves for every chart that both do the same.
 */

import type {
  ActorLogic,
  ActorScope,
  AnyActorScope,
  AnyStateMachine,
  AnyStateNode,
  AnyTransitionDefinition,
  EventObject,
  Snapshot,
} from "xstate";
import { allNodes } from "./collect.ts";
import { Configuration, type ConfigurationSpace, makePlan, type Plan } from "./configuration.ts";
import { ChartLoopError } from "./errors.ts";
import { type CallArgs, resolveParams } from "./guards.ts";
import { assigned, initialStepsOf, outputOf } from "./plan.ts";
import { ChartSnapshot, snapshotMethods } from "./snapshot.ts";
import { type History, initialTree } from "./tree.ts";
import { assertCompilable } from "./validate.ts";

/** Actor logic made from a chart, compiled or (then without `step`) interpreted. */
export interface ChartLogic<TSnapshot extends Snapshot<unknown>, TEvent extends EventObject>
  extends ActorLogic<TSnapshot, TEvent> {
  /**
   * One event to completion, calling actions directly: what `transition` does when nobody inspects the system.
   * Actions and guards get `{context, event}`.
   */
  readonly step?: (snapshot: TSnapshot, event: TEvent) => TSnapshot;
}

type AnySnapshot = Snapshot<unknown>;
type Scope = ActorScope<AnySnapshot, EventObject>;

/** The parts of XState's scope that its types keep to themselves. */
interface InnerScope {
  readonly self: unknown;
  readonly system: { _sendInspectionEvent(event: object): void };
  actionExecutor(action: { type: string; info: unknown; params: unknown; exec: unknown }): void;
}

/** A macrostep under way. */
interface Run {
  configuration: Configuration;
  context: unknown;
  event: EventObject;
  status: ChartSnapshot["status"];
  output: unknown;
  error: unknown;
  /** Events that the chart raised to itself and has not handled. */
  readonly queue: EventObject[];
}

/** XState has no limit of its own and would hang. */
const DEFAULT_MAX_ITERATIONS = 1000;

/**
 * The compiled chart as actor logic. Actions and guards are the machine's own implementations: see `bindChart`.
 * @throws ChartCompileError if the chart uses what the compiler does not support.
 */
export function compileChart(machine: AnyStateMachine): ChartLogic<AnySnapshot, EventObject> {
  assertCompilable(machine);
  return new CompiledChart(machine).logic();
}

class CompiledChart implements ConfigurationSpace {
  readonly machine: AnyStateMachine;
  readonly #methods;
  readonly #children = {};
  readonly #limit: number;
  readonly #nodes: ReadonlyMap<string, AnyStateNode>;
  readonly #configurations = new Map<string, Configuration>();

  constructor(machine: AnyStateMachine) {
    this.machine = machine;
    this.#methods = snapshotMethods(machine);
    this.#nodes = new Map(allNodes(machine).map((node) => [node.id, node]));
    const limit = machine.options.maxIterations ?? Number.POSITIVE_INFINITY;
    this.#limit = Number.isFinite(limit) ? limit : DEFAULT_MAX_ITERATIONS;
  }

  logic(): ChartLogic<AnySnapshot, EventObject> {
    return {
      config: this.machine.config,
      transition: (snapshot, event, scope) =>
        this.#transition(snapshot, event, scope) as unknown as AnySnapshot,
      step: (snapshot, event) =>
        this.#step(snapshot as unknown as ChartSnapshot, event) as unknown as AnySnapshot,
      getInitialSnapshot: (scope, input) => this.#initial(scope, input) as unknown as AnySnapshot,
      getPersistedSnapshot: (snapshot, options) =>
        this.machine.getPersistedSnapshot(snapshot as never, options),
      restoreSnapshot: (snapshot, scope) => this.#restore(snapshot, scope) as unknown as AnySnapshot,
    };
  }

  /** The one configuration with these active states, in this order, and these histories. */
  intern(nodes: readonly AnyStateNode[], history: History): Configuration {
    const histories = Object.keys(history)
      .sort()
      .map((id) => `${id}=${history[id]!.map((node) => node.order)}`);
    const key = `${nodes.map((node) => node.order)}|${histories.join(";")}`;
    let configuration = this.#configurations.get(key);
    if (configuration === undefined) {
      configuration = new Configuration(this, nodes, history);
      this.#configurations.set(key, configuration);
    }
    return configuration;
  }

  // ----------------------------------------------------------------- running

  /** HOT: no inspection, actions called directly. */
  #step(snapshot: ChartSnapshot, event: EventObject): ChartSnapshot {
    const configuration = ChartSnapshot.configurationOf(snapshot, this.machine) ?? this.#adopt(snapshot);
    const row = configuration.row(event.type);
    const args: CallArgs = { context: snapshot.context, event };
    const plan = row.only !== undefined ? row.only : row.select(args);
    if (snapshot.status === "active") {
      if (plan === null) {
        if (!configuration.hasAlways && !row.isError) return snapshot;
      } else if (plan.plain) return this.#plainSteps(snapshot, plan, args);
    }
    return this.#macrostep(snapshot, configuration, event, plan, row.isError, null);
  }

  /** HOT: a plain plan, and what `always` transitions follow it. The rest is done as soon as one is not plain. */
  #plainSteps(snapshot: ChartSnapshot, first: Plan, start: CallArgs): ChartSnapshot {
    let args = start;
    let plan = first;
    for (let steps = 1; ; steps++) {
      const { ops, next } = plan;
      for (let i = 0; i < ops.length; i++) {
        const op = ops[i]!;
        if (op.kind === "action") {
          if (op.call !== null) op.call(args, typeof op.params === "function" ? op.params(args) : op.params);
        } else if (op.kind === "assign") {
          args = { context: assigned(op, args), event: args.event };
        }
      }
      // An `always` transition that changes nothing would be enabled again for ever.
      if (!next.hasAlways || (steps > 1 && !plan.changes)) return this.#snapshot(next, args.context);
      const always = steps > this.#limit ? null : next.selectAlways(args);
      if (always?.plain) {
        plan = always;
        continue;
      }
      if (always === null && steps <= this.#limit) return this.#snapshot(next, args.context);
      const run = startOf(snapshot, next, args.event as EventObject);
      run.context = args.context;
      if (always === null) throw this.#loopError(run);
      const changed = this.#microstep(run, always, null);
      this.#rest(run, null, steps, changed);
      return this.#snapshotOf(run);
    }
  }

  /** XState's way: actions through the scope's executor, every microstep shown to inspectors. */
  #transition(before: AnySnapshot, event: EventObject, scope: AnyActorScope): ChartSnapshot {
    const snapshot = before as unknown as ChartSnapshot;
    const inner = scope as unknown as InnerScope;
    const configuration = ChartSnapshot.configurationOf(snapshot, this.machine) ?? this.#adopt(snapshot);
    if (event.type === "xstate.stop") {
      const run = startOf(snapshot, configuration, event);
      run.status = "stopped";
      const stopped = this.#snapshotOf(run);
      inspectMicrostep(inner, event, stopped, []);
      return stopped;
    }
    const row = configuration.row(event.type);
    const plan = row.select({ context: snapshot.context, event });
    return this.#macrostep(snapshot, configuration, event, plan, row.isError, inner);
  }

  /** Takes the plan for the event, then `always` transitions and raised events until the chart rests. */
  #macrostep(
    snapshot: ChartSnapshot,
    configuration: Configuration,
    event: EventObject,
    first: Plan | null,
    isError: boolean,
    scope: InnerScope | null,
  ): ChartSnapshot {
    const run = startOf(snapshot, configuration, event);
    if (first === null && isError) {
      run.status = "error";
      run.error = (event as EventObject & { error: unknown }).error;
      const failed = this.#snapshotOf(run);
      if (scope !== null) inspectMicrostep(scope, event, failed, []);
      return failed;
    }
    let changed = first !== null && this.#microstep(run, first, scope);
    if (scope !== null)
      inspectMicrostep(scope, event, changed ? this.#snapshotOf(run) : snapshot, first?.transitions);
    changed = this.#rest(run, scope) || changed;
    return changed ? this.#snapshotOf(run) : snapshot;
  }

  /** Runs `always` transitions and raised events until none is left. Returns true if anything changed. */
  #rest(run: Run, scope: InnerScope | null, stepsDone = 0, lookFirst = true): boolean {
    let anyChanged = false;
    let lookForAlways = lookFirst;
    for (let steps = stepsDone + 1; run.status === "active"; steps++) {
      if (steps > this.#limit) throw this.#loopError(run);
      const always: Plan | null =
        lookForAlways && run.configuration.hasAlways
          ? run.configuration.selectAlways({ context: run.context, event: run.event })
          : null;
      let plan: Plan | null = always;
      if (plan === null) {
        const raised = run.queue.shift();
        if (raised === undefined) break;
        run.event = raised;
        plan = run.configuration.row(raised.type).select({ context: run.context, event: raised });
      }
      const changed: boolean = plan !== null && this.#microstep(run, plan, scope);
      anyChanged ||= changed;
      // An `always` transition that changes nothing would be enabled again for ever.
      lookForAlways = always === null || changed;
      if (scope !== null) inspectMicrostep(scope, run.event, this.#snapshotOf(run), plan?.transitions);
    }
    return anyChanged;
  }

  /** One plan. Returns true if it changed the snapshot in XState's sense: by moving, assigning or finishing. */
  #microstep(run: Run, plan: Plan, scope: InnerScope | null): boolean {
    let changed = plan.moved;
    let args = argsOf(run, scope);
    for (const op of plan.ops) {
      switch (op.kind) {
        case "action": {
          const params = resolveParams(op.params, args);
          if (scope === null) op.call?.(args, params);
          else scope.actionExecutor({ type: op.type, info: args, params, exec: op.call ?? undefined });
          break;
        }
        case "assign":
          run.context = assigned(op, args);
          args = argsOf(run, scope);
          changed = true;
          break;
        case "raise": {
          const { event: raised, id } = op;
          const event = typeof raised === "function" ? raised(args, resolveParams(op.params, args)) : raised;
          run.queue.push(event);
          const params = { event, id, delay: undefined };
          scope?.actionExecutor({ type: "xstate.raise", info: args, params, exec: undefined });
          break;
        }
        case "done":
          run.queue.push({ type: op.type, output: outputOf(op.output, args) } as EventObject);
          break;
        case "finish": {
          const event = { type: op.doneType, output: outputOf(op.stateOutput, args) } as EventObject;
          run.status = "done";
          run.output = outputOf(op.output, { ...args, event });
          changed = true;
          break;
        }
      }
    }
    run.configuration = plan.next;
    return changed;
  }

  // --------------------------------------------------------------- snapshots

  #initial(scope: Scope, input: unknown): ChartSnapshot {
    const root = this.machine.root as AnyStateNode;
    const event = { type: "xstate.init", input } as EventObject;
    const { context } = this.machine.config as { context?: unknown };
    const run: Run = {
      configuration: this.intern([root], {}),
      context: typeof context === "function" ? {} : (context ?? {}),
      event,
      status: "active",
      output: undefined,
      error: undefined,
      queue: [],
    };
    const start = { ...run };
    const inner = scope as unknown as InnerScope;
    try {
      if (typeof context === "function")
        run.context = { ...context({ input, self: inner.self, spawn: refuseSpawn }) };
      this.#microstep(run, makePlan(this, null, initialStepsOf(this.machine, initialTree(root)), []), inner);
      this.#rest(run, inner);
      return this.#snapshotOf(run);
    } catch (error) {
      return this.#snapshotOf({ ...start, context: run.context, status: "error", error });
    }
  }

  #restore(persisted: AnySnapshot, scope: AnyActorScope): ChartSnapshot {
    const restored = this.machine.restoreSnapshot(
      persisted as never,
      scope as never,
    ) as unknown as ChartSnapshot;
    return this.#snapshotOf(startOf(restored, this.#adopt(restored), { type: "xstate.init" }));
  }

  /** The configuration of a snapshot that another logic of the same chart made, or that was taken apart. */
  #adopt(snapshot: ChartSnapshot): Configuration {
    const own = (node: AnyStateNode) => this.#nodes.get(node.id) ?? node;
    const history = Object.fromEntries(
      Object.entries(snapshot.historyValue).map(([id, nodes]) => [id, nodes.map(own)] as const),
    );
    return this.intern(snapshot._nodes.map(own), history);
  }

  #snapshotOf(run: Run): ChartSnapshot {
    if (run.status === "active") return this.#snapshot(run.configuration, run.context);
    return this.#make(run.configuration, run.context, run.status, run.output, run.error);
  }

  /** The snapshot of a resting chart: the last one again as long as the context is the same object. */
  #snapshot(configuration: Configuration, context: unknown): ChartSnapshot {
    const last = configuration.snapshot;
    if (last !== null && last.context === context) return last;
    const made = this.#make(configuration, context, "active", undefined, undefined);
    configuration.snapshot = made;
    return made;
  }

  #make(
    configuration: Configuration,
    context: unknown,
    status: ChartSnapshot["status"],
    output: unknown,
    error: unknown,
  ): ChartSnapshot {
    return new ChartSnapshot(
      this.machine,
      this.#methods,
      this.#children,
      configuration,
      context,
      status,
      output,
      error,
    );
  }

  #loopError(run: Run): ChartLoopError {
    const state = JSON.stringify(run.configuration.value);
    return new ChartLoopError(this.machine.id, state, run.event.type, this.#limit);
  }
}

function startOf(snapshot: ChartSnapshot, configuration: Configuration, event: EventObject): Run {
  const { context, status, output, error } = snapshot;
  return { configuration, context, event, status, output, error, queue: [] };
}

function argsOf(run: Run, scope: InnerScope | null): CallArgs {
  const { context, event } = run;
  return scope === null
    ? { context, event }
    : ({ context, event, self: scope.self, system: scope.system } as CallArgs);
}

function inspectMicrostep(
  scope: InnerScope,
  event: EventObject,
  snapshot: ChartSnapshot,
  transitions: readonly AnyTransitionDefinition[] = [],
): void {
  scope.system._sendInspectionEvent({
    type: "@xstate.microstep",
    actorRef: scope.self,
    event,
    snapshot,
    _transitions: transitions,
  });
}

function refuseSpawn(): never {
  throw new Error("A compiled chart cannot spawn actors: wire them to the bus where the chart is bound.");
}
