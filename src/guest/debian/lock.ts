import { linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { GuestFetchError } from "../errors.ts";

const POLL_MS = 200;

/** True when a process of this number exists (one of another user's counts). */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

function readHolder(path: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(path, "utf8"), 10);
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** A file that comes into being with its content, so that nobody reads it half written. */
function tryCreate(path: string): boolean {
  const own = `${path}.${process.pid}`;
  writeFileSync(own, `${process.pid}\n`);
  try {
    linkSync(own, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(own, { force: true });
  }
}

export interface LockOptions {
  /** Called once when another process holds the lock. */
  readonly onWait?: (pid: number) => void;
  /** Give up after this long, milliseconds. */
  readonly timeoutMs?: number;
}

/**
 * Runs `work` while holding the lock file at `path`, which names its holder's process. A lock whose holder has died is taken
 * over. What the lock guards must bear two holders (by publishing with a rename), for two processes may take over at once.
 *
 * @throws GuestFetchError `lock-timeout`
 */
export async function withLock<T>(
  path: string,
  work: () => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const deadline = Date.now() + (options.timeoutMs ?? 600_000);
  let hasWaited = false;
  while (!tryCreate(path)) {
    const holder = readHolder(path);
    if (holder !== undefined && !isAlive(holder)) {
      rmSync(path, { force: true });
      continue;
    }
    if (holder !== undefined && !hasWaited) {
      hasWaited = true;
      options.onWait?.(holder);
    }
    if (Date.now() > deadline) {
      throw new GuestFetchError(
        "lock-timeout",
        `Process ${holder ?? "unknown"} has held ${path} for too long: end it, or remove the file if it is not Umbra's.`,
      );
    }
    await sleep(POLL_MS);
  }
  try {
    return await work();
  } finally {
    if (readHolder(path) === process.pid) rmSync(path, { force: true });
  }
}
