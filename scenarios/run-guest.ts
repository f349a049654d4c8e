/**
 * Runs any 32-bit guest image: a disk that a BIOS boots from, a bzImage, a Multiboot kernel, a ROM, a raw binary.
 *
 *     npx tsx scenarios/run-guest.ts --multiboot kernel.elf --exit-on debug-exit --json
 */
import { closeSync, openSync, writeSync } from "node:fs";
import type { VmEnd } from "../src/bus/messages/index.ts";
import { BIOS_FLAGS, biosImages } from "./support/bios.ts";
import { type BootOutcome, bootReport, runBoot, tellEnd } from "./support/boot.ts";
import { DISK_FLAGS, drivesOf } from "./support/disks.ts";
import {
  type CommonSettings,
  countOf,
  type FlagSpecs,
  type FlagValues,
  type GivenFlag,
  oneOf,
  patternOf,
  UsageError,
  vmSettings,
} from "./support/flags.ts";
import { hasResetRom, IMAGE_FLAGS, imageGuest, isBiosGuest } from "./support/images.ts";
import { LiveScreen } from "./support/live-screen.ts";
import { inspect, scenarioMachine } from "./support/machine.ts";
import { PostCodes, postCodeOf, postCodeText } from "./support/post-codes.ts";
import { ProgressLine } from "./support/progress.ts";
import { REBOOT_FLAGS, rebootsOf } from "./support/reboots.ts";
import { printJson, runScenario } from "./support/scenario.ts";
import { SEND_FLAGS, sendsOf, TYPE_FLAGS } from "./support/sends.ts";
import { Terminal } from "./support/terminal.ts";

/** What the ends are called on the command line. */
const ENDS = { "debug-exit": "exited", halt: "halted", shutdown: "shutdown", reset: "reset" } as const;
const END_NAMES = Object.keys(ENDS) as (keyof typeof ENDS)[];
const TAIL_CHARACTERS = 4096;
const DEFAULT_AUDIT_EXITS = 20_000;
/** Images are built for what processors have had for decades: SSE2, NX. */
const DEFAULT_CPU = "max";

const FLAGS = {
  ...IMAGE_FLAGS,
  ...BIOS_FLAGS,
  ...DISK_FLAGS,
  ...SEND_FLAGS,
  ...TYPE_FLAGS,
  ...REBOOT_FLAGS,
  until: { type: "string", value: "REGEX", help: "stop when the console or the text screen shows this" },
  "exit-on": {
    type: "string",
    value: "END",
    multiple: true,
    help: `how the guest is meant to end, may be given several times: ${END_NAMES.join(", ")}, or post=FF, a POST code that ends the run (default, without --until: debug-exit, and halt unless it is a BIOS, which halts when it gives up)`,
  },
  "exit-code": {
    type: "string",
    value: "N",
    help: "with debug-exit: the exit code that is meant, (v << 1) | 1 for a write of v to port 0xf4 (default: any)",
  },
  post: { type: "boolean", help: "show POST codes (ports 0x80 and 0x190) on stderr as they come" },
  "out-port": {
    type: "string",
    value: "PORT",
    multiple: true,
    help: "an I/O port whose bytes are shown as those of 0xe9 are, such as a printer's 0x3bc; may be given several times",
  },
  "console-file": { type: "string", value: "FILE", help: "write all that the guest shows to a file, too" },
  screen: {
    type: "boolean",
    help: "show the text screen (80 by 25): on a terminal while the guest runs, in place of the console, and at the end; with --json as screen. A BIOS then does not talk on the serial port",
  },
  keyboard: {
    type: "boolean",
    help: "connect stdin to the guest's keyboard; with --screen on a terminal that is a PC to sit at",
  },
  console: {
    type: "boolean",
    help: "connect stdin to the guest's serial port, and show its output even with --json",
  },
  "audit-exits": {
    type: "string",
    value: "N",
    help: `exits between two audits of the pager (default: ${DEFAULT_AUDIT_EXITS}); one more at the end if the guest is still there`,
  },
} as const satisfies FlagSpecs;

type Flags = FlagValues<typeof FLAGS>;

const COMMAND = {
  name: "scenarios/run-guest.ts",
  summary:
    "Runs a guest image and shows what it sends to COM1, to port 0xe9 and to those of --out-port. --disk boots from a disk with a BIOS, --cdrom from a CD; one of --kernel, --multiboot, --rom and --flat says what to run instead.\n" +
    "The exit code is 0 exactly when the console has shown what --until says, or the guest has ended as --exit-on says.",
  flags: FLAGS,
};

/** What the run is for. */
interface Goal {
  readonly until: RegExp | undefined;
  readonly ends: readonly VmEnd[];
  /** The POST code that ends the run. */
  readonly postCode: number | undefined;
  readonly exitCode: number | undefined;
}

