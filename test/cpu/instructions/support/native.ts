import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Runs single instructions on this machine's processor by way of native.c. */

/** Where the data words are while an instruction runs. */
export const DATA_ADDRESS = 0x10000000;
export const DATA_WORDS = 16;

/** Registers in encoding order, EFLAGS, and the words at DATA_ADDRESS. */
export interface Snapshot {
  readonly regs: readonly number[];
  readonly eflags: number;
  readonly data: readonly number[];
}

export interface NativeCase extends Snapshot {
  readonly code: readonly number[];
}

export interface NativeResult extends Snapshot {
  /** 0, or the signal that the instruction caused (8 SIGFPE, 4 SIGILL, 11 SIGSEGV); then the rest is the input. */
  readonly signal: number;
}

const IN_BYTES = 16 + 4 + 32 + 4 + 4 * DATA_WORDS;
const OUT_BYTES = 4 + 32 + 4 + 4 * DATA_WORDS;

export class NativeProcessor {
  readonly #directory: string;
  readonly #program: string;

  private constructor(directory: string, program: string) {
    this.#directory = directory;
    this.#program = program;
  }

  /** Builds the program; undefined where gcc cannot build or this machine cannot run 32-bit x86 programs. */
  static build(): NativeProcessor | undefined {
    const directory = mkdtempSync(join(tmpdir(), "umbra-native-"));
    const program = join(directory, "native");
    const source = join(import.meta.dirname, "native.c");
    const built = spawnSync("gcc", ["-m32", "-O1", "-no-pie", "-o", program, source]);
    const ran = built.status === 0 ? spawnSync(program, { input: "" }) : undefined;
    if (ran?.status === 0) return new NativeProcessor(directory, program);
    rmSync(directory, { recursive: true });
    return undefined;
  }

  run(cases: readonly NativeCase[]): NativeResult[] {
    const input = Buffer.alloc(cases.length * IN_BYTES);
    cases.forEach((one, n) => {
      const at = n * IN_BYTES;
      input.set(one.code, at);
      const words = [one.code.length, ...one.regs, one.eflags, ...one.data];
      words.forEach((word, k) => {
        input.writeUInt32LE(word >>> 0, at + 16 + 4 * k);
      });
    });
    const ran = spawnSync(this.#program, { input, maxBuffer: cases.length * OUT_BYTES + 4096 });
    if (ran.status !== 0 || ran.stdout.length !== cases.length * OUT_BYTES)
      throw new Error(`the native program ended with status ${ran.status}, signal ${ran.signal}`);
    return cases.map((_, n) => readResult(ran.stdout, n * OUT_BYTES));
  }

  dispose(): void {
    rmSync(this.#directory, { recursive: true });
  }
}

function readResult(output: Buffer, at: number): NativeResult {
  const word = (n: number) => output.readUInt32LE(at + 4 * n);
  const words = (from: number, count: number) => Array.from({ length: count }, (_, n) => word(from + n));
  return { signal: word(0), regs: words(1, 8), eflags: word(9), data: words(10, DATA_WORDS) };
}
