/** What every scenario script does around its own work: flags, help, errors in one line, exit code. */
import { PortOverlapError } from "../../src/devices/port-map.ts";
import { DiskError } from "../../src/disk/index.ts";
import { GuestFetchError, GuestImageError } from "../../src/guest/errors.ts";
import { InspectorPortError } from "../../src/inspect/server.ts";
import { OutOfFrames } from "../../src/mmu/frames.ts";
import { SettingError } from "../../src/vm/errors.ts";
import {
  type FlagSpecs,
  helpText,
  type ParsedCommand,
  parseCommand,
  type ScenarioCommand,
  UsageError,
} from "./flags.ts";

export const EXIT_USAGE = 2;

/**
 * Runs `work`, whose result is the exit code. Errors that the user can act on are one line on stderr (and, with --json, an object
 * with `ok: false` and `error`); a wrong command line gives exit code 2, all others 1.
 */
export async function runScenario<Specs extends FlagSpecs>(
  command: ScenarioCommand<Specs>,
  work: (parsed: ParsedCommand<Specs>) => Promise<number>,
  args: readonly string[] = process.argv.slice(2),
): Promise<void> {
  try {
    const parsed = parseCommand(command, args);
    if (parsed.wantsHelp) {
      process.stdout.write(helpText(command));
      return;
    }
    process.exitCode = await work(parsed);
  } catch (error) {
    const name = command.name.replace(/^.*\/|\.ts$/g, "");
    process.stderr.write(`${name}: ${describeError(error)}\n`);
    if (args.includes("--json")) printJson({ ok: false, error: describeError(error).split("\n")[0] });
    process.exitCode = error instanceof UsageError ? EXIT_USAGE : 1;
  }
}

/** The one JSON object of `--json`. */
export function printJson(result: object): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

const EXPECTED = [
  UsageError,
  GuestImageError,
  GuestFetchError,
  SettingError,
  OutOfFrames,
  DiskError,
  InspectorPortError,
  PortOverlapError,
];

/** One line for what a user can do something about; the stack of everything else. */
function describeError(error: unknown): string {
  if (EXPECTED.some((kind) => error instanceof kind)) return (error as Error).message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
