/** What one microstep does, worked out once: the actions in order, and the configuration that it ends in. */

import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition, EventObject } from "xstate";
import { type Builtin, nameOf } from "./collect.ts";
import { type CallArgs, type Params, paramsOf, resolveParams } from "./guards.ts";
import {
  entrySet,
  exitSet,
  type History,
  inDocumentOrder,
  isAtomic,
  isBelow,
  isFinished,
  withoutConflicts,
} from "./tree.ts";

/** A call of a bound (or missing: `call` is null) action. */
export interface ActionOp {
  readonly kind: "action";
  readonly type: string;
  readonly call: ((args: CallArgs, params: unknown) => void) | null;
  readonly params: Params;
}

/** A pure change of the context. */
export interface AssignOp {
  readonly kind: "assign";
  readonly assignment: ((args: CallArgs, params: unknown) => object) | Readonly<Record<string, unknown>>;
  readonly params: Params;
}

/** An event that the chart raises to itself. */
export interface RaiseOp {
  readonly kind: "raise";
  readonly event: EventObject | ((args: CallArgs, params: unknown) => EventObject);
  readonly id: string | undefined;
  readonly params: Params;
}

/** A compound or parallel state reached its final state: raises the event for its `onDone`. */
export interface DoneOp {
  readonly kind: "done";
  readonly type: string;
  readonly output: unknown;
}

/** The whole chart reached its final state. */
export interface FinishOp {
  readonly kind: "finish";
  readonly doneType: string;
  /** The final state's own output, handed to the chart's `output`. */
  readonly stateOutput: unknown;
  readonly output: unknown;
}

export type Op = ActionOp | AssignOp | RaiseOp | DoneOp | FinishOp;

export interface Steps {
  readonly ops: readonly Op[];
  readonly nodes: readonly AnyStateNode[];
  readonly history: History;
  /** False when the step leaves the active states and the histories as they are. */
  readonly moved: boolean;
  /** True when the chart is finished after it. */
  readonly finished: boolean;
}

/** The steps that a set of transitions, taken together in one configuration, sets off. */
export function stepsOf(
  machine: AnyStateMachine,
  nodes: readonly AnyStateNode[],
  history: History,
  transitions: readonly AnyTransitionDefinition[],
): Steps {
  const active = new Set(nodes);
  const taken = withoutConflicts(transitions, active, history);
  const ops: Op[] = [];
  const act = (actions: readonly unknown[]) =>
    ops.push(...actions.map((action) => compileAction(action, machine)));

  const left = inDocumentOrder(exitSet(taken, active, history)).reverse();
  const nextHistory = remember(left, active, history);
  for (const node of left) {
    act(node.exit);
    active.delete(node);
  }
  for (const transition of taken) act(transition.actions);
  const finished = enter(taken, active, nextHistory, false, ops, machine);
  return conclude(nodes, history, active, nextHistory, finished, ops, machine);
}

/** The steps that bring a chart from nothing into its initial configuration. */
export function initialStepsOf(machine: AnyStateMachine, initial: readonly AnyStateNode[]): Steps {
  const root = machine.root as AnyStateNode;
  const start = {
    target: [...initial],
    source: root,
    reenter: true,
    actions: [],
    eventType: null,
  } as unknown as AnyTransitionDefinition;
  const active = new Set<AnyStateNode>([root]);
  const ops: Op[] = [];
  const finished = enter([start], active, {}, true, ops, machine);
  return conclude([root], {}, active, {}, finished, ops, machine);
}

function conclude(
  before: readonly AnyStateNode[],
  historyBefore: History,
  active: ReadonlySet<AnyStateNode>,
  history: History,
  finished: boolean,
  ops: Op[],
  machine: AnyStateMachine,
): Steps {
  let nodes = [...active];
  if (finished) {
    nodes = inDocumentOrder(nodes).reverse();
    for (const node of nodes) ops.push(...node.exit.map((action) => compileAction(action, machine)));
  }
  const moved =
    history !== historyBefore || before.length !== active.size || before.some((node) => !active.has(node));
  return { ops, nodes: moved ? nodes : before, history, moved, finished };
}

