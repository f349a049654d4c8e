import { READY_MARK } from "../../src/guest/initramfs/init-script.ts";

/** What a contestant's process tells, one JSON object a line on stdout. */
export interface MarkLine {
  /** begin: the process is up and starts to build its machine; the others: what the guest has printed. */
  readonly mark: "begin" | "ready" | "forkBegin" | "forkEnd";
  /** Instructions that the guest has executed so far, where the contestant counts them. */
  readonly instructions?: number;
  /** forkBegin, forkEnd: the number of the guest's newest process. */
  readonly pid?: number;
}

const FORK_BEGIN = "BENCH-BEGIN";
const FORK_END = "BENCH-END";

/**
 * What the guest does once it is up: so many times fork and exec. The path has a slash in it, so that the shell cannot run its own
 * `true` instead; the numbers of the newest process prove that it has not.
 */
export function forkScript(count: number): string {
  return [
    "read one five fifteen running newest < /proc/loadavg",
    `echo ${FORK_BEGIN} $newest`,
    `for i in $(seq ${count}); do /bin/busybox true; done`,
    "read one five fifteen running newest < /proc/loadavg",
    `echo ${FORK_END} $newest`,
  ].join("\n");
}

/** Reads a guest's console for the marks. */
export class MarkReader {
  readonly #found: (line: MarkLine) => void;
  #line = "";

  constructor(found: (line: MarkLine) => void) {
    this.#found = found;
  }

  /** The guest has sent something; characters are bytes. */
  text(text: string): void {
    const lines = (this.#line + text).split("\n");
    this.#line = lines.pop() ?? "";
    for (const line of lines) this.#look(line.trim());
  }

  #look(line: string): void {
    if (line === READY_MARK) this.#found({ mark: "ready" });
    const [word, pid] = line.split(" ");
    if (word === FORK_BEGIN) this.#found({ mark: "forkBegin", pid: Number(pid) });
    if (word === FORK_END) this.#found({ mark: "forkEnd", pid: Number(pid) });
  }
}

/** For a contestant's process: tells its parent. */
export function tell(line: MarkLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
