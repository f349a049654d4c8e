import { describe, expect, it, vi } from "vitest";
import {
  type AnyActorRef,
  and,
  assign,
  createActor,
  type InspectionEvent,
  not,
  raise,
  type Snapshot,
  setup,
  stateIn,
} from "xstate";
import { bindChart, createChartActor, createChartSystem } from "../../../src/machines/bind.ts";
import { ChartGuardError, ChartLoopError } from "../../../src/machines/compile/errors.ts";

type Event =
  | { readonly type: "press"; readonly by: number }
  | { readonly type: "pull" }
  | { readonly type: "break" }
  | { readonly type: "loop" };

const lampChart = setup({
  types: {
    context: {} as { presses: number },
    events: {} as Event,
    input: {} as { presses: number } | undefined,
  },
  actions: {
    count: assign({
      presses: ({ context, event }) => context.presses + (event.type === "press" ? event.by : 0),
    }),
    light: () => {},
    dim: (_, _params: { to: number }) => {},
    fail: () => {},
  },
  guards: { hasPower: () => true, never: () => false },
}).createMachine({
  id: "lamp",
  context: ({ input }) => ({ presses: input?.presses ?? 0 }),
  initial: "off",
  on: { break: { actions: "fail" }, loop: ".spinning" },
  states: {
    off: {
      entry: { type: "dim", params: { to: 0 } },
      on: { press: { guard: "hasPower", target: "on", actions: "count" } },
    },
    on: {
      tags: "bright",
      entry: "light",
      initial: "steady",
      on: { press: "off" },
      states: {
        steady: { on: { pull: "flashing" } },
        flashing: {
          on: { pull: { target: "gone", guard: and([not("never"), stateIn({ on: "flashing" })]) } },
        },
        gone: { type: "final" },
      },
      onDone: { target: "spent", actions: raise({ type: "pull" }) },
    },
    spent: { on: { pull: { target: "end" } } },
    spinning: { initial: "left", states: { left: { always: "right" }, right: { always: "left" } } },
    end: { type: "final" },
  },
  output: ({ context }) => context.presses,
});

function lamp(interpreted: boolean, more: Partial<Parameters<typeof createChartActor>[1]> = {}) {
  const log: string[] = [];
  const power = { on: true };
  const logic = bindChart(
    lampChart,
    {
      actions: {
        light: ({ context }) => log.push(`light ${context.presses}`),
        dim: (_args, { to }) => log.push(`dim ${to}`),
        fail: () => {
          throw new Error("mechanism broke");
        },
      },
      guards: {
        hasPower: () => {
          if (!power.on) throw new Error("no meter");
          return true;
        },
        never: () => false,
      },
    },
    { interpreted },
  );
  const actor = createChartActor(logic, { id: "lamp", ...more });
  return { actor, log, power, logic };
}

