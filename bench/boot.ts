/**
 * Booting Linux, and forking and executing in it, side by side: Umbra's pagers, v86 and QEMU on the same kernel and initrd.
 *
 *     npm run bench:boot [-- --help]
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fetchDebianGuest } from "../src/guest/debian/fetch.ts";
import { GuestFetchError } from "../src/guest/errors.ts";
import { readImageFile } from "../src/guest/files.ts";
import { buildInitramfs } from "../src/guest/initramfs/initramfs.ts";
import { unpackKernelCached } from "../src/guest/linux/unpack-cache.ts";
import {
  CONTESTANT_NAMES,
  type Contestant,
  type ContestantName,
  findContestant,
} from "./boot/contestants.ts";
import { forkScript } from "./boot/marks.ts";
import { type BootRun, BootRunError, runBoot } from "./boot/run.ts";
import type { BootSettings } from "./boot/settings.ts";
import { benchOptions, chosenFrom, countOption, runBench } from "./support/options.ts";
import { progress, Report } from "./support/report.ts";
import { medianOf, rounded } from "./support/statistics.ts";
import { renderTable } from "./support/table.ts";

const COMMAND_LINE = "console=ttyS0 nokaslr cryptomgr.notests";
const MEMORY_MIB = 128;

const USAGE = `Usage: npm run bench:boot [-- OPTIONS]

Boots Debian's 686 kernel with a busybox initramfs (command line "${COMMAND_LINE}", ${MEMORY_MIB} MiB) until
user space is up, then forks and executes busybox many times. Every contestant runs in a process of its own, one after the other, in
rounds, timed by this process:

  start       from the start of the process until it begins to build its machine (loading TypeScript is in it)
  to READY    from there until the guest prints UMBRA-READY
  fork+exec   the loop of forks and execs in the guest's shell
  CPU         processor time of all threads meanwhile; on a busy machine it tells more than the wall clock

Umbra unpacks the kernel on the host and keeps the result in its cache; v86 and QEMU leave it to the guest.

  --rounds N   boots of each contestant, in turn; the medians count (default 3)
  --forks N    forks and execs (default 200)
  --only LIST  some of: ${CONTESTANT_NAMES.join(", ")}
  --patience S seconds after which a boot is given up (default 180)
  --out FILE   write the JSON there, too
  --help       this text
`;

interface BootResult {
  readonly contestant: ContestantName;
  readonly title: string;
  readonly startMs: number | undefined;
  readonly readyMs: number | undefined;
  readonly forkMs: number | undefined;
  readonly readyCpuMs: number | undefined;
  readonly forkCpuMs: number | undefined;
  readonly readyInstructions: number | undefined;
  readonly forkInstructions: number | undefined;
  readonly readyMips: number | undefined;
  readonly forkMips: number | undefined;
  readonly peakRssMiB: number | undefined;
  /** Time by v86's in this run. */
  readonly readyToV86?: number;
  readonly forkToV86?: number;
  readonly failed?: string;
}

/** What the project wants: at most so many times v86's time, and a process of less than so many MiB. */
const BARS: Partial<Record<ContestantName, { readonly ready: number; readonly fork?: number }>> = {
  bare: { ready: 0.8, fork: 1 },
  vtlb: { ready: 1 },
};
const MOST_RSS_MIB = 1024;

function summarise(contestant: Contestant, runs: readonly BootRun[]): BootResult {
  const mips = (instructions: number | undefined, ms: number): number | undefined =>
    instructions === undefined ? undefined : instructions / ms / 1000;
  return {
    contestant: contestant.name,
    title: contestant.title,
    startMs: medianOf(runs, (run) => run.startMs, 0),
    readyMs: medianOf(runs, (run) => run.readyMs, 0),
    forkMs: medianOf(runs, (run) => run.forkMs, 0),
    readyCpuMs: medianOf(runs, (run) => run.readyCpuMs, 0),
    forkCpuMs: medianOf(runs, (run) => run.forkCpuMs, 0),
    readyInstructions: medianOf(runs, (run) => run.readyInstructions, 0),
    forkInstructions: medianOf(runs, (run) => run.forkInstructions, 0),
    readyMips: medianOf(runs, (run) => mips(run.readyInstructions, run.readyMs), 1),
    forkMips: medianOf(runs, (run) => mips(run.forkInstructions, run.forkMs), 1),
    peakRssMiB: medianOf(runs, (run) => run.peakRssMiB, 0),
  };
}

function besideV86(result: BootResult, v86: BootResult | undefined): BootResult {
  const { readyMs, forkMs } = result;
  if (v86?.readyMs === undefined || v86.forkMs === undefined || readyMs === undefined || forkMs === undefined)
    return result;
  return { ...result, readyToV86: rounded(readyMs / v86.readyMs), forkToV86: rounded(forkMs / v86.forkMs) };
}

