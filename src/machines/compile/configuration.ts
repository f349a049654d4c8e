/**
 * A configuration: one combination of active states (and of remembered histories) that a chart can be in, with its
 * row of the transition table. Rows and plans are made when they are first needed and kept for good; a chart has
 * few of them.
 */

import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition, EventObject, StateValue } from "xstate";
import { nameOf, pathOf } from "./collect.ts";
import { ChartGuardError } from "./errors.ts";
import { type CallArgs, type CompiledGuard, compileGuard } from "./guards.ts";
import { type Op, type Steps, stepsOf } from "./plan.ts";
import type { ChartSnapshot } from "./snapshot.ts";
import { ancestorsBelow, type History, isAtomic, withoutConflicts } from "./tree.ts";

/** One microstep out of a configuration. */
export interface Plan {
  readonly ops: readonly Op[];
  readonly next: Configuration;
  readonly moved: boolean;
  readonly finished: boolean;
  /** True when running the actions and assignments in order is all there is to it. */
  readonly plain: boolean;
  /** True when it changes the snapshot in XState's sense: by moving, assigning or finishing. */
  readonly changes: boolean;
  /** What XState's inspection shows as the transitions of the step. */
  readonly transitions: readonly AnyTransitionDefinition[];
}

interface Candidate {
  readonly transition: AnyTransitionDefinition;
  readonly guard: CompiledGuard | null;
}

/** The candidates of a state and, asked before them, those of its active children. */
interface Selector {
  readonly children: readonly Selector[];
  readonly own: readonly Candidate[];
}

/** Plans by the transitions that are taken together. */
interface PlanTree {
  plan: Plan | null;
  readonly next: Map<AnyTransitionDefinition, PlanTree>;
}

/** Finds the plan for the transitions that are enabled; null: none is. */
type Select = (args: CallArgs) => Plan | null;

/** Candidates that exclude each other: the first that is enabled is taken. HOT: asked without a closure between. */
class Chain {
  readonly #candidates: readonly Candidate[];
  readonly #plans: (Plan | null)[];
  readonly #planOf: (transition: AnyTransitionDefinition) => Plan;

  constructor(candidates: readonly Candidate[], planOf: (transition: AnyTransitionDefinition) => Plan) {
    this.#candidates = candidates;
    this.#plans = candidates.map(() => null);
    this.#planOf = planOf;
  }

  select(args: CallArgs): Plan | null {
    const candidates = this.#candidates;
    let at = 0;
    try {
      for (; at < candidates.length; at++) {
        const { guard } = candidates[at]!;
        if (guard === null || guard(args)) break;
      }
    } catch (error) {
      throw guardError(candidates[at]!.transition, args, error);
    }
    if (at === candidates.length) return null;
    return this.#plans[at] ?? this.#makePlan(at);
  }

  #makePlan(at: number): Plan {
    const plan = this.#planOf(this.#candidates[at]!.transition);
    this.#plans[at] = plan;
    return plan;
  }
}

/** How a configuration answers one type of event. */
export class Row {
  /** The only possible answer, when no guard is to be asked; undefined: ask `select`. */
  readonly only: Plan | null | undefined;
  /** True for the type of a child actor's error, which fails a chart that does not handle it. */
  readonly isError: boolean;
  readonly #chain: Chain | null;
  readonly #together: Select | null;

  constructor(answer: Plan | null | Chain | Select, isError: boolean) {
    this.isError = isError;
    this.#chain = answer instanceof Chain ? answer : null;
    this.#together = typeof answer === "function" ? answer : null;
    this.only = answer instanceof Chain || typeof answer === "function" ? undefined : answer;
  }

  /** The plan to follow; null: nothing is enabled. */
  select(args: CallArgs): Plan | null {
    if (this.#chain !== null) return this.#chain.select(args);
    return this.#together !== null ? this.#together(args) : (this.only ?? null);
  }
}

/** What the configurations of one chart share. */
export interface ConfigurationSpace {
  readonly machine: AnyStateMachine;
  intern(nodes: readonly AnyStateNode[], history: History): Configuration;
}

export class Configuration {
  readonly nodes: readonly AnyStateNode[];
  readonly history: History;
  readonly value: StateValue;
  readonly tags: Set<string>;
  /** True when an active state has `always` transitions, so that coming to rest must be looked for. */
  readonly hasAlways: boolean;
  /** The last snapshot made of this configuration: while the context stays the same there is only one. */
  snapshot: ChartSnapshot | null = null;
  readonly #rows = new Map<string, Row>();
  readonly #space: ConfigurationSpace;
  readonly #plans: PlanTree = { plan: null, next: new Map() };
  /** The row looked for last: of most states it is always the same one. */
  #lastType = "";
  #lastRow: Row | undefined;
  #always: Row | undefined;