function remember(
  left: readonly AnyStateNode[],
  active: ReadonlySet<AnyStateNode>,
  history: History,
): History {
  let changed: Record<string, readonly AnyStateNode[]> | undefined;
  for (const node of left) {
    for (const child of Object.values(node.states) as AnyStateNode[]) {
      if (child.type !== "history") continue;
      changed ??= { ...history };
      changed[child.id] = [...active].filter((candidate) =>
        child.history === "deep"
          ? isAtomic(candidate) && isBelow(candidate, node)
          : candidate.parent === node,
      );
    }
  }
  return changed ?? history;
}

/** Adds what the transitions enter to `active` and `ops`. Returns true if the chart is finished by it. */
function enter(
  transitions: readonly AnyTransitionDefinition[],
  active: Set<AnyStateNode>,
  history: History,
  initially: boolean,
  ops: Op[],
  machine: AnyStateMachine,
): boolean {
  const entered = entrySet(transitions, history);
  const completed = new Set<AnyStateNode>();
  let finished = false;
  for (const node of inDocumentOrder(entered.states)) {
    active.add(node);
    const isDefault = entered.byDefault.has(node) || (initially && node === machine.root);
    const actions = isDefault ? [...node.entry, ...node.initial.actions] : node.entry;
    ops.push(...actions.map((action) => compileAction(action, machine)));
    if (node.type !== "final") continue;

    const parent = node.parent as AnyStateNode | undefined;
    let above = parent?.type === "parallel" ? parent : (parent?.parent as AnyStateNode | undefined);
    let last = above ?? node;
    if (parent?.type === "compound") ops.push(doneOp(parent, node.output));
    while (above?.type === "parallel" && !completed.has(above) && isFinished(above, active)) {
      completed.add(above);
      ops.push(doneOp(above, undefined));
      last = above;
      above = above.parent as AnyStateNode | undefined;
    }
    if (above !== undefined) continue;
    finished = true;
    ops.push({
      kind: "finish",
      doneType: `xstate.done.state.${last.id}`,
      stateOutput: last.parent === undefined ? undefined : last.output,
      output: machine.root.output,
    });
  }
  return finished;
}

const doneOp = (node: AnyStateNode, output: unknown): DoneOp => ({
  kind: "done",
  type: `xstate.done.state.${node.id}`,
  output,
});

/** Precondition: the chart passed `assertCompilable`. */
function compileAction(action: unknown, machine: AnyStateMachine): Op {
  const name = nameOf(action);
  const implementation = (name === undefined ? action : machine.implementations.actions[name]) as
    | (Builtin & ActionOp["call"] & Pick<AssignOp, "assignment"> & Pick<RaiseOp, "event" | "id">)
    | undefined;
  const params = paramsOf(action);
  if (implementation?.resolve !== undefined) {
    return implementation.type === "xstate.assign"
      ? { kind: "assign", assignment: implementation.assignment, params }
      : { kind: "raise", event: implementation.event, id: implementation.id, params };
  }
  return { kind: "action", type: name!, call: implementation ?? null, params };
}

/** The context after an assignment; the one before it stays as it was. */
export function assigned(op: AssignOp, args: CallArgs): unknown {
  const { assignment } = op;
  const params = resolveParams(op.params, args);
  if (typeof assignment === "function") return { ...(args.context as object), ...assignment(args, params) };
  const next: Record<string, unknown> = { ...(args.context as object) };
  for (const key of Object.keys(assignment)) {
    const value = assignment[key];
    next[key] = typeof value === "function" ? value(args, params) : value;
  }
  return next;
}

/** A final state's or chart's output: a value, or a function of context and event. */
export function outputOf(output: unknown, args: CallArgs): unknown {
  return typeof output === "function" ? output(args) : output;
}
