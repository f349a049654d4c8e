import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Contestant } from "./contestants.ts";
import { type MarkLine, MarkReader } from "./marks.ts";

/** One boot of one contestant. Times are the parent's wall clock, in ms. */
export interface BootRun {
  /** From the start of the process until it begins to build its machine. */
  readonly startMs: number;
  /** From there until the guest's user space is up. */
  readonly readyMs: number;
  /** What the forks and execs took. */
  readonly forkMs: number;
  /** Processor time of all its threads meanwhile: what counts on a machine that has other work. */
  readonly readyCpuMs?: number;
  readonly forkCpuMs?: number;
  /** Processes that the guest made meanwhile. */
  readonly processes: number;
  /** Executed until user space was up, and by the forks and execs; where the contestant counts. */
  readonly readyInstructions?: number;
  readonly forkInstructions?: number;
  /** Most memory that the process has held at any time. */
  readonly peakRssMiB?: number;
}

/** A contestant did not come to the end. */
export class BootRunError extends Error {
  override readonly name = "BootRunError";
}

/** How much of what a contestant said last goes into an error's message. */
const LAST_WORDS = 400;

/** Boots once and kills the process at the last mark. Throws BootRunError when it ends before, or takes longer than `patienceMs`. */
export function runBoot(contestant: Contestant, patienceMs: number): Promise<BootRun> {
  const { title, command, args } = contestant;
  return new Promise((resolve, reject) => {
    const spawnedAt = performance.now();
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    const marks = new Map<MarkLine["mark"], TimedMark>();
    let words = "";
    const fail = (why: string): void => {
      child.kill("SIGKILL");
      reject(new BootRunError(`${title} ${why}${words === "" ? "" : `; its last words:\n${words}`}`));
    };
    const timer = setTimeout(() => fail(`was not through after ${patienceMs / 1000} s`), patienceMs);
    const listen = (text: string): void => {
      words = (words + text).slice(-LAST_WORDS);
    };
    const mark = (line: MarkLine): void => {
      const atMs = performance.now() - spawnedAt;
      marks.set(line.mark, {
        ...line,
        atMs,
        cpuMs: child.pid === undefined ? undefined : cpuTime(child.pid),
      });
      if (line.mark !== "forkEnd") return;
      const peakRssMiB = child.pid === undefined ? undefined : peakRss(child.pid);
      clearTimeout(timer);
      child.kill("SIGKILL");
      const run = runOf(marks, peakRssMiB);
      if (run === undefined) fail("has left out a mark");
      else resolve(run);
    };
    const reader = contestant.stdout === "console" ? new MarkReader(mark) : new MarkLines(mark);
    if (contestant.stdout === "console") mark({ mark: "begin" });
    child.stdout.setEncoding("latin1").on("data", (text: string) => {
      listen(text);
      reader.text(text);
    });
    child.stderr.setEncoding("utf8").on("data", listen);
    child.on("error", (error) => fail(`cannot be started: ${error.message}`));
    child.on("close", (code) => {
      clearTimeout(timer);
      if (!marks.has("forkEnd")) fail(`ended early, with exit code ${code}`);
    });
  });
}

/** A mark, with the times since the process was started. */
interface TimedMark extends MarkLine {
  readonly atMs: number;
  readonly cpuMs: number | undefined;
}

function runOf(
  marks: ReadonlyMap<MarkLine["mark"], TimedMark>,
  peakRssMiB: number | undefined,
): BootRun | undefined {
  const begin = marks.get("begin");
  const ready = marks.get("ready");
  const forkBegin = marks.get("forkBegin");
  const forkEnd = marks.get("forkEnd");
  if (!begin || !ready || !forkBegin || !forkEnd) return undefined;
  const executed = (from: MarkLine | undefined, to: MarkLine): number | undefined =>
    to.instructions === undefined ? undefined : to.instructions - (from?.instructions ?? 0);
  const spent = (from: TimedMark, to: TimedMark): number | undefined =>
    from.cpuMs === undefined || to.cpuMs === undefined ? undefined : to.cpuMs - from.cpuMs;
  const readyInstructions = executed(undefined, ready);
  const forkInstructions = executed(forkBegin, forkEnd);
  const readyCpuMs = spent(begin, ready);
  const forkCpuMs = spent(forkBegin, forkEnd);
  return {
    startMs: begin.atMs,
    readyMs: ready.atMs - begin.atMs,
    forkMs: forkEnd.atMs - forkBegin.atMs,
    processes: (forkEnd.pid ?? 0) - (forkBegin.pid ?? 0),
    ...(readyCpuMs !== undefined && { readyCpuMs }),
    ...(forkCpuMs !== undefined && { forkCpuMs }),
    ...(readyInstructions !== undefined && { readyInstructions }),
    ...(forkInstructions !== undefined && { forkInstructions }),
    ...(peakRssMiB !== undefined && { peakRssMiB }),
  };
}

/** The high-water mark of a living process (Linux, proc(5): VmHWM); undefined when there is none to be had. */
function peakRss(pid: number): number | undefined {
  try {
    const found = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    return found === null ? undefined : Number(found[1]) / 1024;
  } catch {
    return undefined;
  }
}

/** Length of the kernel's clock tick towards user space (sysconf _SC_CLK_TCK is 100 on every Linux). */
const TICK_MS = 10;
/** Fields of /proc/PID/stat behind the command's name, which is in parentheses: user and system time are the 12th and 13th of them. */
const UTIME_FIELD = 11;

/** User and system time of all threads of a living process (Linux, proc(5)); undefined when there is none to be had. */
function cpuTime(pid: number): number | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return (Number(fields[UTIME_FIELD]) + Number(fields[UTIME_FIELD + 1])) * TICK_MS;
  } catch {
    return undefined;
  }
}

/** Puts lines of JSON together. */
class MarkLines {
  readonly #found: (line: MarkLine) => void;
  #rest = "";

  constructor(found: (line: MarkLine) => void) {
    this.#found = found;
  }

  text(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) if (line.startsWith("{")) this.#found(JSON.parse(line) as MarkLine);
  }
}
