import { describe, expect, it } from "vitest";
import { PLACES, placeName } from "./places.ts";
import { Fuzzer } from "./program.ts";

/** A slice with fixed seeds. More: `npm run fuzz -- --instructions 200e6 --seed 1` (docs/fuzzing.md). */

const SEED = 20_000;
const PROGRAMS = 4;
const MOST_INSTRUCTIONS = 3000;

const fuzzer = new Fuzzer(MOST_INSTRUCTIONS);

const exits = new Set<string>();

describe("random programs neither break out nor break down, and do the same at any pace", () => {
  it.each(PLACES.map((place, number) => ({ place, number, name: placeName(place) })))(
    "$name",
    ({ place, number }) => {
      for (let n = 0; n < PROGRAMS; n++) {
        const seed = SEED + number * PROGRAMS + n;
        const whole = fuzzer.run(seed, place, "whole");
        for (const reason of whole.exits.keys()) exits.add(reason);
        const again = fuzzer.run(seed, place, n % 3 === 0 ? "whole" : n % 3 === 1 ? "steps" : "pieces");
        expect([again.hash, again.stuck, again.instructions], `seed ${seed}`).toEqual([
          whole.hash,
          whole.stuck,
          whole.instructions,
        ]);
      }
      fuzzer.checkMonitorMemory();
    },
  );

  // A #DB whose own frame meets a breakpoint; INT1 through a task gate.
  it.each([1101, 6_000_026])("seed %i of the long runs, which once found something", (seed) => {
    const longer = new Fuzzer(400_000);
    const place = PLACES[seed % PLACES.length] as (typeof PLACES)[0];
    expect(longer.run(seed, place, "steps").hash).toBe(longer.run(seed, place, "whole").hash);
  });

  it("by way of most kinds of exits", () => {
    expect(exits.size).toBeGreaterThan(6);
  });
});
