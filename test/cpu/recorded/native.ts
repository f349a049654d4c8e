import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where code and data are while an instruction runs; nothing is at the pages beside them. */
export const CODE = 0x100000;
export const DATA = 0x110000;
export const DATA_WORDS = 16;

/** Registers in encoding order, EFLAGS, and the data words. */
export interface Snapshot {
  readonly regs: readonly number[];
  readonly eflags: number;
  readonly data: readonly number[];
}

export interface Case extends Snapshot {
  readonly code: readonly number[];
  /** Of the data words, from DATA. */
  readonly offset: number;
}

export interface Outcome extends Snapshot {
  /** Of the exception, -1 if there was none. */
  readonly vector: number;
  /** The instruction is a branch, and was taken. */
  readonly taken: boolean;
  /** Linear address of a page fault, else 0. */
  readonly address: number;
}

/** Branches are to so many bytes after their instruction. */
export const BRANCH = 14;
const TAKEN = 254;
const IN_BYTES = 16 + 4 * (1 + 8 + 1 + 1 + DATA_WORDS);
const OUT_BYTES = 4 * (2 + 8 + 1 + DATA_WORDS);

/** Runs cases on this machine's processor. Throws where gcc cannot build for x86-64, or this machine cannot run it. */
export function runOnProcessor(cases: readonly Case[]): Outcome[] {
  const directory = mkdtempSync(join(tmpdir(), "umbra-native-"));
  try {
    const program = join(directory, "native");
    const source = join(import.meta.dirname, "native.c");
    const built = spawnSync("gcc", ["-O1", "-no-pie", "-static", "-o", program, source], {
      encoding: "utf8",
    });
    if (built.status !== 0)
      throw new Error(`gcc cannot build ${source}: ${built.stderr ?? built.error?.message}`);
    const input = Buffer.alloc(cases.length * IN_BYTES);
    for (const [n, one] of cases.entries()) {
      input.set(one.code, n * IN_BYTES);
      for (const [k, word] of [one.code.length, ...one.regs, one.eflags, one.offset, ...one.data].entries())
        input.writeUInt32LE(word >>> 0, n * IN_BYTES + 16 + 4 * k);
    }
    const ran = spawnSync(program, { input, maxBuffer: cases.length * OUT_BYTES + 4096 });
    if (ran.status !== 0 || ran.stdout.length !== cases.length * OUT_BYTES)
      throw new Error(`the native program ended with status ${ran.status}, signal ${ran.signal}`);
    return cases.map((_, n) => outcomeAt(ran.stdout, n * OUT_BYTES));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function outcomeAt(output: Buffer, at: number): Outcome {
  const words = (from: number, count: number): number[] =>
    Array.from({ length: count }, (_, n) => output.readUInt32LE(at + 4 * (from + n)));
  const [vector, address] = words(0, 2) as [number, number];
  return {
    vector: vector >= TAKEN ? -1 : vector,
    taken: vector === TAKEN,
    address,
    regs: words(2, 8),
    eflags: words(10, 1)[0] as number,
    data: words(11, DATA_WORDS),
  };
}

/** Its name, as Linux tells it. */
export function processorName(): string {
  const line = /^model name\s*: (.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"));
  const family = /^cpu family\s*: (.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"));
  return `${line?.[1] ?? "unknown"} (family ${family?.[1] ?? "unknown"})`;
}
