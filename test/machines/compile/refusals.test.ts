import { describe, expect, it } from "vitest";
import {
  type AnyStateMachine,
  createMachine,
  fromPromise,
  log,
  raise,
  sendTo,
  setup,
  spawnChild,
} from "xstate";
import { bindChart } from "../../../src/machines/bind.ts";
import { compileChart } from "../../../src/machines/compile/compile.ts";
import { ChartBindingError, ChartCompileError } from "../../../src/machines/compile/errors.ts";

/** A chart whose state `on.deep` has the given configuration. */
function chartWith(deep: object, implementations: object = {}): AnyStateMachine {
  return createMachine(
    {
      id: "chart",
      initial: "on",
      states: {
        off: {},
        on: { initial: "deep", states: { deep, other: {}, past: { type: "history" } } },
      },
    } as never,
    implementations as never,
  ) as unknown as AnyStateMachine;
}

describe("the compiler refuses, naming the state:", () => {
  it.each([
    ["after", { after: { 10: "other" } }, {}, /^on\.deep: 'after' is not supported; time is a message/],
    ["invoke", { invoke: { src: fromPromise(async () => {}) } }, {}, /^on\.deep: 'invoke' is not supported/],
    ["inline actions", { entry: () => {} }, {}, /^on\.deep: entry: an inline function is not supported/],
    ["inline guards", { on: { go: { guard: () => true } } }, {}, /^on\.deep: on 'go': an inline guard/],
    [
      "sendTo",
      { on: { go: { actions: sendTo("x", { type: "y" }) } } },
      {},
      /^on\.deep: on 'go': .*'xstate\.sendTo'/,
    ],
    ["spawn", { exit: spawnChild("x") }, {}, /^on\.deep: exit: .*'xstate\.spawnChild'/],
    [
      "named built-ins",
      { exit: "tell" },
      { actions: { tell: log("x") } },
      /^on\.deep: exit: action 'tell' is a 'xstate\.log'/,
    ],
    ["delayed raises", { entry: raise({ type: "x" }, { delay: 5 }) }, {}, /^on\.deep: entry: .*delayed/],
    [
      "unknown guards",
      { always: { guard: "maybe", target: "other" } },
      {},
      /^on\.deep: always: guard 'maybe' has no/,
    ],
    ["the own history", { on: { go: "#chart.on.past" } }, {}, /^on\.deep: on 'go': leads to history 'past'/],
  ])("%s", (_name, deep, implementations, defect) => {
    const chart = chartWith(deep, implementations);
    let error: ChartCompileError | undefined;
    try {
      compileChart(chart);
    } catch (thrown) {
      error = thrown as ChartCompileError;
    }
    expect(error).toBeInstanceOf(ChartCompileError);
    expect(error?.defects).toHaveLength(1);
    expect(error?.message).toContain("Chart 'chart' cannot be compiled:");
    expect(error?.defects[0]).toMatch(defect);
  });

  it("all that is wrong at once", () => {
    const chart = chartWith({
      entry: () => {},
      exit: () => {},
      invoke: { src: fromPromise(async () => {}) },
    });
    try {
      compileChart(chart);
      expect.unreachable();
    } catch (error) {
      expect((error as ChartCompileError).defects).toHaveLength(3);
    }
  });
});

describe("binding", () => {
  const chart = setup({
    actions: { one: () => {}, two: () => {}, spare: () => {} },
    guards: { may: () => true },
  }).createMachine({
    id: "bound",
    initial: "a",
    states: { a: { entry: "one", on: { go: { guard: "may", actions: "two" } } } },
  });

  it("names what has no binding and what the chart does not use", () => {
    expect(() => bindChart(chart, { actions: { one: () => {}, spare: () => {} } })).toThrow(
      ChartBindingError,
    );
    expect(() => bindChart(chart, { actions: { one: () => {}, spare: () => {} } })).toThrow(
      "Chart 'bound' cannot be bound: no binding for action 'two', guard 'may'; the chart does not use action 'spare'.",
    );
  });

  it("checks an interpreted chart the same way", () => {
    expect(() => bindChart(chart, {}, { interpreted: true })).toThrow(ChartBindingError);
  });
});
