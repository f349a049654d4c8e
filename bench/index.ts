/**
 * All benchmarks, one after the other, or one of them.
 *
 *     npm run bench [-- NAME [OPTIONS]]
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BenchUsageError, runBench } from "./support/options.ts";

interface Benchmark {
  readonly name: string;
  readonly summary: string;
  readonly script: string;
}

const BENCHMARKS: readonly Benchmark[] = [
  { name: "mips", summary: "speed of the engine on small kernels, beside v86", script: "mips.ts" },
  {
    name: "boot",
    summary: "Linux to its shell, then 200 fork+exec, beside v86 and QEMU",
    script: "boot.ts",
  },
  { name: "exits", summary: "cost of one exit flow, charts compiled and interpreted", script: "exits.ts" },
  {
    name: "rmap",
    summary: "lists of sptes in three designs, counts against the design note",
    script: "rmap.ts",
  },
];

const USAGE = `Usage: npm run bench [-- NAME [OPTIONS]]

Runs one benchmark, or without a name all of them, some five minutes on a quiet machine. Each prints tables and, as its last line, one
JSON object; without a name the JSON goes to bench/out/NAME.json, too, and the last line holds all of them.

${BENCHMARKS.map(({ name, summary }) => `  ${name.padEnd(8)}${summary}`).join("\n")}

\`npm run bench -- NAME --help\` tells a benchmark's options; \`npm run bench:NAME\` is the same as \`npm run bench -- NAME\`.
Compare figures of one run only: they are taken side by side. A machine that does something else meanwhile spoils them.
`;

const FOLDER = fileURLToPath(new URL(".", import.meta.url));

/** In a process of its own, so that no benchmark inherits another's heap and compiled code. Returns its exit code. */
function run(benchmark: Benchmark, args: readonly string[]): number {
  const script = join(FOLDER, benchmark.script);
  const loader = import.meta.resolve("tsx");
  const { status, error } = spawnSync(process.execPath, ["--import", loader, script, ...args], {
    stdio: "inherit",
  });
  if (error !== undefined) throw error;
  return status ?? 1;
}

function runAll(): number {
  const out = join(FOLDER, "out");
  mkdirSync(out, { recursive: true });
  const reports: Record<string, unknown> = {};
  let code = 0;
  for (const benchmark of BENCHMARKS) {
    const file = join(out, `${benchmark.name}.json`);
    const status = run(benchmark, ["--out", file]);
    if (status === 0) reports[benchmark.name] = JSON.parse(readFileSync(file, "utf8"));
    code = Math.max(code, status);
    process.stdout.write("\n");
  }
  process.stdout.write(`${JSON.stringify(reports)}\n`);
  return code;
}

function main(): number {
  const [name, ...args] = process.argv.slice(2);
  if (name === undefined) return runAll();
  if (name === "--help" || name === "-h") {
    process.stdout.write(USAGE);
    return 0;
  }
  const benchmark = BENCHMARKS.find((candidate) => candidate.name === name);
  if (benchmark === undefined) {
    const names = BENCHMARKS.map((candidate) => candidate.name).join(", ");
    throw new BenchUsageError(`there is no benchmark "${name}"; there are: ${names}`);
  }
  return run(benchmark, args);
}

await runBench(main);
