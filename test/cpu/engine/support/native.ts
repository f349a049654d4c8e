import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Runs stretches of code on this machine's processor by way of native.c. */

/** Both areas lie half in one page and half in the next. */
export const DATA = 0x10000f80;
export const STACK = 0x10003f80;
export const WORDS = 64;
/** Code lies in these two pages. */
export const CODE_AREA = 0x10010000;

/** Registers in encoding order, EFLAGS, and the words at DATA and at STACK. */
export interface Snapshot {
  readonly regs: readonly number[];
  readonly eflags: number;
  readonly data: Uint32Array;
  readonly stack: Uint32Array;
}

export interface Stretch extends Snapshot {
  readonly origin: number;
  readonly code: Uint8Array;
}

export interface Outcome extends Snapshot {
  /** 0, or the signal that an instruction caused: 8 SIGFPE, 4 SIGILL, 11 SIGSEGV, 5 SIGTRAP. */
  readonly signal: number;
  /** Where it ended: behind the code, or at the instruction that caused the signal. */
  readonly eip: number;
}

const OUT_WORDS = 2 + 8 + 1 + 2 * WORDS;

export class NativeProcessor {
  readonly #directory: string;
  readonly #program: string;

  private constructor(directory: string, program: string) {
    this.#directory = directory;
    this.#program = program;
  }

  /** Builds the program; undefined where gcc cannot build or this machine cannot run 32-bit x86 programs. */
  static build(): NativeProcessor | undefined {
    const directory = mkdtempSync(join(tmpdir(), "umbra-engine-"));
    const program = join(directory, "native");
    const source = join(import.meta.dirname, "native.c");
    const built = spawnSync("gcc", ["-m32", "-O1", "-no-pie", "-o", program, source]);
    const ran = built.status === 0 ? spawnSync(program, { input: "" }) : undefined;
    if (ran?.status === 0) return new NativeProcessor(directory, program);
    rmSync(directory, { recursive: true });
    return undefined;
  }

  run(stretches: readonly Stretch[]): Outcome[] {
    const words = stretches.reduce((sum, { code }) => sum + 2 + ((code.length + 3) >> 2) + 9 + 2 * WORDS, 0);
    const input = new Uint32Array(words);
    const bytes = new Uint8Array(input.buffer);
    let at = 0;
    for (const one of stretches) {
      input[at] = one.origin;
      input[at + 1] = one.code.length;
      bytes.set(one.code, (at + 2) * 4);
      at += 2 + ((one.code.length + 3) >> 2);
      input.set(one.regs, at);
      input[at + 8] = one.eflags;
      input.set(one.data, at + 9);
      input.set(one.stack, at + 9 + WORDS);
      at += 9 + 2 * WORDS;
    }
    const expected = stretches.length * OUT_WORDS * 4;
    const ran = spawnSync(this.#program, { input: bytes, maxBuffer: expected + 4096 });
    if (ran.status !== 0 || ran.stdout.length !== expected)
      throw new Error(`the native program ended with status ${ran.status}, signal ${ran.signal}`);
    const output = new Uint32Array(Uint8Array.from(ran.stdout).buffer);
    return stretches.map((_, n) => {
      const from = n * OUT_WORDS;
      return {
        signal: output[from] as number,
        eip: output[from + 1] as number,
        regs: [...output.subarray(from + 2, from + 10)],
        eflags: output[from + 10] as number,
        data: output.slice(from + 11, from + 11 + WORDS),
        stack: output.slice(from + 11 + WORDS, from + OUT_WORDS),
      };
    });
  }

  dispose(): void {
    rmSync(this.#directory, { recursive: true });
  }
}
