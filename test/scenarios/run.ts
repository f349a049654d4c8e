import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export interface ScenarioRun {
  readonly code: number | null;
  readonly stdout: string;
  /** Lines on stderr. */
  readonly errors: readonly string[];
  /** The last line of stdout, parsed; undefined when it is not JSON. */
  readonly json: Record<string, unknown> | undefined;
}

/** Runs a scenario script as a user does. */
export function runScenario(name: string, ...args: string[]): Promise<ScenarioRun> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--import", "tsx", `scenarios/${name}.ts`, ...args], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      stderr += text;
    });
    child.on("error", reject);
    child.on("close", (code) => {
      const errors = stderr.split("\n").filter((line) => line !== "");
      resolve({ code, stdout, errors, json: parse(stdout.trimEnd().split("\n").at(-1)) });
    });
  });
}

function parse(line: string | undefined): Record<string, unknown> | undefined {
  try {
    return JSON.parse(line ?? "") as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
