/**
 * Runs the same guest under two pagers, each on a machine of its own, and compares all that the architecture defines as they go.
 *
 *     npx tsx scenarios/lockstep.ts bare vtlb
 *     npx tsx scenarios/lockstep.ts --linux bare vtlb
 *     npx tsx scenarios/lockstep.ts --firmware --disk grub.img --until login: bare kvm
 */
import { READY_MARK } from "../src/guest/initramfs/init-script.ts";
import type { VmOptions } from "../src/vm/options.ts";
import { biosImages } from "./support/bios.ts";
import { DISK_FLAGS, modulesFor, ROOT_FLAGS, rootDevice, separateDrives } from "./support/disks.ts";
import {
  type CommonSettings,
  countOf,
  type FlagSpecs,
  type FlagValues,
  pagerNamed,
  patternOf,
  UsageError,
  vmSettings,
} from "./support/flags.ts";
import { churn } from "./support/guests/churn.ts";
import { LINUX_FLAGS, linuxGuest } from "./support/linux.ts";
import { Contestant } from "./support/lockstep/contestant.ts";
import { type LockstepReport, lockstep } from "./support/lockstep/lockstep.ts";
import { inspect, scenarioMachine, traceMessages } from "./support/machine.ts";
import { REBOOT_FLAGS, rebootsOf } from "./support/reboots.ts";
import { printJson, runScenario } from "./support/scenario.ts";

const DEFAULT_EVERY = 100_000;
const DEFAULT_MEMORY_EVERY = 10_000_000;
const DEFAULT_ROUNDS = 400_000;

/** Those for a real kernel. */
const REAL_FLAGS = { ...LINUX_FLAGS, ...DISK_FLAGS, ...ROOT_FLAGS, ...REBOOT_FLAGS };

const FLAGS = {
  linux: { type: "boolean", help: `Linux, to ${READY_MARK}, instead of the built-in guest` },
  firmware: {
    type: "boolean",
    help: "SeaBIOS, which boots the first --disk or the --cdrom, to --until, instead of the built-in guest",
  },
  ...REAL_FLAGS,
  until: {
    type: "string",
    value: "REGEX",
    help: `with --linux or --firmware: stop when the console shows this (default: ${READY_MARK})`,
  },
  rounds: { type: "string", value: "N", help: `rounds of the built-in guest (default: ${DEFAULT_ROUNDS})` },
  every: {
    type: "string",
    value: "N",
    help: `instructions between two comparisons of the registers (default: ${DEFAULT_EVERY})`,
  },
  "memory-every": {
    type: "string",
    value: "N",
    help: `instructions between two comparisons of all memory (default: ${DEFAULT_MEMORY_EVERY})`,
  },
} as const satisfies FlagSpecs;

const COMMAND = {
  name: "scenarios/lockstep.ts",
  summary:
    "Runs the same guest under two pagers (default: bare and vtlb) and compares registers, flags, segments, x87 state, time, console and\n" +
    "memory. In page tables of the guest, A and D bits are counted apart: pagers may set them at different moments. Stops at the first\n" +
    "difference, finds the instruction by replaying, and prints what both monitors did before it.",
  flags: FLAGS,
  operands: "[PAGER PAGER]",
  without: ["pager"] as const,
};

