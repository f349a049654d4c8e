import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { GuestFetchError } from "../errors.ts";
import { type CommandResult, runCommand } from "./command.ts";

/** What every message about a failed fetch ends with. */
export const OWN_IMAGES_HINT =
  "Give your own images instead: --kernel FILE (a 32-bit bzImage) and --initrd FILE (with an init).";

const ARCHITECTURE = "i386";

/**
 * Settings of the system's that must not be added to: its architectures, and its hooks, which may need root or change its state
 * (container images, for one, empty the system's cache after each update).
 */
const CLEARED = [
  "APT::Architectures",
  "APT::Update::Pre-Invoke",
  "APT::Update::Post-Invoke",
  "APT::Update::Post-Invoke-Success",
];

/**
 * apt with a private state: it reads the system's sources and keyrings (and so verifies signatures), but its package lists,
 * its idea of what is installed and its downloads are in a folder of ours. It needs no root and no lock of the system's.
 */
export class PrivateApt {
  private readonly configuration: string;
  private readonly hint: string;

  /**
   * @param directory an empty or not yet existing folder
   * @param hint what messages about a failure end with
   */
  constructor(directory: string, hint = OWN_IMAGES_HINT) {
    this.hint = hint;
    const state = join(directory, "state");
    const cache = join(directory, "cache");
    mkdirSync(join(state, "lists", "partial"), { recursive: true });
    mkdirSync(join(cache, "archives", "partial"), { recursive: true });
    writeFileSync(join(state, "status"), "");
    const settings = {
      "Dir::State": state,
      "Dir::State::lists": join(state, "lists"),
      "Dir::State::status": join(state, "status"),
      "Dir::Cache": cache,
      "Dir::Log": directory,
      "APT::Architecture": ARCHITECTURE,
      "APT::Architectures::": ARCHITECTURE,
      // Its locks would only keep our own processes apart, which the cache's lock does.
      "Debug::NoLocking": "1",
      // As root apt would download as the user _apt, who may not enter the folder.
      "APT::Sandbox::User": "root",
      "Acquire::Languages": "none",
      "Acquire::Retries": "3",
      "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
      "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled": "false",
    };
    this.configuration = join(directory, "apt.conf");
    const cleared = CLEARED.map((name) => `#clear ${name};\n`);
    const set = Object.entries(settings).map(([name, value]) => `${name} "${value}";\n`);
    writeFileSync(this.configuration, [...cleared, ...set].join(""));
  }

  /**
   * Fetches the package lists. A list that cannot be fetched (a foreign source, a mirror in the middle of an update) is not an
   * error yet: what is missing shows when a package is wanted.
   *
   * @returns what apt complained about, empty when all went well
   */
  async update(): Promise<string> {
    const result = await this.run("apt-get", ["update"]);
    return result.status === 0 ? "" : complaints(result);
  }

  /**
   * The control fields of a package's newest version, or undefined when no source has it.
   */
  async show(name: string): Promise<ReadonlyMap<string, string> | undefined> {
    const result = await this.run("apt-cache", ["show", "--no-all-versions", `${name}:${ARCHITECTURE}`]);
    if (result.status !== 0 || result.stdout.trim() === "") return undefined;
    const fields = new Map<string, string>();
    for (const line of result.stdout.split("\n\n")[0]?.split("\n") ?? []) {
      const colon = line.indexOf(": ");
      if (colon > 0 && !line.startsWith(" ")) fields.set(line.slice(0, colon), line.slice(colon + 2));
    }
    return fields;
  }

  /**
   * Downloads packages into `directory`; apt checks each against the signed lists.
   *
   * @param onBytes called about twice a second with the bytes that have arrived
   * @throws GuestFetchError `apt-failed`
   */
  async download(
    names: readonly string[],
    directory: string,
    onBytes: (bytes: number) => void,
  ): Promise<void> {
    mkdirSync(directory, { recursive: true });
    const timer = setInterval(() => onBytes(folderBytes(directory)), 500);
    try {
      const packages = names.map((name) => `${name}:${ARCHITECTURE}`);
      const result = await this.run("apt-get", ["download", ...packages], directory);
      if (result.status === 0) return;
      throw new GuestFetchError(
        "apt-failed",
        `apt-get could not download ${names.join(" and ")}: ${complaints(result)} ${this.hint}`,
      );
    } finally {
      clearInterval(timer);
    }
  }

  private run(program: string, args: readonly string[], cwd?: string): Promise<CommandResult> {
    return runCommand(program, ["-q", "-c", this.configuration, ...args], cwd);
  }
}

/** apt's errors and, failing those, its last words, on one line. */
function complaints(result: CommandResult): string {
  const lines = result.stderr.split("\n").filter((line) => line.trim() !== "");
  const errors = lines.filter((line) => line.startsWith("E: "));
  const text = (errors.length > 0 ? errors : lines.slice(-3))
    .map((line) => line.replace(/^E: /, ""))
    .join(" ");
  return text === "" ? `it ended with status ${result.status}.` : text;
}

function folderBytes(directory: string): number {
  let sum = 0;
  for (const name of readdirSync(directory)) {
    try {
      sum += statSync(join(directory, name)).size;
    } catch {
      // Renamed since it was listed: counted next time.
    }
  }
  return sum;
}