describe.each([
  ["compiled", false],
  ["interpreted", true],
])("a chart actor, %s,", (_name, interpreted) => {
  it("runs its initial entry actions when it is made", () => {
    expect(lamp(interpreted).log).toEqual(["dim 0"]);
  });

  it("has a current snapshot like XState's after every delivery", () => {
    const { actor, log } = lamp(interpreted);
    actor.deliver({ type: "press", by: 3 });
    const on = actor.getSnapshot();
    expect(on).toMatchObject({ value: { on: "steady" }, context: { presses: 3 }, status: "active" });
    expect(on.matches("on")).toBe(true);
    expect(on.matches({ on: "steady" })).toBe(true);
    expect(on.hasTag("bright")).toBe(true);
    expect(on.can({ type: "pull" })).toBe(true);
    expect(on.can({ type: "press", by: 1 })).toBe(true);
    actor.deliver({ type: "pull" });
    expect(actor.getSnapshot().value).toEqual({ on: "flashing" });
    expect(JSON.parse(JSON.stringify(actor.getSnapshot()))).toMatchObject({
      value: { on: "flashing" },
      tags: ["bright"],
    });
    expect(log).toEqual(["dim 0", "light 3"]);
    expect(on.value).toEqual({ on: "steady" });
  });

  it("finishes with its output, and ignores what comes after", () => {
    const { actor } = lamp(interpreted);
    const done = vi.fn();
    actor.subscribe({ complete: done });
    for (const event of [{ type: "press", by: 2 }, { type: "pull" }, { type: "pull" }] as const)
      actor.deliver(event);
    expect(actor.getSnapshot()).toMatchObject({ value: "end", status: "done", output: 2 });
    expect(done).toHaveBeenCalledOnce();
    actor.deliver({ type: "break" });
    expect(actor.getSnapshot().status).toBe("done");
  });

  it.each([
    ["watched", true],
    ["unwatched", false],
  ])("throws to the deliverer what an action throws, and is failed then, %s", async (_how, watched) => {
    const { actor } = lamp(interpreted);
    const error = vi.fn();
    if (watched) actor.subscribe({ error });
    expect(() => actor.deliver({ type: "break" })).toThrow("mechanism broke");
    expect(actor.getSnapshot()).toMatchObject({ status: "error", error: new Error("mechanism broke") });
    expect(error).toHaveBeenCalledTimes(watched ? 1 : 0);
    // XState would throw it once more from a timer, which would fail this test run.
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(() => actor.deliver({ type: "pull" })).not.toThrow();
  });

  it("handles what its own actions deliver or send after the present event", () => {
    const log: string[] = [];
    const chart = setup({ actions: { again: () => {}, note: () => {} } }).createMachine({
      initial: "a",
      states: {
        a: { on: { go: { target: "b", actions: "again" } } },
        b: { entry: "note", on: { on: { actions: "note" } } },
      },
    });
    const logic = bindChart(
      chart,
      {
        actions: {
          again: () => {
            actor.deliver({ type: "on" });
            actor.send({ type: "on" });
            log.push("again");
          },
          note: ({ event }) => log.push(`${event.type} ${actor.getSnapshot().value}`),
        },
      },
      { interpreted },
    );
    const actor = createChartActor(logic, { id: "x" });
    actor.deliver({ type: "go" });
    expect(log).toEqual(["again", "go a", "on b", "on b"]);
  });

  it("goes on from a persisted snapshot, also one of the other kind", () => {
    const { actor } = lamp(!interpreted);
    actor.deliver({ type: "press", by: 4 });
    const persisted = JSON.parse(JSON.stringify(actor.getPersistedSnapshot())) as Snapshot<unknown>;
    const revived = lamp(interpreted, { snapshot: persisted });
    expect(revived.log).toEqual([]);
    expect(revived.actor.getSnapshot()).toMatchObject({ value: { on: "steady" }, context: { presses: 4 } });
    revived.actor.deliver({ type: "pull" });
    expect(revived.actor.getSnapshot().value).toEqual({ on: "flashing" });
  });

  it("takes input for its context", () => {
    expect(lamp(interpreted, { input: { presses: 7 } }).actor.getSnapshot().context).toEqual({ presses: 7 });
  });

  it("stops alone, without the system it belongs to", () => {
    const system = createChartSystem({ id: "machine" });
    const first = lamp(interpreted, { system, id: "first" });
    const second = lamp(interpreted, { system, id: "second" });
    first.actor.stop();
    first.actor.deliver({ type: "press", by: 1 });
    second.actor.deliver({ type: "press", by: 1 });
    expect(first.actor.getSnapshot()).toMatchObject({ status: "stopped", value: "off" });
    expect(second.actor.getSnapshot().matches("on")).toBe(true);
    expect(system.system.get("first")).toBeUndefined();
    expect((system.system.get("second") as AnyActorRef).id).toBe("second");
  });

  it("tells subscribers every snapshot", () => {
    const { actor } = lamp(interpreted);
    const seen: unknown[] = [];
    const subscription = actor.subscribe((snapshot) => seen.push(snapshot.value));
    actor.deliver({ type: "press", by: 1 });
    actor.deliver({ type: "pull" });
    subscription.unsubscribe();
    actor.deliver({ type: "press", by: 1 });
    expect(seen).toEqual([{ on: "steady" }, { on: "flashing" }]);
    expect(actor.getSnapshot().value).toBe("off");
  });
});

