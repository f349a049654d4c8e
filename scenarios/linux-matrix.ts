/**
 * Boots Debian's kernels with several numbers of processors and kinds of disks under every pager, each more than once, and says whether all runs of a guest
 * are the same.
 *
 *     npx tsx scenarios/linux-matrix.ts --guests 686 --processors 1,2 --runs 1
 */
import { DEBIAN_FLAVOURS } from "../src/guest/debian/fetch.ts";
import { PAGER_NAMES } from "../src/mmu/pager.ts";
import { MOST_CPUS } from "../src/switch/vcpu-set.ts";
import {
  COMMON_FLAGS,
  countOf,
  type FlagSpecs,
  type FlagValues,
  oneOf,
  UsageError,
} from "./support/flags.ts";
import { CELL_DISKS, type Cell, type CellResult, disagreements, runCell } from "./support/matrix.ts";
import { printJson, runScenario } from "./support/scenario.ts";

const DEFAULT_PROCESSORS = "1,2,4";
const DEFAULT_RUNS = 2;

const FLAGS = {
  guests: {
    type: "string",
    value: "NAME,…",
    help: `Debian's kernels (default: ${DEBIAN_FLAVOURS.join(",")})`,
  },
  processors: {
    type: "string",
    value: "N,…",
    help: `processors of the guest (default: ${DEFAULT_PROCESSORS})`,
  },
  disks: {
    type: "string",
    value: "KIND,…",
    help: `what disk the guest has and writes to: ${CELL_DISKS.join(", ")} (default: all)`,
  },
  pagers: { type: "string", value: "NAME,…", help: `pagers (default: ${PAGER_NAMES.join(",")})` },
  runs: { type: "string", value: "N", help: `runs of each (default: ${DEFAULT_RUNS})` },
} as const satisfies FlagSpecs;

/** The matrix says what of these it takes. */
const MEANINGLESS = Object.keys(COMMON_FLAGS).filter(
  (name) => name !== "json" && name !== "help",
) as (keyof typeof COMMON_FLAGS)[];

const COMMAND = {
  name: "scenarios/linux-matrix.ts",
  summary:
    "Boots Debian's Linux in all combinations of kernel, number of processors, disk and pager; the guest works, writes to its disk and switches itself off.\n" +
    "The exit code is 0 exactly when every one did, no audit found anything, and all runs of one guest, under whatever pager, had the same instructions,\n" +
    "the same virtual time and the same memory. Prints a table in Markdown.",
  flags: FLAGS,
  without: MEANINGLESS,
};

async function main(flags: FlagValues<typeof FLAGS>, json: boolean): Promise<number> {
  const list = <const Word extends string>(
    flag: keyof typeof FLAGS,
    words: readonly Word[],
  ): readonly Word[] => flags[flag]?.split(",").map((word) => oneOf(flag, word, words)) ?? words;
  const cpuCounts = (flags.processors ?? DEFAULT_PROCESSORS).split(",").map((text) => {
    const count = countOf("processors", text);
    if (count > MOST_CPUS) throw new UsageError(`--processors takes 1 to ${MOST_CPUS}, not "${text}"`);
    return count;
  });
  const runs = flags.runs === undefined ? DEFAULT_RUNS : countOf("runs", flags.runs);
  const cells: Cell[] = [];
  for (const guest of list("guests", DEBIAN_FLAVOURS))
    for (const cpus of cpuCounts)
      for (const disk of list("disks", CELL_DISKS))
        for (const pager of list("pagers", PAGER_NAMES)) cells.push({ guest, cpus, disk, pager });
  process.stdout.write(`${HEAD}\n`);
  const results: CellResult[] = [];
  for (const cell of cells)
    for (let run = 0; run < runs; run++) {
      const result = await runCell(cell);
      results.push(result);
      process.stdout.write(`${row(result)}\n`);
    }
  const problems = results.flatMap(({ cell, problem }) =>
    problem === undefined ? [] : [`${Object.values(cell).join(", ")}: ${problem}`],
  );
  const differences = disagreements(results);
  for (const line of [...problems, ...differences]) process.stderr.write(`linux-matrix: NOT OK: ${line}\n`);
  const ok = problems.length === 0 && differences.length === 0;
  process.stdout.write(`\n${results.length} runs; ${ok ? "all as they should be" : "NOT OK"}\n`);
  if (json) printJson({ ok, problems, differences, results });
  return ok ? 0 : 1;
}

const HEAD = [
  "| kernel | processors | disk | pager | result | instructions | virtual s | host s | memory |",
  "|---|---|---|---|---|---|---|---|---|",
].join("\n");

function row({ cell, problem, instructions, virtualMs, memoryHash, wallMs }: CellResult): string {
  const { guest, cpus, disk, pager } = cell;
  const figures = [
    instructions,
    (virtualMs / 1000).toFixed(3),
    (wallMs / 1000).toFixed(1),
    memoryHash.slice(0, 12),
  ];
  return `| ${[guest, cpus, disk, pager, problem ?? "ok", ...figures].join(" | ")} |`;
}

await runScenario(COMMAND, ({ common, own }) => main(own, common.json));
