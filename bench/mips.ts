/**
 * How fast the engine executes: the same small kernels on Umbra's engine and on v86, side by side.
 *
 *     npm run bench:mips [-- --help]
 */
import { buildKernel, compilerMissing, KERNEL_NAMES, type Kernel } from "./mips/kernels.ts";
import { runOnUmbra } from "./mips/umbra.ts";
import { runOnV86 } from "./mips/v86.ts";
import type { KernelRun } from "./mips/watch.ts";
import { BenchUsageError, benchOptions, chosenFrom, countOption, runBench } from "./support/options.ts";
import { progress, Report } from "./support/report.ts";
import { median, rounded } from "./support/statistics.ts";
import { renderTable } from "./support/table.ts";
import { findV86, type V86Kit } from "./support/v86.ts";

const USAGE = `Usage: npm run bench:mips [-- OPTIONS]

Million guest instructions per second (MIPS) of small kernels in C: ${KERNEL_NAMES.join(", ")}; flat 32-bit protected mode,
with paging off and on. Umbra's engine runs them alone, without the monitor; v86 boots them by its BIOS. Both must agree on the
checksum. The ratio is v86's time by Umbra's: above 1, Umbra is the faster one.

Needs gcc -m32; v86 takes part when it is installed and SeaBIOS is.

  --runs N        runs of each, in turn; the median counts (default 3)
  --only LIST     some of the kernels
  --paging LIST   some of: off, on
  --out FILE      write the JSON there, too
  --help          this text
`;

interface Speed {
  readonly mips: number;
  readonly wallMs: number;
  readonly instructions: number;
}

interface KernelResult {
  readonly kernel: string;
  readonly paging: boolean;
  readonly checksum: string;
  readonly umbra: Speed;
  readonly v86?: Speed;
  /** v86's time by Umbra's. */
  readonly ratio?: number;
}

function speedOf(runs: readonly KernelRun[]): Speed {
  const wallMs = median(runs.map((run) => run.wallMs));
  const instructions = median(runs.map((run) => run.instructions));
  return { mips: rounded(instructions / wallMs / 1000, 1), wallMs: rounded(wallMs, 1), instructions };
}

async function measure(kernel: Kernel, runs: number, kit: V86Kit | undefined): Promise<KernelResult> {
  const umbra: KernelRun[] = [];
  const v86: KernelRun[] = [];
  for (let run = 0; run < runs; run++) {
    umbra.push(runOnUmbra(kernel));
    if (kit !== undefined) v86.push(await runOnV86(kit, kernel));
  }
  const checksums = [...new Set([...umbra, ...v86].map((run) => run.checksum))];
  if (checksums.length !== 1)
    throw new Error(`${kernel.name}: the results differ: ${checksums.map(hex).join(", ")}`);
  const result = {
    kernel: kernel.name,
    paging: kernel.paging,
    checksum: hex(checksums[0] as number),
    umbra: speedOf(umbra),
  };
  if (v86.length === 0) return result;
  const theirs = speedOf(v86);
  return { ...result, v86: theirs, ratio: rounded(theirs.wallMs / result.umbra.wallMs) };
}

const hex = (value: number): string => `0x${(value >>> 0).toString(16).padStart(8, "0")}`;

async function main(): Promise<number> {
  const options = benchOptions({
    usage: USAGE,
    values: { runs: "3", only: undefined, paging: undefined, out: undefined },
  });
  if (options === undefined) return 0;
  const runs = countOption("runs", options.runs);
  const names = chosenFrom("only", options.only, KERNEL_NAMES);
  const pagings = chosenFrom("paging", options.paging, ["off", "on"]);
  if (names.length === 0) throw new BenchUsageError("no kernel is chosen");
  const report = new Report("mips", "Speed of the engine, in million instructions per second (medians)");
  const missing = compilerMissing();
  if (missing !== undefined) {
    report.skipped("all kernels", `${missing} (on Debian: apt install gcc-multilib)`);
    report.finish({ skipped: missing }, options.out);
    return 0;
  }
  const found = await findV86();
  const kit = "kit" in found ? found.kit : undefined;
  if ("missing" in found) report.skipped("v86", found.missing);
  const results: KernelResult[] = [];
  for (const paging of pagings) {
    for (const name of names) {
      progress(`${name}, paging ${paging}`);
      results.push(await measure(buildKernel(name, paging === "on"), runs, kit));
    }
  }
  report.text(
    renderTable(
      ["kernel", "paging", "million instr.", "umbra MIPS", `v86 ${kit?.version ?? ""} MIPS`, "umbra/v86"],
      results.map(({ kernel, paging, umbra, v86, ratio }) => [
        kernel,
        paging ? "on" : "off",
        (umbra.instructions / 1e6).toFixed(1),
        umbra.mips,
        v86?.mips,
        ratio?.toFixed(2),
      ]),
    ),
  );
  report.finish({ runs, v86: kit?.version, results }, options.out);
  return 0;
}

await runBench(main);
