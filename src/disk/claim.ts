import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DiskError } from "./disk.ts";

/** A file of the host, by whatever path. */
export interface FileIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
}

/** Lock files of this process. */
const held = new Set<string>();

/**
 * Claims a file that will be written: nobody else has it from now on. The claim is a lock file in the folder for temporary files, named by the file's
 * device and inode, with the process number of who holds it. A claim whose holder has died is taken over.
 *
 * @returns gives it up
 * @throws DiskError when another process, or this one, has it
 */
export function claim(what: string, { dev, ino }: FileIdentity): () => void {
  const lock = join(tmpdir(), `umbra-disk-${dev}-${ino}.lock`);
  if (held.has(lock)) throw new DiskError(`Cannot use ${what}: it is in use already, as another disk.`);
  let created = tryCreate(what, lock);
  if (!created && takeFromDead(lock)) created = tryCreate(what, lock);
  if (!created) {
    const holder = holderOf(lock) ?? "unknown";
    throw new DiskError(`Cannot use ${what}: process ${holder} is using it (if it is not, remove ${lock}).`);
  }
  if (held.size === 0) process.once("exit", releaseAll);
  held.add(lock);
  return () => {
    if (!held.delete(lock)) return;
    rmSync(lock, { force: true });
    if (held.size === 0) process.off("exit", releaseAll);
  };
}

function releaseAll(): void {
  for (const lock of held) rmSync(lock, { force: true });
}

/** It comes into being with its content, so that nobody reads it half written. */
function tryCreate(what: string, lock: string): boolean {
  const own = `${lock}.${process.pid}`;
  try {
    writeFileSync(own, `${process.pid}\n`);
    linkSync(own, lock);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return false;
    throw new DiskError(`Cannot use ${what}: no lock can be made at ${lock} (${code}).`, { cause: error });
  } finally {
    rmSync(own, { force: true });
  }
}

/** Removes the lock of a process that is no more. What has become a live one's meanwhile is put back. */
function takeFromDead(lock: string): boolean {
  if (isAlive(holderOf(lock))) return false;
  const taken = `${lock}.${process.pid}.old`;
  try {
    renameSync(lock, taken);
    if (!isAlive(holderOf(taken))) return true;
    linkSync(taken, lock);
    return false;
  } catch {
    // Somebody else was quicker.
    return true;
  } finally {
    rmSync(taken, { force: true });
  }
}

function holderOf(lock: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(lock, "utf8"), 10);
    return pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** One of another user's counts, too. */
function isAlive(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
