import { spawn } from "node:child_process";

export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The program is not installed (or not on PATH). */
export class CommandNotFoundError extends Error {
  constructor(program: string, options?: ErrorOptions) {
    super(`The program ${program} is not installed.`, options);
    this.name = "CommandNotFoundError";
  }
}

/**
 * Runs a program to its end with the C locale and no standard input. A status other than 0 is not an error here.
 *
 * @throws CommandNotFoundError
 */
export function runCommand(program: string, args: readonly string[], cwd?: string): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    child.on("error", (error: NodeJS.ErrnoException) => {
      reject(error.code === "ENOENT" ? new CommandNotFoundError(program, { cause: error }) : error);
    });
    child.on("close", (status) => {
      resolve({
        status: status ?? 1,
        stdout: Buffer.concat(out).toString("utf8"),
        stderr: Buffer.concat(err).toString("utf8"),
      });
    });
  });
}
