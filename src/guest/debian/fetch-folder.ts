import { accessSync, constants, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { GuestFetchError } from "../errors.ts";
import { OWN_IMAGES_HINT } from "./apt.ts";
import { CACHE_VARIABLE } from "./cache.ts";
import { CommandNotFoundError } from "./command.ts";
import { isAlive, withLock } from "./lock.ts";

/** A folder of the cache, and how it is filled. */
export interface FetchedFolder<Found> {
  readonly cacheDirectory: string;
  /** Its name in the cache. */
  readonly folder: string;
  readonly progress: (line: string) => void;
  /** Fill it again even when it is there. */
  readonly refresh: boolean;
  /** What is in it, or undefined. */
  readonly cached: () => Found | undefined;
  /** Puts everything into `result`, which does not exist yet, using `temporary` as it likes. Returns what to call it. */
  readonly fill: (temporary: string, result: string) => Promise<string>;
  /** What messages about a failure end with. Default: that there are flags for images of one's own. */
  readonly hint?: string;
}

/**
 * What a folder of the cache holds, filled if it is not there. It appears complete or not at all; of two processes one fetches and the other waits.
 *
 * @throws GuestFetchError
 */
export async function fetchFolder<Found extends { readonly fromCache: boolean }>(
  folder: FetchedFolder<Found>,
): Promise<Found> {
  const { cacheDirectory, progress, refresh, hint = OWN_IMAGES_HINT } = folder;
  const cached = folder.cached();
  if (cached && !refresh) return cached;
  prepareCache(cacheDirectory, hint);
  const onWait = (pid: number): void =>
    progress(`process ${pid} is fetching the guest already; waiting for it`);
  return withLock(
    join(cacheDirectory, "fetch.lock"),
    async () => {
      const meanwhile = folder.cached();
      if (meanwhile && !refresh) return meanwhile;
      await fetchInto(folder, hint);
      const fetched = folder.cached();
      if (!fetched)
        throw new GuestFetchError("unpack-failed", `The guest just fetched is not in ${cacheDirectory}.`);
      return { ...fetched, fromCache: false };
    },
    { onWait },
  );
}

/** The package of that name among the files that apt has left. @throws GuestFetchError */
export function packageFile(directory: string, name: string, hint = OWN_IMAGES_HINT): string {
  const file = readdirSync(directory).find((candidate) => candidate.startsWith(`${name}_`));
  if (!file) throw new GuestFetchError("apt-failed", `apt-get left no file for ${name}. ${hint}`);
  return join(directory, file);
}

/** No source of apt's has the package; `trouble` is what its update complained about. */
export function noPackage(name: string, trouble: string, hint = OWN_IMAGES_HINT): GuestFetchError {
  const why =
    trouble === ""
      ? "Debian 12 has it; is one of its mirrors in /etc/apt?"
      : `apt-get update said: ${trouble}`;
  return new GuestFetchError("no-package", `apt's sources offer no ${name} for i386. ${why} ${hint}`);
}

function prepareCache(directory: string, hint: string): void {
  try {
    mkdirSync(directory, { recursive: true });
    accessSync(directory, constants.W_OK);
  } catch (error) {
    throw new GuestFetchError(
      "cache-not-writable",
      `The folder ${directory} for fetched guests cannot be written: name another in the environment variable ` +
        `${CACHE_VARIABLE}. ${hint}`,
      { cause: error },
    );
  }
}

/** Removes what fetches that were killed have left. */
function removeAbandoned(cacheDirectory: string): void {
  for (const name of readdirSync(cacheDirectory)) {
    const pid = /^fetch-(\d+)-/.exec(name)?.[1];
    if (pid && !isAlive(Number(pid))) rmSync(join(cacheDirectory, name), { recursive: true, force: true });
  }
}

async function fetchInto(
  { cacheDirectory, folder, fill, progress }: FetchedFolder<unknown>,
  hint: string,
): Promise<void> {
  removeAbandoned(cacheDirectory);
  const temporary = mkdtempSync(join(cacheDirectory, `fetch-${process.pid}-`));
  try {
    const result = join(temporary, folder);
    const what = await fill(temporary, result);
    const target = join(cacheDirectory, folder);
    // A folder cannot be renamed onto one that is not empty, so an older one steps aside first.
    try {
      renameSync(target, join(temporary, "old"));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
    renameSync(result, target);
    progress(`${what} are in ${target}`);
  } catch (error) {
    if (error instanceof CommandNotFoundError) {
      throw new GuestFetchError(
        "no-apt",
        `This machine has no apt to fetch Debian's packages with (${error.message}) ${hint}`,
        { cause: error },
      );
    }
    throw error;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}
