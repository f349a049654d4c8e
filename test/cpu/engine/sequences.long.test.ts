import { describe, expect, it } from "vitest";
import { Bench, describeStretch, SETTINGS, type Setting, summary } from "./support/bench.ts";
import { recordedStretches, stretches } from "./support/recorded-stretches.ts";
import type { Stretch } from "./support/stretch.ts";

const bench = new Bench();

/** Runs a stretch to its end in bursts of `budget` instructions; `between` is called after each. */
function runInBursts(one: Stretch, setting: Setting, budget: number, between: (retired: number) => void) {
  const { cpu } = bench.guest;
  bench.load(one, setting);
  for (let bursts = 0; bursts < 10_000; bursts++) {
    if (cpu.run(budget).reason !== "budget") return bench.outcome();
    between(cpu.retired);
  }
  throw new Error(`no end: ${describeStretch(one)}`);
}

describe("stretches of code end on the engine as was recorded", () => {
  const cases = recordedStretches();

  it.each(SETTINGS)("$name", (setting) => {
    const differences = cases.flatMap(({ stretch, outcome }) => {
      const engine = summary(
        runInBursts(stretch, setting, 1 << 20, () => {}),
        stretch,
      );
      const recorded = summary(outcome, stretch);
      return engine === recorded ? [] : [{ of: describeStretch(stretch), engine, recorded }];
    });
    expect(differences.slice(0, 3)).toEqual([]);
  });
});

describe("a stretch of code passes through the same states however it is cut", () => {
  const cases = stretches(0xcafe, 250);
  const stateNow = (one: Stretch) => {
    const { cpu } = bench.guest;
    return summary({ ...bench.snapshot(), signal: 0, eip: cpu.state.eip }, one);
  };
  const disturbances: readonly { name: string; act: () => void }[] = [
    { name: "nothing", act: () => {} },
    { name: "the TLB is flushed", act: () => bench.guest.cpu.flushTlb() },
    { name: "decoded code is dropped", act: () => bench.guest.cpu.blocks.cache.clear() },
    {
      name: "the state is saved and loaded",
      act: () => {
        const saved = new Uint8Array(4096);
        bench.guest.cpu.saveState(saved);
        bench.guest.cpu.reset();
        bench.guest.cpu.loadState(saved);
      },
    },
  ];
  it.each(disturbances)("when between bursts $name", ({ act }) => {
    cases.forEach((one, n) => {
      const setting = SETTINGS[n % SETTINGS.length] as Setting;
      const states = new Map<number, string>();
      const record = runInBursts(one, setting, 1, (retired) => states.set(retired, stateNow(one)));
      const final = summary(record, one);
      for (const budget of [2, 3, 7, 1 << 20]) {
        const again = runInBursts(one, setting, budget, (retired) => {
          expect(retired % budget, describeStretch(one)).toBe(0);
          expect(stateNow(one), describeStretch(one)).toBe(states.get(retired));
          act();
        });
        expect(summary(again, one), describeStretch(one)).toBe(final);
        expect(again.retired, describeStretch(one)).toBe(record.retired);
      }
    });
  });
});
