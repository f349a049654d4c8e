/**
 * A guest that forks and touches pages, again and again: what it costs under a pager, and what the shadow comes to.
 *
 *     npx tsx scenarios/fork-storm.ts --pager kvm
 *     npx tsx scenarios/fork-storm.ts --linux --pager kvm --forks 500
 */
import { DONE_MARK } from "../src/guest/initramfs/init-script.ts";
import type { Gpa } from "../src/mmu/address.ts";
import type { Vm } from "../src/vm/vm.ts";
import { Audits } from "./support/audits.ts";
import { ConsoleMatch } from "./support/console-match.ts";
import {
  type CommonSettings,
  countOf,
  type FlagSpecs,
  type FlagValues,
  vmSettings,
} from "./support/flags.ts";
import { forker } from "./support/guests/forker.ts";
import { type KvmFigures, kvmFigures, kvmTable } from "./support/kvm-figures.ts";
import { LINUX_FLAGS, linuxGuest } from "./support/linux.ts";
import { inspect, scenarioMachine } from "./support/machine.ts";
import { printJson, runScenario } from "./support/scenario.ts";

const DEFAULT_FORKS = 500;
const DEFAULT_AUDIT_EXITS = 0;
const { script: _, ...LINUX_FLAGS_USED } = LINUX_FLAGS;

const FLAGS = {
  linux: {
    type: "boolean",
    help: "Linux, whose shell forks and executes busybox, instead of the built-in guest",
  },
  forks: { type: "string", value: "N", help: `how many times it forks (default: ${DEFAULT_FORKS})` },
  ...LINUX_FLAGS_USED,
  "audit-exits": {
    type: "string",
    value: "N",
    help: "exits between two audits of the pager (default: one audit, at the end)",
  },
} as const satisfies FlagSpecs;

const COMMAND = {
  name: "scenarios/fork-storm.ts",
  summary:
    "A guest forks and touches pages. Prints exits, instructions and time of the storm alone, and under kvm what its shadow came to: pages,\n" +
    "synchronisations, tables given up, lengths of the reverse maps, bytes.",
  flags: FLAGS,
};

const BEGIN_MARK = "UMBRA-STORM-BEGIN";
const END_MARK = "UMBRA-STORM-END";

/** The path has a slash in it, so that the shell cannot run its own `true` instead. */
const stormScript = (forks: number): string =>
  [
    `echo ${BEGIN_MARK}`,
    `i=0; while [ $i -lt ${forks} ]; do /bin/busybox true; i=$((i+1)); done`,
    "read one five fifteen running newest < /proc/loadavg",
    `echo ${END_MARK} $newest`,
  ].join("\n");

/** What had happened at some moment. */
interface Moment {
  readonly wallMs: number;
  /** Processor time of the whole process: what the wall clock would show if nobody else wanted the CPUs. */
  readonly cpuMs: number;
  readonly instructions: number;
  readonly exits: Readonly<Record<string, number>>;
}

const momentOf = (vm: Vm): Moment => {
  const { instructions, exits } = vm.stats();
  const { user, system } = process.cpuUsage();
  return { wallMs: performance.now(), cpuMs: (user + system) / 1000, instructions, exits };
};