  constructor(space: ConfigurationSpace, nodes: readonly AnyStateNode[], history: History) {
    this.#space = space;
    this.nodes = nodes;
    this.history = history;
    this.value = stateValueOf(space.machine.root as AnyStateNode, nodes);
    this.tags = new Set(nodes.flatMap((node) => node.tags));
    this.hasAlways = nodes.some((node) => node.always !== undefined);
  }

  /** The row for an event type, made the first time. */
  row(type: string): Row {
    if (type === this.#lastType && this.#lastRow !== undefined) return this.#lastRow;
    const row = this.#rows.get(type) ?? this.#addRow(type);
    this.#lastType = type;
    this.#lastRow = row;
    return row;
  }

  /** The plan for the `always` transitions that are enabled; null: the chart rests. */
  selectAlways(args: CallArgs): Plan | null {
    this.#always ??= this.#alwaysRow();
    return this.#always.select(args);
  }

  /** Only states of several regions can have transitions that are enabled together, and may be in conflict. */
  #alwaysRow(): Row {
    const chains = this.#alwaysCandidates();
    const [first] = chains;
    if (first === undefined) return new Row(null, false);
    if (chains.length === 1) return new Row(this.#chain(first), false);
    return new Row((args) => {
      const enabled: AnyTransitionDefinition[] = [];
      for (const candidates of chains) {
        const found = firstEnabled(candidates, args);
        if (found !== null && !enabled.includes(found)) enabled.push(found);
      }
      if (enabled.length === 0) return null;
      if (enabled.length === 1) return this.#plan(enabled);
      return this.#plan(withoutConflicts(enabled, new Set(this.nodes), this.history));
    }, false);
  }

  #chain(candidates: readonly Candidate[]): Chain {
    return new Chain(candidates, (transition) => this.#plan([transition]));
  }

  #addRow(type: string): Row {
    const selector = this.#selector(this.#space.machine.root as AnyStateNode, this.value, type);
    const row = this.#makeRow(selector, type.startsWith("xstate.error.actor"));
    this.#rows.set(type, row);
    return row;
  }

  #makeRow(selector: Selector, isError: boolean): Row {
    const chain = linear(selector);
    if (chain === null) {
      return new Row((args) => {
        const enabled: AnyTransitionDefinition[] = [];
        selectInto(selector, args, enabled);
        return enabled.length === 0 ? null : this.#plan(enabled);
      }, isError);
    }
    const [first] = chain;
    if (first === undefined) return new Row(null, isError);
    // Made now: the row is made for an event that is there to take it.
    if (first.guard === null) return new Row(this.#plan([first.transition]), isError);
    return new Row(this.#chain(chain), isError);
  }

  #plan(transitions: readonly AnyTransitionDefinition[]): Plan {
    let tree = this.#plans;
    for (const transition of transitions) {
      let next = tree.next.get(transition);
      if (next === undefined) {
        next = { plan: null, next: new Map() };
        tree.next.set(transition, next);
      }
      tree = next;
    }
    tree.plan ??= makePlan(
      this.#space,
      this,
      stepsOf(this.#space.machine, this.nodes, this.history, transitions),
      transitions,
    );
    return tree.plan;
  }

  /** The state's candidates for an event, with those of its active children; `value` tells the children's order. */
  #selector(node: AnyStateNode, value: StateValue, type: string): Selector {
    const keys = typeof value === "string" ? [value] : Object.keys(value);
    const children = keys.map((key) =>
      this.#selector(node.states[key] as AnyStateNode, typeof value === "string" ? {} : value[key]!, type),
    );
    const descriptors = [...node.transitions.keys()].filter(
      (descriptor) => descriptor !== type && matchesWildcard(type, descriptor),
    );
    descriptors.sort((a, b) => b.length - a.length);
    const transitions = [type, ...descriptors].flatMap(
      (descriptor) => node.transitions.get(descriptor) ?? [],
    );
    return { children, own: this.#candidates(transitions) };
  }

  #alwaysCandidates(): (readonly Candidate[])[] {
    return this.nodes
      .filter(isAtomic)
      .map((leaf) =>
        this.#candidates([leaf, ...ancestorsBelow(leaf, null)].flatMap((node) => node.always ?? [])),
      )
      .filter((candidates) => candidates.length > 0);
  }

