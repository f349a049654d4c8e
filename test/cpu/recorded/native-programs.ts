import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, parse } from "node:path";

/** A program that was built, and what executes it. */
export interface NativeProgram {
  readonly command: readonly string[];
  /** For people: the processor, or the emulator. */
  readonly executor: string;
}

/** The processor's name as the kernel tells it, with family, model and stepping. */
function processorName(): string {
  const text = readFileSync("/proc/cpuinfo", "utf8");
  const field = (name: string) => new RegExp(`^${name}\\s*: (.*)$`, "m").exec(text)?.[1] ?? "?";
  return `${field("model name")} (family ${field("cpu family")}, model ${field("model")}, stepping ${field("stepping")})`;
}

function emulatorName(): string {
  const version = spawnSync("qemu-i386", ["--version"], { encoding: "utf8" }).stdout.split("\n")[0] ?? "";
  return version.replace(/ \(.*/, "");
}

const runs = (command: readonly string[]): boolean =>
  spawnSync(command[0] as string, command.slice(1), { input: "" }).status === 0;

/** Builds C programs with gcc, into a folder of its own until `dispose`. They must end well when they get no input. */
export class NativePrograms {
  readonly #folder = mkdtempSync(join(tmpdir(), "umbra-recorded-"));

  /** Of 64-bit code, on the processor; undefined where that cannot be built or run. */
  build64(source: string): NativeProgram | undefined {
    const program = this.#build(source, "64", []);
    if (!program || !runs([program])) return undefined;
    return { command: [program], executor: `${processorName()}, 64-bit mode` };
  }

  /** Of 32-bit code: on the processor where its kernel lets it, else in QEMU's user-mode emulation. */
  build32(source: string): NativeProgram | undefined {
    const program = this.#build(source, "32", ["-m32", "-static"]);
    if (!program) return undefined;
    if (runs([program])) return { command: [program], executor: `${processorName()}, 32-bit mode` };
    if (!runs(["qemu-i386", program])) return undefined;
    return { command: ["qemu-i386", "-cpu", "max", program], executor: emulatorName() };
  }

  dispose(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #build(source: string, suffix: string, flags: readonly string[]): string | undefined {
    const program = join(this.#folder, parse(source).name + suffix);
    return spawnSync("gcc", ["-O1", ...flags, "-o", program, source]).status === 0 ? program : undefined;
  }
}

/** What a program says to an input, which must be so many bytes. */
export function answerOf({ command, executor }: NativeProgram, input: Uint8Array, size: number): Buffer {
  const ran = spawnSync(command[0] as string, command.slice(1), { input, maxBuffer: size + 4096 });
  if (ran.status !== 0 || ran.stdout.length !== size)
    throw new Error(
      `${executor}: ended with status ${ran.status}, signal ${ran.signal} after ${ran.stdout.length} of ${size} bytes`,
    );
  return ran.stdout;
}
