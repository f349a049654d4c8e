import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Case, INPUT_BYTES, OUTPUT_BYTES, type Outcome, readOutput, writeInput } from "./case.ts";

/** Something that executes cases. */
export interface Oracle {
  /** For people: what it is. */
  readonly name: string;
  /** The bytes that it is to be given for a case; undefined: it cannot execute it. */
  code(one: Case): readonly number[] | undefined;
  run(cases: readonly Case[]): Outcome[];
}

/** The processor's name as the kernel tells it, with family, model and stepping. */
function processorName(): string {
  const text = readFileSync("/proc/cpuinfo", "utf8");
  const field = (name: string) => new RegExp(`^${name}\\s*: (.*)$`, "m").exec(text)?.[1] ?? "?";
  return `${field("model name")} (family ${field("cpu family")}, model ${field("model")}, stepping ${field("stepping")})`;
}

/** Builds harness.c in all the ways that work here, into a folder of its own until `dispose`. */
export class Oracles {
  readonly #folder = mkdtempSync(join(tmpdir(), "umbra-recorded-"));
  /** Executes 64-bit code on the processor. */
  readonly processor64: Oracle | undefined;
  /** Executes 32-bit code: on the processor where its kernel lets it, else in QEMU's user-mode emulation. */
  readonly program32: Oracle | undefined;

  constructor() {
    const wide = this.#build("harness64", []);
    const narrow = this.#build("harness32", ["-m32", "-static"]);
    if (wide && runs([wide]))
      this.processor64 = oracle(`${processorName()}, 64-bit mode`, [wide], (one) => one.code64);
    const flat = (one: Case) => (one.codeBits === 32 && one.base === 0 ? one.code : undefined);
    if (narrow && runs([narrow])) this.program32 = oracle(`${processorName()}, 32-bit mode`, [narrow], flat);
    else if (narrow && runs(["qemu-i386", narrow])) {
      const version = spawnSync("qemu-i386", ["--version"], { encoding: "utf8" }).stdout.split("\n")[0] ?? "";
      this.program32 = oracle(version.replace(/ \(.*/, ""), ["qemu-i386", "-cpu", "max", narrow], flat);
    }
  }

  dispose(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #build(name: string, flags: readonly string[]): string | undefined {
    const program = join(this.#folder, name);
    const source = join(import.meta.dirname, "harness.c");
    return spawnSync("gcc", ["-O1", ...flags, "-o", program, source]).status === 0 ? program : undefined;
  }
}

const runs = (command: readonly string[]): boolean =>
  spawnSync(command[0] as string, command.slice(1), { input: "" }).status === 0;

function oracle(name: string, command: readonly string[], code: Oracle["code"]): Oracle {
  return {
    name,
    code,
    run(cases) {
      const input = Buffer.alloc(cases.length * INPUT_BYTES);
      const view = new DataView(input.buffer, input.byteOffset, input.length);
      cases.forEach((one, n) => {
        writeInput(one, code(one) as readonly number[], view, n * INPUT_BYTES);
      });
      const size = cases.length * OUTPUT_BYTES;
      const ran = spawnSync(command[0] as string, command.slice(1), { input, maxBuffer: size + 4096 });
      if (ran.status !== 0 || ran.stdout.length !== size)
        throw new Error(
          `${name}: ended with status ${ran.status}, signal ${ran.signal} after ${Math.floor(ran.stdout.length / OUTPUT_BYTES)} of ${cases.length} cases`,
        );
      const output = new DataView(ran.stdout.buffer, ran.stdout.byteOffset, ran.stdout.length);
      return cases.map((one, n) => {
        const given = code(one) as readonly number[];
        const outcome = readOutput(one, given, output, n * OUTPUT_BYTES);
        // The 32-bit program neither sets nor sees floating-point state: what it executes has none.
        return given === one.code ? { ...outcome, fx: one.fx } : outcome;
      });
    },
  };
}