  /** Leaves out what this configuration rules out, and what comes after a candidate that is always enabled. */
  #candidates(transitions: readonly AnyTransitionDefinition[]): Candidate[] {
    const candidates: Candidate[] = [];
    for (const transition of transitions) {
      const guard =
        transition.guard === undefined
          ? true
          : compileGuard(transition.guard, {
              machine: this.#space.machine,
              nodes: this.nodes,
              value: this.value,
            });
      if (guard === false) continue;
      candidates.push({ transition, guard: guard === true ? null : guard });
      if (guard === true) break;
    }
    return candidates;
  }
}

export function makePlan(
  space: ConfigurationSpace,
  from: Configuration | null,
  steps: Steps,
  transitions: readonly AnyTransitionDefinition[],
): Plan {
  const next = steps.moved || from === null ? space.intern(steps.nodes, steps.history) : from;
  return {
    ops: steps.ops,
    next,
    moved: steps.moved,
    finished: steps.finished,
    plain: steps.ops.every((op) => op.kind === "action" || op.kind === "assign"),
    changes: steps.moved || steps.ops.some((op) => op.kind === "assign" || op.kind === "finish"),
    transitions,
  };
}

/** The candidates in the order they are asked, if at most one of them can be taken; null: regions answer together. */
function linear(selector: Selector): readonly Candidate[] | null {
  const chains = selector.children.map(linear);
  if (chains.includes(null)) return null;
  const answering = chains.filter((chain) => chain!.length > 0);
  if (answering.length > 1) return null;
  return [...(answering[0] ?? []), ...selector.own];
}

/** Appends the transitions that a state and its active children take. */
function selectInto(selector: Selector, args: CallArgs, enabled: AnyTransitionDefinition[]): void {
  const before = enabled.length;
  for (const child of selector.children) selectInto(child, args, enabled);
  if (enabled.length > before) return;
  const own = firstEnabled(selector.own, args);
  if (own !== null) enabled.push(own);
}

function firstEnabled(candidates: readonly Candidate[], args: CallArgs): AnyTransitionDefinition | null {
  for (const { guard, transition } of candidates)
    if (guard === null || passes(guard, transition, args)) return transition;
  return null;
}

function passes(guard: CompiledGuard, transition: AnyTransitionDefinition, args: CallArgs): boolean {
  try {
    return guard(args);
  } catch (error) {
    throw guardError(transition, args, error);
  }
}

function guardError(transition: AnyTransitionDefinition, args: CallArgs, error: unknown): ChartGuardError {
  const source = transition.source as AnyStateNode;
  const name = nameOf(transition.guard) ?? "(combination)";
  const { type } = args.event as EventObject;
  return new ChartGuardError(source.machine.id, name, pathOf(source), type, error);
}

/** True when `descriptor` is `*`, or `a.b.*` and the type begins with those tokens. */
function matchesWildcard(type: string, descriptor: string): boolean {
  if (descriptor === "*") return true;
  if (!descriptor.endsWith(".*")) return false;
  const wanted = descriptor.split(".");
  const tokens = type.split(".");
  const wild = wanted.indexOf("*");
  // XState accepts a star only as the last token.
  return wild === wanted.length - 1 && wanted.slice(0, wild).every((token, at) => token === tokens[at]);
}

/** XState's value of a state whose descendants among `nodes` are active. */
function stateValueOf(node: AnyStateNode, nodes: readonly AnyStateNode[]): StateValue {
  const children = nodes.filter((child) => child.parent === node);
  const [first] = children;
  if (node.type === "compound" && first !== undefined && isAtomic(first)) return first.key;
  const value: Record<string, StateValue> = {};
  for (const child of node.type === "compound" ? children.slice(0, 1) : children)
    value[child.key] = stateValueOf(child, nodes);
  return value;
}