/** The bars that a result meets or misses, as words. */
function verdicts(result: BootResult): string[] {
  const bar = BARS[result.contestant];
  if (bar === undefined) return [];
  const words = (what: string, value: number | undefined, most: number | undefined): string[] =>
    value === undefined || most === undefined
      ? []
      : [`${what} ${value} (bar ${most}): ${value <= most ? "met" : "MISSED"}`];
  return [
    ...words("to READY by v86's", result.readyToV86, bar.ready),
    ...words("fork+exec by v86's", result.forkToV86, bar.fork),
    ...words("peak MiB", result.peakRssMiB, MOST_RSS_MIB),
  ];
}

async function prepare(folder: string, forks: number): Promise<BootSettings> {
  const guest = await fetchDebianGuest({ onProgress: progress });
  // Into the cache, so that no contestant is measured with what only the first run has to do.
  unpackKernelCached(readImageFile(guest.kernelPath, "kernel"), guest.unpackedDirectory);
  const initrdPath = join(folder, "initrd.cpio");
  const busybox = readImageFile(guest.busyboxPath, "busybox");
  writeFileSync(initrdPath, buildInitramfs({ busybox, script: forkScript(forks) }));
  return { kernelPath: guest.kernelPath, initrdPath, commandLine: COMMAND_LINE, memoryMiB: MEMORY_MIB };
}

async function main(): Promise<number> {
  const options = benchOptions({
    usage: USAGE,
    values: { rounds: "3", forks: "200", only: undefined, patience: "180", out: undefined },
  });
  if (options === undefined) return 0;
  const rounds = countOption("rounds", options.rounds);
  const forks = countOption("forks", options.forks);
  const patienceMs = countOption("patience", options.patience) * 1000;
  const names = chosenFrom("only", options.only, CONTESTANT_NAMES);
  const report = new Report(
    "boot",
    `Linux to its shell, then ${forks} times fork+exec (medians of ${rounds})`,
  );
  const folder = mkdtempSync(join(tmpdir(), "umbra-bench-"));
  try {
    const settings = await prepare(folder, forks);
    const contestants: Contestant[] = [];
    for (const name of names) {
      const found = await findContestant(name, settings);
      if ("missing" in found) report.skipped(name, found.missing);
      else contestants.push(found);
    }
    const results = await compete(contestants, rounds, forks, patienceMs);
    print(report, results);
    report.finish({ rounds, forks, commandLine: COMMAND_LINE, memoryMiB: MEMORY_MIB, results }, options.out);
    return results.some((result) => result.failed !== undefined) ? 1 : 0;
  } catch (error) {
    if (!(error instanceof GuestFetchError)) throw error;
    report.skipped("all contestants", error.message);
    report.finish({ skipped: error.message }, options.out);
    return 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function compete(
  contestants: readonly Contestant[],
  rounds: number,
  forks: number,
  patienceMs: number,
): Promise<BootResult[]> {
  const entries = contestants.map((contestant) => ({ contestant, runs: [] as BootRun[], failed: "" }));
  for (let round = 1; round <= rounds; round++) {
    for (const entry of entries) {
      if (entry.failed !== "") continue;
      const { title } = entry.contestant;
      try {
        const run = await runBoot(entry.contestant, patienceMs);
        if (run.processes < forks)
          throw new BootRunError(`${title} made only ${run.processes} processes instead of ${forks}`);
        entry.runs.push(run);
        progress(`${title}, round ${round}: ${seconds(run.readyMs)} s, ${seconds(run.forkMs)} s`);
      } catch (error) {
        if (!(error instanceof BootRunError)) throw error;
        entry.failed = error.message;
        progress(`FAILED: ${error.message}`);
      }
    }
  }
  const results = entries.map(({ contestant, runs, failed }) => ({
    ...summarise(contestant, runs),
    ...(failed !== "" && { failed }),
  }));
  const v86 = results.find((result) => result.contestant === "v86");
  return results.map((result) => besideV86(result, v86));
}

const seconds = (ms: number | undefined): string | undefined =>
  ms === undefined ? undefined : (ms / 1000).toFixed(2);
const millions = (count: number | undefined): string | undefined =>
  count === undefined ? undefined : (count / 1e6).toFixed(0);

function print(report: Report, results: readonly BootResult[]): void {
  const heading = [
    "",
    "start s",
    "to READY s",
    "CPU s",
    "by v86's",
    "million instr.",
    "MIPS",
    "fork+exec s",
    "CPU s",
    "by v86's",
    "million instr.",
    "MIPS",
    "peak MiB",
  ];
  report.text(
    renderTable(
      heading,
      results.map((result) => [
        result.title,
        seconds(result.startMs),
        seconds(result.readyMs),
        seconds(result.readyCpuMs),
        result.readyToV86?.toFixed(2),
        millions(result.readyInstructions),
        result.readyMips,
        seconds(result.forkMs),
        seconds(result.forkCpuMs),
        result.forkToV86?.toFixed(2),
        millions(result.forkInstructions),
        result.forkMips,
        result.peakRssMiB,
      ]),
    ),
  );
  for (const result of results) {
    for (const verdict of verdicts(result)) report.text(`${result.title}: ${verdict}`);
    if (result.failed !== undefined) report.text(`${result.title}: FAILED: ${result.failed}`);
  }
}

await runBench(main);
