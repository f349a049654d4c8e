/**
 * Replays instruction tests recorded on real processors (SingleStepTests: MOO or JSON, also gzipped) on the bare processor.
 *
 *     npx tsx scenarios/single-step.ts 80386/v1_ex_real_mode --json
 */
import type { CpuModel } from "../src/cpu/system/cpu-models.ts";
import { COMMON_FLAGS, countOf, type FlagSpecs, type FlagValues, UsageError } from "./support/flags.ts";
import { printJson, runScenario } from "./support/scenario.ts";
import { CaseFileError } from "./support/single-step/cases.ts";
import { caseFiles, definedFlags, readCases, revokedHashes } from "./support/single-step/files.ts";
import { type Differences, Replay } from "./support/single-step/replay.ts";

const DEFAULT_SHOWN = 2;
const FLAGS = {
  show: {
    type: "string",
    value: "N",
    help: `cases to show, of each file, of those that come out otherwise (default: ${DEFAULT_SHOWN})`,
  },
  limit: { type: "string", value: "N", help: "at most so many cases of each file (default: all)" },
} as const satisfies FlagSpecs;

const WITHOUT = (Object.keys(COMMON_FLAGS) as (keyof typeof COMMON_FLAGS)[]).filter(
  (name) => name !== "cpu" && name !== "json" && name !== "help",
);
const COMMAND = {
  name: "scenarios/single-step.ts",
  summary:
    "Replays instruction tests that were recorded on real processors, MOO files or JSON of SingleStepTests (8088 to 80386), and compares registers and\n" +
    "memory. FILE may be a folder. Beside the files, or one folder up, metadata.json or 80386.csv tells which flags instructions define, where the files do\n" +
    "not, and revocation_list.txt which tests are withdrawn. The exit code is 0 exactly when every case came out as recorded.",
  operands: "FILE…",
  flags: FLAGS,
  without: WITHOUT,
};

interface Failure {
  readonly index: number;
  readonly name: string;
  readonly bytes: string;
  readonly hash?: string;
  readonly differences: Differences;
}

interface FileReport {
  readonly file: string;
  readonly cpu: string;
  readonly cases: number;
  readonly passed: number;
  readonly failed: number;
  readonly revoked: number;
  /** The first ones. */
  readonly failures: readonly Failure[];
}

interface Settings {
  readonly replay: Replay;
  readonly shown: number;
  readonly limit: number;
}

function runFile(path: string, { replay, shown, limit }: Settings): FileReport {
  const file = readCases(path);
  const revoked = revokedHashes(path);
  const flagsMask = definedFlags(path);
  const failures: Failure[] = [];
  const counts = { passed: 0, failed: 0, revoked: 0 };
  const cases = file.cases.slice(0, limit);
  for (const one of cases) {
    if (one.hash !== undefined && revoked.has(one.hash)) {
      counts.revoked++;
      continue;
    }
    const differences = replay.run(file, one, flagsMask);
    if (differences.length === 0) {
      counts.passed++;
      continue;
    }
    counts.failed++;
    if (failures.length >= shown) continue;
    const { index, name, hash } = one;
    const bytes = one.bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    failures.push({ index, name, bytes, ...(hash !== undefined && { hash }), differences });
  }
  return { file: path, cpu: file.cpuName, cases: cases.length, ...counts, failures };
}

function run(paths: readonly string[], settings: Settings, json: boolean): number {
  if (paths.length === 0) throw new UsageError("which tests? Give a .MOO or .json file, or a folder of them");
  const start = performance.now();
  const reports: FileReport[] = [];
  const errors: string[] = [];
  for (const path of caseFiles(paths)) {
    try {
      const report = runFile(path, settings);
      reports.push(report);
      if (!json) process.stdout.write(describe(report));
    } catch (error) {
      if (!(error instanceof CaseFileError)) throw error;
      errors.push(error.message);
      process.stderr.write(`single-step: ${error.message}\n`);
    }
  }
  const sum = (of: (report: FileReport) => number): number =>
    reports.reduce((total, report) => total + of(report), 0);
  const seconds = (performance.now() - start) / 1000;
  const totals = {
    ok: errors.length === 0 && reports.every(({ failed }) => failed === 0),
    cases: sum(({ cases }) => cases),
    passed: sum(({ passed }) => passed),
    failed: sum(({ failed }) => failed),
    revoked: sum(({ revoked }) => revoked),
    wallMs: Math.round(1000 * seconds),
  };
  if (json) printJson({ ...totals, ...(errors.length > 0 && { errors }), files: reports });
  else
    process.stdout.write(
      `${reports.length} files, ${totals.cases} cases, ${totals.passed} passed, ${totals.failed} failed, ${totals.revoked} revoked ` +
        `in ${seconds.toFixed(1)} s (${Math.round(totals.cases / seconds)} a second)\n`,
    );
  return totals.ok ? 0 : 1;
}

function describe({ file, cpu, cases, passed, failed, failures }: FileReport): string {
  const rate = cases === 0 ? 0 : (100 * passed) / cases;
  const head = `${failed === 0 ? "ok  " : "FAIL"} ${file}  ${cpu}  ${passed}/${cases} (${rate.toFixed(2)} %)\n`;
  const lines = failures.map(
    ({ index, name, bytes, differences }) =>
      `       #${index} ${name} (${bytes}): ${differences.join(", ")}\n`,
  );
  return head + lines.join("");
}

type Flags = FlagValues<typeof FLAGS>;

const settingsOf = (flags: Flags, cpu: CpuModel | undefined): Settings => ({
  replay: new Replay(cpu),
  shown: flags.show === undefined ? DEFAULT_SHOWN : countOf("show", flags.show),
  limit: flags.limit === undefined ? Number.POSITIVE_INFINITY : countOf("limit", flags.limit),
});

await runScenario(COMMAND, async ({ common, own, operands }) =>
  run(operands, settingsOf(own, common.cpu), common.json),
);
