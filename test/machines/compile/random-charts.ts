/** Generates charts: hierarchical, parallel, with histories, final states, guards of all kinds, raised events. */

import fc from "fast-check";
import { type AnyStateMachine, and, assign, createMachine, not, or, raise, setup, stateIn } from "xstate";

const EVENTS = ["a", "b", "b.c", "d"] as const;
const DESCRIPTORS = [...EVENTS, "b.*", "*"] as const;
const GUARDS = ["g1", "g2", "g3"] as const;

/** The shape of one state; ids are given afterwards. */
interface Shape {
  readonly kind: "atomic" | "compound" | "parallel" | "final" | "history";
  readonly children: readonly Shape[];
  readonly numericKeys: boolean;
  readonly deep: boolean;
  readonly seed: number;
}

const leaf = (kind: Shape["kind"], deep: boolean, seed: number): Shape => ({
  kind,
  children: [],
  numericKeys: false,
  deep,
  seed,
});

const { tree } = fc.letrec<{ tree: Shape }>((tie) => ({
  tree: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.nat().map((seed) => leaf("atomic", false, seed)),
    fc
      .record({
        kind: fc.constantFrom("compound" as const, "parallel" as const),
        children: fc.array(tie("tree"), { minLength: 1, maxLength: 3 }),
        history: fc.option(fc.boolean(), { nil: undefined, freq: 2 }),
        final: fc.boolean(),
        numericKeys: fc.boolean(),
        seed: fc.nat(),
      })
      .map(({ kind, children, history, final, numericKeys, seed }) => ({
        kind,
        numericKeys,
        deep: false,
        seed,
        children: [
          ...children,
          ...(final && kind === "compound" ? [leaf("final", false, seed)] : []),
          ...(history !== undefined ? [leaf("history", history, seed)] : []),
        ],
      })),
  ),
}));

/** A small deterministic source of choices, so that shrinking the tree keeps the rest comparable. */
function chooser(seed: number): (n: number) => number {
  let state = (seed ^ 0x9e3779b9) >>> 0;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

function flatten(shape: Shape): Shape[] {
  return [shape, ...shape.children.flatMap(flatten)];
}

function buildChart(root: Shape, seed: number): AnyStateMachine {
  const shapes = flatten(root);
  const ids = new Map(shapes.map((shape, at) => [shape, `n${at}`]));
  /** Anything but the root and, as the compiler refuses that, the histories of the states that contain the source. */
  const targetsFrom = (source: Shape) => {
    const own = shapes.filter((shape) => flatten(shape).includes(source)).flatMap((shape) => shape.children);
    return shapes.filter((shape) => shape !== root && !(shape.kind === "history" && own.includes(shape)));
  };
  const choose = chooser(seed);
  const pick = <T>(list: readonly T[]): T => list[choose(list.length)]!;
  const sometimes = (percent: number) => choose(100) < percent;

  const guard = (depth: number): unknown => {
    switch (choose(depth > 0 ? 8 : 4)) {
      case 0:
        return { type: pick(GUARDS), params: { p: choose(3) } };
      case 1:
        return stateIn(`#${ids.get(pick(shapes.filter((shape) => shape.kind !== "history")))}`);
      case 2:
        return pick(["both", "alias"]);
      case 4:
        return not(guard(depth - 1) as never);
      case 5:
        return and([guard(depth - 1), guard(depth - 1)] as never);
      case 6:
        return or([guard(depth - 1), guard(depth - 1)] as never);
      default:
        return pick(GUARDS);
    }
  };
  let marks = 0;
  const actions = (percent: number): unknown[] => {
    const list: unknown[] = [];
    while (list.length < 3 && sometimes(percent)) {
      const kind = choose(10);
      if (kind < 5) list.push({ type: "mark", params: { at: marks++ } });
      else if (kind < 6)
        list.push({ type: "mark", params: ({ context }: { context: { n: number } }) => ({ n: context.n }) });
      else if (kind < 8) list.push(pick(["count", "plain"]));
      else if (kind < 9) list.push(assign({ m: ({ context }) => (context as { n: number }).n * 2 }));
      else list.push(raise({ type: pick(EVENTS) }));
    }
    return list;
  };
  const transition = (source: Shape): unknown => {
    const targets = targetsFrom(source);
    const target = targets.length > 0 && sometimes(75) ? { target: `#${ids.get(pick(targets))}` } : {};
    return {
      ...target,
      ...(sometimes(50) && { guard: guard(2) }),
      ...(sometimes(25) && { reenter: true }),
      actions: actions(50),
    };
  };
  const config = (shape: Shape): object => {
    const id = ids.get(shape)!;
    if (shape.kind === "history") return { id, type: "history", history: shape.deep ? "deep" : "shallow" };
    const common = {
      id,
      entry: actions(50),
      exit: actions(40),
      ...(sometimes(30) && { tags: [pick(["t", "u"])] }),
    };
    if (shape.kind === "final")
      return {
        ...common,
        type: "final",
        ...(sometimes(50) && { output: ({ context }: { context: unknown }) => context }),
      };
    const on: Record<string, unknown> = {};
    while (sometimes(65))
      on[pick(DESCRIPTORS)] = sometimes(50) ? [transition(shape), transition(shape)] : transition(shape);
    const always = sometimes(20) ? { always: { ...(transition(shape) as object), guard: guard(1) } } : {};
    if (shape.kind === "atomic") return { ...common, on, ...always };
    const key = (child: Shape, at: number) => (shape.numericKeys ? String(9 - at) : ids.get(child)!);
    const states = Object.fromEntries(shape.children.map((child, at) => [key(child, at), config(child)]));
    const real = shape.children.flatMap((child, at) => (child.kind === "history" ? [] : [key(child, at)]));
    const first = pick(real);
    return {
      ...common,
      on,
      ...always,
      ...(sometimes(50) && { onDone: transition(shape) }),
      states,
      ...(shape.kind === "parallel"
        ? { type: "parallel" }
        : { initial: sometimes(30) ? { target: first, actions: actions(60) } : first }),
    };
  };
  const { actions: implementations, guards } = setup({
    actions: {
      mark: () => {},
      plain: () => {},
      count: assign({ n: ({ context }) => (context as { n: number }).n + 1 }),
    },
    guards: { g1: () => false, g2: () => false, g3: () => false },
  }).createMachine({}).implementations;
  return createMachine(
    { ...config(root), context: { n: 0 } } as never,
    {
      actions: implementations,
      guards: { ...guards, both: and(["g1", "g2"]), alias: not("g3") },
    } as never,
  ) as unknown as AnyStateMachine;
}

/** A chart; its contexts may grow without end, so it is for walks and not for exhaustive exploration. */
export const randomChart: fc.Arbitrary<AnyStateMachine> = fc
  .tuple(
    tree.filter((shape) => shape.kind === "compound" || shape.kind === "parallel"),
    fc.nat(),
  )
  .map(([root, seed]) => buildChart(root, seed));

export interface WalkStep {
  readonly type: string;
  readonly answers: readonly boolean[];
}

export const randomWalk: fc.Arbitrary<WalkStep[]> = fc.array(
  fc.record({
    type: fc.constantFrom(...EVENTS, "b.x.y", "other"),
    answers: fc.array(fc.boolean(), { maxLength: 8 }),
  }),
  { minLength: 1, maxLength: 25 },
);