describe("an inspected system", () => {
  /** Everything an inspector sees of the lamp, without references. */
  function inspected(interpreted: boolean): unknown[] {
    const seen: unknown[] = [];
    const note = (event: InspectionEvent) => {
      const { type, actorRef } = event;
      const rest = event as unknown as {
        event?: { type: string };
        action?: object;
        snapshot?: { value?: unknown };
        _transitions?: { eventType: string }[];
      };
      seen.push({
        type,
        actor: (actorRef as AnyActorRef).id,
        event: rest.event?.type,
        action: rest.action,
        value: rest.snapshot?.value,
        transitions: rest._transitions?.map((transition) => transition.eventType),
      });
    };
    const system = createChartSystem({ id: "machine", inspect: note });
    const { actor } = lamp(interpreted, { system });
    for (const event of [
      { type: "press", by: 2 },
      { type: "press", by: 2 },
      { type: "press", by: 1 },
      { type: "pull" },
      { type: "pull" },
    ] as const)
      actor.deliver(event);
    return seen;
  }

  it("shows of a compiled chart what it shows of an interpreted one", () => {
    const seen = inspected(false);
    expect(seen).toEqual(inspected(true));
    expect(seen.length).toBeGreaterThan(20);
    expect(seen).toContainEqual(
      expect.objectContaining({ type: "@xstate.action", action: { type: "dim", params: { to: 0 } } }),
    );
    expect(seen).toContainEqual(
      expect.objectContaining({ type: "@xstate.event", event: "pull", actor: "lamp" }),
    );
  });

  it("can be inspected from any moment, by either door, until the inspector leaves", () => {
    const system = createChartSystem();
    const { actor } = lamp(false, { system });
    const seen: string[] = [];
    actor.deliver({ type: "press", by: 1 });
    for (const door of [system, system.system]) {
      const inspection = door.inspect({ next: (event) => void seen.push(event.type) });
      expect(system.inspected).toBe(true);
      actor.deliver({ type: "press", by: 1 });
      inspection.unsubscribe();
      expect(system.inspected).toBe(false);
      actor.deliver({ type: "press", by: 1 });
    }
    expect(seen.filter((type) => type === "@xstate.event")).toHaveLength(2);
  });

  it("does not fall with an inspector that throws", () => {
    const system = createChartSystem();
    const { actor } = lamp(false, { system });
    const report = vi.spyOn(console, "error").mockImplementation(() => {});
    system.inspect(() => {
      throw new Error("inspector");
    });
    expect(() => actor.deliver({ type: "press", by: 1 })).not.toThrow();
    expect(actor.getSnapshot().matches("on")).toBe(true);
    expect(system.inspected).toBe(false);
    expect(report).toHaveBeenCalledOnce();
    report.mockRestore();
  });
});

describe("a compiled chart", () => {
  it("runs under XState's own createActor and send", () => {
    const { logic } = lamp(false);
    const actor = createActor(logic).start();
    actor.send({ type: "press", by: 5 });
    expect(actor.getSnapshot()).toMatchObject({ value: { on: "steady" }, context: { presses: 5 } });
  });

  it("makes one snapshot per configuration while the context stays the same", () => {
    const { actor } = lamp(false);
    const off = actor.getSnapshot();
    actor.deliver({ type: "press", by: 0 });
    expect(actor.getSnapshot()).not.toBe(off);
    const on = actor.getSnapshot();
    actor.deliver({ type: "pull" });
    actor.deliver({ type: "press", by: 0 });
    const context = actor.getSnapshot().context;
    expect(context).toBe(on.context);
  });

  it("gives up on `always` transitions that go round for ever, naming the chart, state and event", () => {
    const { actor } = lamp(false);
    expect(() => actor.deliver({ type: "loop" })).toThrow(ChartLoopError);
    expect(String((actor.getSnapshot() as { error?: unknown }).error)).toMatch(
      /'lamp' took 1000 microsteps for one 'loop'.*spinning/,
    );
  });

  it("names the guard that threw, its state and the event", () => {
    const { actor, power } = lamp(false);
    power.on = false;
    expect(() => actor.deliver({ type: "press", by: 1 })).toThrow(ChartGuardError);
  });

  it("throws what an initial entry action throws", () => {
    const chart = setup({ actions: { fail: () => {} } }).createMachine({ entry: "fail" });
    const logic = bindChart(chart, {
      actions: {
        fail: () => {
          throw new Error("at once");
        },
      },
    });
    expect(() => createChartActor(logic, { id: "x" })).toThrow("at once");
  });
});