async function main(
  common: CommonSettings,
  flags: FlagValues<typeof FLAGS>,
  operands: readonly string[],
): Promise<number> {
  const pagers = operands.length === 0 ? ["bare", "vtlb"] : operands;
  if (pagers.length !== 2)
    throw new UsageError("two pagers are to be compared: name both, or none for bare and vtlb");
  const [first, second] = pagers.map(pagerNamed);
  if (first === undefined || second === undefined) return 1;
  const number = (flag: "every" | "memory-every" | "rounds", byDefault: number) =>
    flags[flag] === undefined ? byDefault : countOf(flag, flags[flag] as string);
  const every = number("every", DEFAULT_EVERY);
  const memoryEvery = number("memory-every", DEFAULT_MEMORY_EVERY);
  const until = patternOf("until", flags.until ?? READY_MARK);
  const reboots = rebootsOf(flags);
  if (flags.linux && flags.firmware)
    throw new UsageError("--linux is loaded without firmware: leave it or --firmware out");
  const firmware = flags.firmware ? await firmwareGuest(flags, common.memoryMiB) : undefined;
  const isBuiltIn = !flags.linux && firmware === undefined;
  if (isBuiltIn && (flags.disk !== undefined || flags.cdrom !== undefined || flags["virtio-console"]))
    throw new UsageError(
      "--disk, --cdrom and --virtio-console are for --linux or --firmware: the built-in guest has no drivers",
    );
  const root = rootDevice(flags);
  const modules = modulesFor(separateDrives(flags));
  const { boot, cpu } = flags.linux
    ? await linuxGuest(flags, { keepShell: false, modules, root })
    : firmware !== undefined
      ? { boot: () => {}, cpu: "p6" as const }
      : { boot: churn(number("rounds", DEFAULT_ROUNDS)), cpu: "p6" as const };

  let madeBefore = false;
  const make = (): readonly [Contestant, Contestant] => {
    const contestant = (pager: typeof first, side: "a" | "b") => {
      const machine = scenarioMachine({ ...common, trace: undefined }, 1, { cpu });
      if (common.trace !== undefined && !madeBefore)
        traceMessages(machine, common.trace, `${side} ${pager} `);
      const { overlays, ...drives } = separateDrives(flags);
      const settings = { ...vmSettings({ ...common, pager }), ...drives, ...firmware, reboots, boot };
      return new Contestant(machine.createVm({ name: "guest", ...settings }), overlays);
    };
    const pair = [contestant(first, "a"), contestant(second, "b")] as const;
    madeBefore = true;
    return pair;
  };

  const pair = make();
  const inspector = await inspect(pair[1].vm.machine, common);
  let fresh: readonly [Contestant, Contestant] | undefined = pair;
  const startMs = performance.now();
  const report = await lockstep({
    make: () => {
      const made = fresh ?? make();
      fresh = undefined;
      return made;
    },
    every,
    memoryEvery,
    maxInstructions: common.maxInstructions,
    ...(!isBuiltIn && { until }),
    onProgress: (instructions) => {
      if (process.stderr.isTTY)
        process.stderr.write(`\r\x1b[K${(instructions / 1e6).toFixed(0)} M instructions`);
    },
  });
  const wallMs = Math.round(performance.now() - startMs);
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  inspector?.stop();

  const goodEnds: readonly LockstepReport["end"][] = isBuiltIn ? ["waiting", "limit"] : ["until", "limit"];
  const ok = goodEnds.includes(report.end);
  printReport(report, [`${first}`, `${second}`], wallMs);
  if (common.json) {
    const { difference, ...rest } = report;
    const { histories: _histories, ...where } = difference ?? {};
    printJson({ ok, pagers, wallMs, ...rest, ...(difference && { difference: where }) });
  }
  return ok ? 0 : 1;
}

/** A PC as run-guest.ts makes it, with what boots from its disks. @throws UsageError, GuestFetchError */
async function firmwareGuest(
  flags: Pick<FlagValues<typeof FLAGS>, "disk" | "cdrom">,
  memoryMiB: number,
): Promise<Pick<VmOptions, "roms" | "firmwareFiles" | "pci" | "vga" | "keyboard">> {
  if (flags.disk === undefined && flags.cdrom === undefined)
    throw new UsageError("--firmware boots a disk or a CD: give --disk FILE or --cdrom FILE");
  const { roms, files } = await biosImages({}, memoryMiB, false);
  return { roms, firmwareFiles: files, pci: true, vga: true, keyboard: true };
}

const END_WORDS: Readonly<Record<LockstepReport["end"], string>> = {
  different: "until they differed",
  until: "until what --until names was shown",
  limit: "to the end of --max-instructions",
  waiting: "until the guest had nothing left to do",
  ended: "until the guest ended",
};

function printReport(
  report: LockstepReport,
  [first, second]: readonly [string, string],
  wallMs: number,
): void {
  const { difference, hashes } = report;
  const lines = [
    `${first} and ${second}: ${report.instructions} instructions each in ${(wallMs / 1000).toFixed(1)} s (${END_WORDS[report.end]}${report.reason === undefined ? "" : `: ${report.reason}`})`,
    `${report.comparisons} comparisons of registers, ${report.memoryComparisons} of memory`,
    `${report.accessedDirtyOnly} page-table entries differ in A and D bits only`,
  ];
  if (hashes) {
    const same = ([a, b]: readonly [string, string]) => (a === b ? a : `${a} and ${b}`);
    lines.push(
      `memory hash: ${same(hashes.exact)}`,
      `memory hash without A and D bits: ${same(hashes.ignoringAD)}`,
    );
  }
  if (difference === undefined) lines.push("no architectural difference");
  else {
    lines.push(`DIFFERENT after ${difference.differentAt} instructions (equal after ${difference.equalAt}):`);
    for (const { what, a, b } of difference.discrepancies) lines.push(`  ${what}: ${hex(a)} and ${hex(b)}`);
    [first, second].forEach((name, side) => {
      lines.push("", `what the monitor did last, under ${name}:`, difference.histories[side] as string);
    });
  }
  process.stdout.write(`${lines.join("\n")}\n`);
}

const hex = (value: number | string): string =>
  typeof value === "number" ? `0x${value.toString(16)}` : JSON.stringify(value);

await runScenario(COMMAND, ({ common, own, operands }) => main(common, own, operands));