async function main(common: CommonSettings, flags: FlagValues<typeof FLAGS>): Promise<number> {
  const forks = flags.forks === undefined ? DEFAULT_FORKS : countOf("forks", flags.forks);
  const every =
    flags["audit-exits"] === undefined ? DEFAULT_AUDIT_EXITS : countOf("audit-exits", flags["audit-exits"]);
  const builtIn = forker(forks);
  const { boot, cpu } = flags.linux
    ? await linuxGuest({ ...flags, script: stormScript(forks) }, { keepShell: false })
    : { boot: builtIn.boot, cpu: "p6" as const };
  const machine = scenarioMachine(common, 1, { cpu });
  const inspector = await inspect(machine, common);
  const vm = machine.createVm({ name: "storm", ...vmSettings(common), boot });
  const audits = new Audits(vm, every);
  const limit = common.maxInstructions;

  const runTo = async (mark: RegExp | undefined) => {
    const match = new ConsoleMatch(vm, mark);
    const result = await vm.runAsync({
      until: () => {
        audits.exit();
        return match.reached();
      },
      ...(Number.isFinite(limit) && { budget: Math.max(1, limit - vm.stats().instructions) }),
    });
    return { result, found: match.found };
  };
  if (flags.linux) await runTo(new RegExp(`^${BEGIN_MARK}`, "m"));
  const begin = momentOf(vm);
  const { result, found } = await runTo(
    flags.linux ? new RegExp(`${END_MARK} \\d+[^]*${DONE_MARK} rc=0`) : undefined,
  );
  const end = momentOf(vm);
  audits.run();
  inspector?.stop();

  const done = flags.linux ? found : forksDone(vm, builtIn.countGpa) === forks && result.status === "waiting";
  const ok = done && audits.violations === 0;
  const exits = difference(begin.exits, end.exits);
  const total = Object.values(exits).reduce((sum, count) => sum + count, 0);
  const wallMs = end.wallMs - begin.wallMs;
  const cpuMs = end.cpuMs - begin.cpuMs;
  const instructions = end.instructions - begin.instructions;
  const figures: KvmFigures | undefined =
    vm.kvm === undefined || vm.reason !== undefined ? undefined : kvmFigures(vm);
  const perFork = (count: number): string => (count / forks).toFixed(1);
  const rows: [string, string][] = [
    ["forks", String(forks)],
    ["milliseconds / a fork", `${wallMs.toFixed(0)} / ${(wallMs / forks).toFixed(3)}`],
    ["milliseconds of CPU time / a fork", `${cpuMs.toFixed(0)} / ${(cpuMs / forks).toFixed(3)}`],
    ["instructions / a fork", `${instructions} / ${perFork(instructions)}`],
    ["exits / a fork", `${total} / ${perFork(total)}`],
    ...Object.entries(exits)
      .filter(([, count]) => count > 0)
      .map(([reason, count]): [string, string] => [`  ${reason}`, `${count} / ${perFork(count)}`]),
    ["audits, violations", `${audits.runs}, ${audits.violations}`],
  ];
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  process.stdout.write(
    `Fork storm ${flags.linux ? "in Linux" : "of the built-in guest"} under ${common.pager}\n\n`,
  );
  for (const [name, value] of rows) process.stdout.write(`${name.padEnd(width)}${value}\n`);
  if (figures !== undefined) process.stdout.write(`\nThe shadow, since power-on\n\n${kvmTable(figures)}\n`);
  if (!ok)
    process.stderr.write(
      `fork-storm: NOT OK: the guest is ${result.status} (${result.reason ?? "no reason"}), ${audits.violations} audit violations\n`,
    );
  for (const { rule, detail } of audits.examples) process.stderr.write(`fork-storm: ${rule}: ${detail}\n`);
  if (common.json)
    printJson({
      ok,
      pager: common.pager,
      linux: flags.linux === true,
      forks,
      wallMs: Math.round(wallMs),
      msPerFork: Math.round((wallMs / forks) * 1000) / 1000,
      cpuMsPerFork: Math.round((cpuMs / forks) * 1000) / 1000,
      instructions,
      exits,
      exitsTotal: total,
      status: result.status,
      ...(result.reason !== undefined && { reason: result.reason }),
      audit: { runs: audits.runs, violations: audits.violations, examples: audits.examples },
      ...(figures !== undefined && { kvm: figures }),
    });
  return ok ? 0 : 1;
}

const forksDone = (vm: Vm, countGpa: number): number =>
  vm.reason === undefined ? vm.memory.read32(countGpa as Gpa) : 0;

const difference = (
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
): Record<string, number> =>
  Object.fromEntries(Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)]));

await runScenario(COMMAND, ({ common, own }) => main(common, own));