async function main(common: CommonSettings, flags: Flags, given: readonly GivenFlag[]): Promise<number> {
  const goal = goalOf(flags);
  const sends = sendsOf(given);
  const typedTo = typedInputOf(flags);
  const auditExits = countOf("audit-exits", flags["audit-exits"] ?? String(DEFAULT_AUDIT_EXITS));
  const bootsFromDisk =
    isBiosGuest(flags) && (flags.disk !== undefined || flags.cdrom !== undefined || flags.bios !== undefined);
  const bios = bootsFromDisk
    ? await biosImages(flags, common.memoryMiB, hasResetRom(flags))
    : { roms: [], files: {} };
  const { boot, roms } = imageGuest(flags, common.memoryMiB, bios.roms);
  const reboots = rebootsOf(flags);
  const drives = drivesOf(flags);
  const consolePorts = (flags["out-port"] ?? []).map(portOf);
  const file = flags["console-file"] === undefined ? undefined : created(flags["console-file"]);
  const machine = scenarioMachine({ ...common, cpu: common.cpu ?? DEFAULT_CPU });
  const inspector = await inspect(machine, common);
  const vm = machine.createVm({
    name: "guest",
    ...vmSettings(common),
    boot,
    roms,
    firmwareFiles: bios.files,
    ...drives,
    consolePorts,
    vga: true,
    pci: true,
    keyboard: true,
    firmwareOnSerial: flags.screen !== true,
    reboots,
    testDevice: true,
  });
  const live =
    flags.screen === true && !common.json && process.stdout.isTTY === true
      ? new LiveScreen(vm, (text) => void process.stdout.write(text))
      : undefined;
  const progress = live === undefined ? new ProgressLine(vm) : undefined;
  const show = (text: string | Uint8Array): void => {
    progress?.clear();
    process.stdout.write(text);
  };
  const showsConsole = live === undefined && (!common.json || flags.console === true);
  if (showsConsole) vm.on("console", show);
  if (flags["firmware-log"] === true) vm.on("firmware", (bytes) => void process.stderr.write(bytes));
  if (file !== undefined) vm.on("console", (bytes) => void writeSync(file, bytes));
  const tell = (text: string): void => {
    if (live !== undefined) {
      live.tell(text);
      return;
    }
    progress?.clear();
    process.stderr.write(text);
  };
  const postCodes = new PostCodes(vm, goal.postCode, flags.post === true ? tell : undefined);
  const terminal = typedTo === undefined ? undefined : new Terminal(vm, live ? tell : show, typedTo);
  let outcome: BootOutcome;
  try {
    outcome = await runBoot(vm, {
      until: goal.until,
      also: () => postCodes.look(),
      sends,
      auditExits,
      maxInstructions: common.maxInstructions,
      paced: terminal !== undefined,
      terminal,
    });
  } finally {
    terminal?.disconnect();
    progress?.stop();
    live?.stop();
    inspector?.stop();
    if (file !== undefined) closeSync(file);
  }
  const { text } = vm.console;
  if (showsConsole && text !== "" && !text.endsWith("\n")) process.stdout.write("\n");
  if (flags.screen === true && !common.json) process.stdout.write(`${(vm.screen ?? []).join("\n")}\n`);
  const ok = isReached(goal, outcome);
  tellEnd("run-guest", vm, ok, outcome);
  if (common.json)
    printJson({
      ...bootReport(vm, ok, outcome),
      exitCode: vm.exitCode ?? null,
      postCode: vm.devices.postCode.state.last,
      postCodes: postCodes.seen.map(postCodeText),
      console: text.slice(-TAIL_CHARACTERS),
      ...(flags.screen === true && { screen: vm.screen }),
    });
  return ok ? 0 : 1;
}

/** Where stdin leads. @throws UsageError */
function typedInputOf(flags: Flags): "console" | "keyboard" | undefined {
  if (flags.console === true && flags.keyboard === true)
    throw new UsageError("--console and --keyboard both take stdin: leave one of them out");
  if (flags.keyboard === true) return "keyboard";
  return flags.console === true ? "console" : undefined;
}

/** A BIOS that halts has found nothing to run. */
function defaultEnds(flags: Flags): readonly (typeof END_NAMES)[number][] {
  return isBiosGuest(flags) ? ["debug-exit"] : ["debug-exit", "halt"];
}

function goalOf(flags: Flags): Goal {
  const until = flags.until === undefined ? undefined : patternOf("until", flags.until);
  const texts = flags["exit-on"] ?? [];
  const codes = texts.map(postCodeOf).filter((code) => code !== undefined);
  if (codes.length > 1) throw new UsageError("--exit-on post= can be given once");
  const named = texts
    .filter((text) => postCodeOf(text) === undefined)
    .map((name) => oneOf("exit-on", name, [...END_NAMES, "post=FF"]) as (typeof END_NAMES)[number]);
  const ends = texts.length > 0 ? named : until === undefined ? defaultEnds(flags) : [];
  const code = flags["exit-code"];
  if (code !== undefined && !(/^\d+$/.test(code) && Number(code) <= 255))
    throw new UsageError(`--exit-code takes a number from 0 to 255, not "${code}"`);
  return {
    until,
    ends: ends.map((name) => ENDS[name]),
    postCode: codes[0],
    exitCode: code === undefined ? undefined : Number(code),
  };
}

/** @throws UsageError */
function portOf(text: string): number {
  const port = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 0xffff)) throw new UsageError(`--out-port takes a port from 0 to 0xffff, not "${text}"`);
  return port;
}

/** A file to be written from its beginning. @throws UsageError */
function created(path: string): number {
  try {
    return openSync(path, "w");
  } catch (error) {
    throw new UsageError(`--console-file cannot be written: ${(error as Error).message}`);
  }
}

function isReached(goal: Goal, { reached, audits, result }: BootOutcome): boolean {
  if (audits.violations > 0) return false;
  if (reached) return true;
  if (!goal.ends.includes(result.status as VmEnd)) return false;
  return result.status !== "exited" || goal.exitCode === undefined || result.exitCode === goal.exitCode;
}

await runScenario(COMMAND, ({ common, own, given }) => main(common, own, given));
