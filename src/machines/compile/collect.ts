/** Which names a chart uses, so that its bindings can be checked against them. */

import type { AnyStateMachine, AnyStateNode } from "xstate";

/** The names of a chart that need a function behind them. */
export interface ChartUses {
  /** Named actions, without those that the chart itself declares as `assign` or `raise`. */
  readonly actions: ReadonlySet<string>;
  /** Named guards, without those that the chart declares as combinations (`and`, `or`, `not`, `stateIn`) of others. */
  readonly guards: ReadonlySet<string>;
}

/** XState's built-in actions and guards are functions with properties; these are the ones that matter here. */
export interface Builtin {
  readonly type?: string;
  readonly resolve?: unknown;
  readonly check?: unknown;
  readonly guards?: readonly unknown[];
}

/** Every state of a chart, root first, in document order. */
export function allNodes(machine: AnyStateMachine): AnyStateNode[] {
  const nodes: AnyStateNode[] = [];
  const visit = (node: AnyStateNode): void => {
    nodes.push(node);
    for (const child of Object.values(node.states)) visit(child as AnyStateNode);
  };
  visit(machine.root);
  return nodes;
}

/** How a state is named in error texts. */
export const pathOf = (node: AnyStateNode) => (node.path.length === 0 ? "(root)" : node.path.join("."));

/** The name of a named action or guard, undefined for an inline function. */
export function nameOf(reference: unknown): string | undefined {
  if (typeof reference === "string") return reference;
  if (typeof reference === "object" && reference !== null) return (reference as { type: string }).type;
  return undefined;
}

export function collectUses(machine: AnyStateMachine): ChartUses {
  const actions = new Set<string>();
  const guards = new Set<string>();
  const useAction = (action: unknown): void => {
    const name = nameOf(action);
    if (name === undefined) return;
    const implementation = machine.implementations.actions[name] as Builtin | undefined;
    if (implementation?.resolve === undefined) actions.add(name);
  };
  const useGuard = (guard: unknown): void => {
    const name = nameOf(guard);
    const implementation = name === undefined ? guard : machine.implementations.guards[name];
    if (
      typeof implementation === "string" ||
      (typeof implementation === "object" && implementation !== null)
    ) {
      useGuard(implementation);
      return;
    }
    const builtin = implementation as Builtin | undefined;
    if (builtin?.check !== undefined) {
      for (const part of builtin.guards ?? []) useGuard(part);
      return;
    }
    if (name !== undefined) guards.add(name);
  };
  for (const node of allNodes(machine)) {
    for (const action of [...node.entry, ...node.exit, ...node.initial.actions]) useAction(action);
    for (const transition of [...[...node.transitions.values()].flat(), ...(node.always ?? [])]) {
      for (const action of transition.actions) useAction(action);
      if (transition.guard !== undefined) useGuard(transition.guard);
    }
  }
  return { actions, guards };
}
