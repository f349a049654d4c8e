/**
 * Boots Linux: Debian's 686 kernel with a busybox initramfs, or images of your own.
 *
 *     npx tsx scenarios/boot-linux.ts --pager vtlb --until UMBRA-READY --json
 */
import { POWERED_OFF } from "../src/devices/acpi-pm.ts";
import { DONE_MARK, READY_MARK } from "../src/guest/initramfs/init-script.ts";
import type { RunResult } from "../src/vm/options.ts";
import { type BootOutcome, bootReport, runBoot, tellEnd } from "./support/boot.ts";
import { DISK_FLAGS, drivesOf, modulesFor, ROOT_FLAGS, rootDevice } from "./support/disks.ts";
import {
  type CommonSettings,
  countOf,
  type FlagSpecs,
  type FlagValues,
  patternOf,
  vmSettings,
} from "./support/flags.ts";
import { LINUX_FLAGS, linuxGuest } from "./support/linux.ts";
import { inspect, scenarioMachine } from "./support/machine.ts";
import { ProgressLine } from "./support/progress.ts";
import { REBOOT_FLAGS, rebootsOf } from "./support/reboots.ts";
import { printJson, runScenario } from "./support/scenario.ts";
import { Terminal } from "./support/terminal.ts";

const DEFAULT_AUDIT_EXITS = 20_000;

const FLAGS = {
  ...LINUX_FLAGS,
  ...DISK_FLAGS,
  ...ROOT_FLAGS,
  ...REBOOT_FLAGS,
  until: {
    type: "string",
    value: "REGEX",
    help: `stop when the console shows this (default: ${READY_MARK}; with --script "${DONE_MARK} rc=0", or that it switches the machine off; none when interactive)`,
  },
  console: {
    type: "boolean",
    help: "connect stdin to the guest's console, and show its output even with --json; the default on a terminal when no --until, --script or --json is given",
  },
  "wall-clock": {
    type: "boolean",
    help: "the guest's date is the host's, and its idle time passes in real time (the latter always when interactive)",
  },
  "audit-exits": {
    type: "string",
    value: "N",
    help: `exits between two audits of the pager (default: ${DEFAULT_AUDIT_EXITS}); there is always one at the end`,
  },
} as const satisfies FlagSpecs;

type Flags = FlagValues<typeof FLAGS>;

const READY_PATTERN = new RegExp(READY_MARK);
const DONE_PATTERN = new RegExp(`${DONE_MARK} rc=0`);

/** How an interactive session without --until may end and still be a success. */
const ENDED_WELL: readonly RunResult["status"][] = ["stopped", "halted", "reset"];

const COMMAND = {
  name: "scenarios/boot-linux.ts",
  summary:
    "Boots Linux under a pager. The guest is fetched the first time. The exit code is 0 exactly when what --until names was shown\n" +
    "(interactively: when you leave with Ctrl-A x or the guest switches itself off).",
  flags: FLAGS,
};

async function main(common: CommonSettings, flags: Flags): Promise<number> {
  const interactive = isInteractive(common, flags);
  const auditExits = flags["audit-exits"];
  const every = auditExits === undefined ? DEFAULT_AUDIT_EXITS : countOf("audit-exits", auditExits);
  const ownPattern = flags.until === undefined ? undefined : patternOf("until", flags.until);
  const reboots = rebootsOf(flags, interactive ? Number.POSITIVE_INFINITY : 0);
  const root = rootDevice(flags);
  const drives = drivesOf(flags);
  const guest = await linuxGuest(flags, {
    keepShell: interactive,
    modules: modulesFor(drives),
    root,
    ...(drives.virtioConsole && { terminal: "hvc0" }),
  });
  const until = ownPattern ?? (interactive ? undefined : guest.hasScript ? DONE_PATTERN : READY_PATTERN);

  const machine = scenarioMachine(common, 1, { cpu: guest.cpu });
  const inspector = await inspect(machine, common);
  const vm = machine.createVm({
    name: "linux",
    ...vmSettings(common),
    boot: guest.boot,
    ...drives,
    reboots,
    ...(flags["wall-clock"] && { rtcEpochSeconds: Math.floor(Date.now() / 1000) }),
  });
  const progress = new ProgressLine(vm);
  const show = (text: string | Uint8Array): void => {
    progress.clear();
    process.stdout.write(text);
  };
  const showsConsole = !common.json || flags.console === true;
  if (showsConsole) vm.on("console", show);
  const terminal = interactive ? new Terminal(vm, show) : undefined;
  let outcome: BootOutcome;
  try {
    outcome = await runBoot(vm, {
      until,
      auditExits: every,
      maxInstructions: common.maxInstructions,
      paced: interactive || flags["wall-clock"] === true,
      terminal,
    });
  } finally {
    terminal?.disconnect();
    progress.stop();
    inspector?.stop();
  }

  const { reached, audits, result } = outcome;
  // A script may end with the machine's being switched off, before its own end is told.
  const switchedOff = ownPattern === undefined && guest.hasScript && result.reason === POWERED_OFF;
  const ended = until === undefined && ENDED_WELL.includes(result.status);
  const ok = audits.violations === 0 && (reached || ended || switchedOff);
  if (showsConsole && !vm.console.text.endsWith("\n")) process.stdout.write("\n");
  tellEnd("boot-linux", vm, ok, outcome);
  if (common.json) printJson(bootReport(vm, ok, outcome));
  return ok ? 0 : 1;
}

function isInteractive(common: CommonSettings, flags: Flags): boolean {
  if (flags.console !== undefined) return flags.console;
  if (common.json || flags.until !== undefined || flags.script !== undefined) return false;
  return process.stdin.isTTY === true && process.stdout.isTTY === true;
}

await runScenario(COMMAND, ({ common, own }) => main(common, own));
