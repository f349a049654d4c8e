import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const RECORD = 256;

/** Why the processor cannot serve as oracle here, or undefined when it can. */
export function oracleMissing(): string | undefined {
  if (process.arch !== "x64") return `the processor is ${process.arch}, not x64`;
  if (spawnSync("gcc", ["--version"]).status !== 0) return "no gcc to build test/cpu/fpu/native/x87.c with";
  return undefined;
}

/** Executes records (see x87.c) on this machine's x87 and returns them as they are afterwards. */
export function runOnProcessor(records: Uint8Array): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "umbra-x87-"));
  try {
    const program = join(folder, "x87");
    execFileSync("gcc", ["-O1", "-o", program, fileURLToPath(new URL("x87.c", import.meta.url))]);
    return new Uint8Array(execFileSync(program, { input: records, maxBuffer: records.length + 4096 }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
