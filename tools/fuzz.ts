/** `npm run fuzz`: random programs on the engine, for as many instructions as wanted. See docs/fuzzing.md. */

import { parseArgs } from "node:util";
import { PLACES, placeName } from "../test/cpu/fuzz/places.ts";
import { Fuzzer, type Pace } from "../test/cpu/fuzz/program.ts";

const USAGE = `Usage: npm run fuzz -- [--instructions N] [--seed N] [--json]

Runs random programs in all modes until N instructions (default 10e6) have been run, each program twice, at two paces. Ends with 1 at the first
that breaks the engine or does something else the second time; its seed and mode are told. Seeds go up from --seed (default 1).
`;

const PACES: readonly Pace[] = ["whole", "steps", "pieces"];
/** Of one program; so it is for the same seed always. */
const MOST_INSTRUCTIONS = 400_000;
const PROGRESS_MS = 5000;

function options(): { instructions: number; seed: number; json: boolean } {
  try {
    const { values } = parseArgs({
      options: {
        instructions: { type: "string", default: "10e6" },
        seed: { type: "string", default: "1" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      process.stdout.write(USAGE);
      process.exit(0);
    }
    const [instructions, seed] = [Number(values.instructions), Number(values.seed)];
    if (!(instructions >= 1) || !Number.isInteger(seed))
      throw new Error("--instructions and --seed want numbers");
    return { instructions, seed, json: values.json };
  } catch (error) {
    console.error(`fuzz: ${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    process.exit(2);
  }
}

const { instructions: wanted, seed: firstSeed, json } = options();
const fuzzer = new Fuzzer(MOST_INSTRUCTIONS);
const exits = new Map<string, number>();
const began = performance.now();
let [instructions, programs, stuck, told] = [0, 0, 0, began];
let failure: string | undefined;

for (let seed = firstSeed; instructions < wanted && failure === undefined; seed++) {
  const place = PLACES[seed % PLACES.length] as (typeof PLACES)[0];
  try {
    const first = fuzzer.run(seed, place, "whole");
    const second = fuzzer.run(seed, place, PACES[Math.floor(seed / PLACES.length) % PACES.length] as Pace);
    if (
      first.hash !== second.hash ||
      first.instructions !== second.instructions ||
      first.stuck !== second.stuck
    )
      failure = `ran ${first.instructions} and then ${second.instructions} instructions, hashes ${first.hash} and ${second.hash}`;
    instructions += first.instructions + second.instructions;
    programs++;
    if (first.stuck) stuck++;
    for (const [reason, count] of first.exits) exits.set(reason, (exits.get(reason) ?? 0) + count);
    fuzzer.checkMonitorMemory();
  } catch (error) {
    failure = error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  if (failure !== undefined) failure = `seed ${seed}, ${placeName(place)}: ${failure}`;
  const now = performance.now();
  if (now - told > PROGRESS_MS) {
    told = now;
    const rate = instructions / (now - began) / 1000;
    console.error(
      `${(instructions / 1e6).toFixed(1)} million of ${(wanted / 1e6).toFixed(0)}, ${programs} programs, ${rate.toFixed(2)} MIPS`,
    );
  }
}

const seconds = Math.round((performance.now() - began) / 100) / 10;
if (failure !== undefined) console.error(`fuzz: ${failure}`);
console.log(
  `${instructions} instructions of ${programs} programs (seeds from ${firstSeed}) in ${seconds} s: ${failure === undefined ? "nothing found" : "FAILED"}`,
);
if (json)
  console.log(
    JSON.stringify({
      instructions,
      programs,
      stuck,
      seconds,
      firstSeed,
      exits: Object.fromEntries(exits),
      failure: failure ?? null,
    }),
  );
process.exitCode = failure === undefined ? 0 : 1;
