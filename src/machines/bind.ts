/**
 * Binds a chart (a pure XState value with named actions and guards) to the mechanism calls behind the names.
 *
 *     const logic = bindChart(uartChart, { actions: { raise: () => uart.raise() }, guards: { enabled: () => … } });
 *     const system = createChartSystem({ id: "machine" });
 *     const actor = createChartActor(logic, { id: "uart", system });
 *     bus.register("uart", (message) => actor.deliver(message));
 */

import type { AnyStateMachine, ContextFrom, EventFromLogic, SnapshotFrom, StateMachine } from "xstate";
import { collectUses } from "./compile/collect.ts";
import { type ChartLogic, compileChart } from "./compile/compile.ts";
import { ChartBindingError } from "./compile/errors.ts";

export { type ChartActor, type ChartActorOptions, createChartActor } from "./compile/chart-actor.ts";
export { ChartSystem, createChartSystem } from "./compile/chart-system.ts";
export type { ChartLogic } from "./compile/compile.ts";

/** What a bound action or guard is called with. Do not keep it: take what you need out of it. */
export interface BoundArgs<TMachine extends AnyStateMachine> {
  readonly context: ContextFrom<TMachine>;
  readonly event: EventFromLogic<TMachine>;
}

// biome-ignore format: one generic position per name
type ActionOf<TMachine> = TMachine extends StateMachine<infer _Context, infer _Event, infer _Children, infer _Actor, infer TAction, infer _Guard, infer _Delay, infer _Value, infer _Tag, infer _Input, infer _Output, infer _Emitted, infer _Meta, infer _Schema, infer _TransitionMeta> ? TAction : never;
// biome-ignore format: one generic position per name
type GuardOf<TMachine> = TMachine extends StateMachine<infer _Context, infer _Event, infer _Children, infer _Actor, infer _Action, infer TGuard, infer _Delay, infer _Value, infer _Tag, infer _Input, infer _Output, infer _Emitted, infer _Meta, infer _Schema, infer _TransitionMeta> ? TGuard : never;
type ParamsOf<TUnion, TName> = Extract<TUnion, { type: TName }> extends { params: infer P } ? P : undefined;
type NameOf<TUnion> = TUnion extends { type: infer N extends string } ? N : never;

/** The mechanism behind a chart's names. Every named action that is not an `assign`, and every guard, needs one. */
export interface ChartBindings<TMachine extends AnyStateMachine> {
  readonly actions?: {
    readonly [N in NameOf<ActionOf<TMachine>>]?: (
      args: BoundArgs<TMachine>,
      params: ParamsOf<ActionOf<TMachine>, N>,
    ) => void;
  };
  readonly guards?: {
    readonly [N in NameOf<GuardOf<TMachine>>]?: (
      args: BoundArgs<TMachine>,
      params: ParamsOf<GuardOf<TMachine>, N>,
    ) => boolean;
  };
}

export interface BindOptions {
  /** Let XState interpret the chart instead of compiling it. Same behaviour, some twenty times slower. */
  readonly interpreted?: boolean;
}

/**
 * The chart with its bindings as actor logic: compiled, unless `interpreted` is asked for.
 * @throws ChartBindingError if a name of the chart has no binding, or a binding has no name in the chart.
 * @throws ChartCompileError if the chart uses what cannot be compiled.
 */
export function bindChart<TMachine extends AnyStateMachine>(
  machine: TMachine,
  bindings: ChartBindings<TMachine>,
  options: BindOptions = {},
): ChartLogic<SnapshotFrom<TMachine>, EventFromLogic<TMachine>> {
  const actions: Record<string, unknown> = bindings.actions ?? {};
  const guards: Record<string, unknown> = bindings.guards ?? {};
  const uses = collectUses(machine);
  const missing = [
    ...[...uses.actions].filter((name) => actions[name] === undefined).map((name) => `action '${name}'`),
    ...[...uses.guards].filter((name) => guards[name] === undefined).map((name) => `guard '${name}'`),
  ];
  const unknown = [
    ...Object.keys(actions)
      .filter((name) => !uses.actions.has(name))
      .map((name) => `action '${name}'`),
    ...Object.keys(guards)
      .filter((name) => !uses.guards.has(name))
      .map((name) => `guard '${name}'`),
  ];
  if (missing.length > 0 || unknown.length > 0) throw new ChartBindingError(machine.id, missing, unknown);
  const bound = machine.provide({ actions, guards } as never) as TMachine;
  return options.interpreted === true
    ? (bound as unknown as ChartLogic<SnapshotFrom<TMachine>, EventFromLogic<TMachine>>)
    : (compileChart(bound) as unknown as ChartLogic<SnapshotFrom<TMachine>, EventFromLogic<TMachine>>);
}
