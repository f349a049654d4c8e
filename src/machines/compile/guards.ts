/** Guards as plain functions of context and event; what a configuration decides alone is decided when compiling. */

import {
  type AnyStateMachine,
  type AnyStateNode,
  and,
  type EventObject,
  matchesState,
  not,
  or,
  type StateValue,
  stateIn,
} from "xstate";
import { type Builtin, nameOf } from "./collect.ts";

/** What guards and actions are called with. */
export interface CallArgs {
  readonly context: unknown;
  readonly event: EventObject;
}

export type CompiledGuard = (args: CallArgs) => boolean;

/** A compiled function that works out an action's or guard's parameters, or the parameters themselves. */
export type Params = unknown;

/** The parameters of `{type, params}`: a value, or a function of context and event, or undefined. */
export function paramsOf(reference: unknown): Params {
  return typeof reference === "object" && reference !== null
    ? (reference as { params?: unknown }).params
    : undefined;
}

export function resolveParams(params: Params, args: CallArgs): unknown {
  return typeof params === "function" ? params(args) : params;
}

/** XState's combinations are told apart by the function that checks them. */
const checkOf = (guard: unknown) => (guard as Builtin).check;
const AND = checkOf(and([]));
const OR = checkOf(or([]));
const NOT = checkOf(not("-"));
const STATE_IN = checkOf(stateIn("-"));

interface Situation {
  readonly machine: AnyStateMachine;
  readonly nodes: readonly AnyStateNode[];
  readonly value: StateValue;
}

/**
 * Compiles a guard for one configuration: `true` or `false` if the configuration decides it.
 * Precondition: the chart passed `assertCompilable`.
 */
export function compileGuard(guard: unknown, situation: Situation): CompiledGuard | boolean {
  const name = nameOf(guard);
  const implementation: unknown = name === undefined ? guard : situation.machine.implementations.guards[name];
  if (typeof implementation !== "function") return compileGuard(implementation, situation);
  const builtin = implementation as unknown as Builtin & { readonly stateValue?: StateValue };
  if (builtin.check !== undefined) return compileCombination(builtin, situation);
  const call = implementation as (args: CallArgs, params: unknown) => boolean;
  const params = paramsOf(guard);
  if (typeof params === "function") return (args) => Boolean(call(args, params(args)));
  return (args) => Boolean(call(args, params));
}

function compileCombination(
  builtin: Builtin & { readonly stateValue?: StateValue },
  situation: Situation,
): CompiledGuard | boolean {
  const parts = (builtin.guards ?? []).map((part) => compileGuard(part, situation));
  switch (builtin.check) {
    case STATE_IN: {
      const wanted = builtin.stateValue!;
      if (typeof wanted === "string" && wanted.startsWith("#"))
        return situation.nodes.includes(situation.machine.getStateNodeById(wanted) as AnyStateNode);
      return matchesState(wanted, situation.value);
    }
    case NOT: {
      const [part] = parts;
      return typeof part === "boolean" ? !part : (args) => !part!(args);
    }
    case AND:
      return fold(parts, false);
    case OR:
      return fold(parts, true);
    default:
      throw new TypeError("A built-in guard of an unknown kind");
  }
}

/** `and` (deciding value false) or `or` (true): the first part with the deciding value decides, in order. */
function fold(parts: readonly (CompiledGuard | boolean)[], deciding: boolean): CompiledGuard | boolean {
  const open: (CompiledGuard | boolean)[] = [];
  for (const part of parts) {
    if (part === !deciding) continue;
    open.push(part);
    if (part === deciding) break;
  }
  if (open.length === 0) return !deciding;
  if (open[0] === deciding) return deciding;
  return (args) => {
    for (const part of open)
      if ((typeof part === "boolean" ? part : part(args)) === deciding) return deciding;
    return !deciding;
  };
}
