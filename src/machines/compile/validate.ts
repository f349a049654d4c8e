/** Refuses what the compiler does not support, naming the state that uses it. */

import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from "xstate";
import { allNodes, type Builtin, nameOf, pathOf } from "./collect.ts";
import { ChartCompileError } from "./errors.ts";
import { isBelow } from "./tree.ts";

const COMPILED_ACTIONS = new Set(["xstate.assign", "xstate.raise"]);

/** @throws ChartCompileError with every defect of the chart. */
export function assertCompilable(machine: AnyStateMachine): void {
  const defects = allNodes(machine).flatMap((node) =>
    defectsOf(node, machine).map((text) => `${pathOf(node)}: ${text}`),
  );
  if (defects.length > 0) throw new ChartCompileError(machine.id, defects);
}

function defectsOf(node: AnyStateNode, machine: AnyStateMachine): string[] {
  const defects: string[] = [];
  const config = node.config as { after?: object; invoke?: unknown; route?: unknown };
  if (config.after !== undefined && Object.keys(config.after).length > 0)
    defects.push("'after' is not supported; time is a message, post one from the virtual clock");
  if (config.invoke !== undefined)
    defects.push("'invoke' is not supported; an actor is wired to the bus where it is bound");
  if (config.route !== undefined) defects.push("'route' is not supported; name the target in a transition");

  // XState itself turns `after` into raised and cancelled events: those defects are told above already.
  const own = (action: unknown) => !(config.after !== undefined && isDelayedBookkeeping(action));
  const checkActions = (actions: readonly unknown[], where: string) => {
    for (const action of actions) {
      const defect = own(action) ? actionDefect(action, machine) : undefined;
      if (defect !== undefined) defects.push(`${where}: ${defect}`);
    }
  };
  checkActions(node.entry, "entry");
  checkActions(node.exit, "exit");
  if (node.type === "compound") checkActions(node.initial.actions, "initial");
  for (const transition of [...[...node.transitions.values()].flat(), ...(node.always ?? [])]) {
    const where = transition.eventType === "" ? "always" : `on '${transition.eventType}'`;
    if (transition.eventType.startsWith("xstate.after.")) continue;
    checkActions(transition.actions, where);
    const history = ownHistoryOf(transition);
    if (history !== undefined)
      defects.push(
        `${where}: leads to history '${history.key}' of a state that it comes from; XState enters wrong states then, name the state`,
      );
    const defect = transition.guard === undefined ? undefined : guardDefect(transition.guard, machine, []);
    if (defect !== undefined) defects.push(`${where}: ${defect}`);
  }
  return defects;
}

/** A history among the targets that the transition itself records, because it comes from within. */
function ownHistoryOf(transition: AnyTransitionDefinition): AnyStateNode | undefined {
  const source = transition.source as AnyStateNode;
  return (transition.target as AnyStateNode[] | undefined)?.find(
    (target) =>
      target.type === "history" &&
      (source === target.parent || isBelow(source, target.parent as AnyStateNode)),
  );
}

function isDelayedBookkeeping(action: unknown): boolean {
  const { type } = action as Builtin;
  return typeof action === "function" && (type === "xstate.raise" || type === "xstate.cancel");
}

function actionDefect(action: unknown, machine: AnyStateMachine): string | undefined {
  const name = nameOf(action);
  const implementation = name === undefined ? action : machine.implementations.actions[name];
  const called = name === undefined ? "an inline action" : `action '${name}'`;
  if (implementation === undefined) return undefined;
  if (typeof implementation !== "function") return `${called} is not a function; give its name to a function`;
  const builtin = implementation as Builtin & { readonly delay?: unknown };
  if (builtin.resolve === undefined)
    return name === undefined
      ? "an inline function is not supported; name the action and bind it"
      : undefined;
  if (!COMPILED_ACTIONS.has(builtin.type ?? ""))
    return `${called} is a '${builtin.type}', which is not supported; bind a function that posts to the bus`;
  if (builtin.delay !== undefined)
    return `${called} is a delayed 'xstate.raise', which is not supported; time is a message`;
  return undefined;
}

function guardDefect(guard: unknown, machine: AnyStateMachine, seen: readonly string[]): string | undefined {
  const name = nameOf(guard);
  if (name !== undefined) {
    if (seen.includes(name)) return `guard '${name}' is made of itself`;
    const implementation = machine.implementations.guards[name] as unknown;
    if (implementation === undefined) return `guard '${name}' has no implementation; bind it`;
    if (typeof implementation !== "function") return guardDefect(implementation, machine, [...seen, name]);
    return combinationDefect(implementation as Builtin, machine, [...seen, name]);
  }
  if ((guard as Builtin).check === undefined)
    return "an inline guard is not supported; name the guard and bind it";
  return combinationDefect(guard as Builtin, machine, seen);
}

function combinationDefect(
  guard: Builtin,
  machine: AnyStateMachine,
  seen: readonly string[],
): string | undefined {
  for (const part of guard.check === undefined ? [] : (guard.guards ?? [])) {
    const defect = guardDefect(part, machine, seen);
    if (defect !== undefined) return defect;
  }
  return undefined;
}
