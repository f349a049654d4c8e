import { parseArgs } from "node:util";

/** An option that cannot be used as given. */
export class BenchUsageError extends Error {
  override readonly name = "BenchUsageError";
}

export interface BenchCommand<Flag extends string> {
  readonly usage: string;
  /** Options with a value, and what they are when not given. */
  readonly values: Readonly<Record<Flag, string | undefined>>;
}

export type BenchValues<Flag extends string> = Readonly<Record<Flag, string | undefined>>;

/** Reads a benchmark's command line; undefined when only help was wanted (and has been printed). Throws BenchUsageError. */
export function benchOptions<Flag extends string>(
  command: BenchCommand<Flag>,
  argv: readonly string[] = process.argv.slice(2),
): BenchValues<Flag> | undefined {
  const names = Object.keys(command.values) as Flag[];
  let values: Record<string, string | boolean | undefined>;
  try {
    ({ values } = parseArgs({
      args: [...argv],
      options: {
        help: { type: "boolean", default: false },
        ...Object.fromEntries(names.map((name) => [name, { type: "string" as const }])),
      },
    }));
  } catch (error) {
    throw new BenchUsageError((error as Error).message);
  }
  if (values["help"] === true) {
    process.stdout.write(command.usage);
    return undefined;
  }
  const chosen = names.map((name) => [name, (values[name] as string | undefined) ?? command.values[name]]);
  return Object.fromEntries(chosen) as BenchValues<Flag>;
}

/** A whole number of at least 1. Throws BenchUsageError. */
export function countOption(name: string, text: string | undefined): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new BenchUsageError(`--${name} takes a whole number of at least 1, not "${text}"`);
  return value;
}

/** Some of the known names, separated by commas; all of them when not given. Throws BenchUsageError. */
export function chosenFrom<Name extends string>(
  name: string,
  text: string | undefined,
  known: readonly Name[],
): Name[] {
  if (text === undefined) return [...known];
  return text.split(",").map((part) => {
    const found = known.find((candidate) => candidate === part.trim());
    if (found === undefined)
      throw new BenchUsageError(`--${name}: there is no "${part}"; there are: ${known.join(", ")}`);
    return found;
  });
}

/** Runs a benchmark's main, turning errors of use into one line and exit code 2. */
export async function runBench(main: () => Promise<number> | number): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (error) {
    if (error instanceof BenchUsageError) {
      process.stderr.write(`bench: ${error.message} (--help tells the options)\n`);
      process.exitCode = 2;
    } else {
      process.stderr.write(`bench: ${(error as Error).stack ?? error}\n`);
      process.exitCode = 1;
    }
  }
}
