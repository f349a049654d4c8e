import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const KERNEL_NAMES = ["sieve", "sha256", "quicksort", "listwalk", "strings"] as const;
export type KernelName = (typeof KERNEL_NAMES)[number];

/** What a kernel sends over COM1: where the measured part begins, and where it ends; four bytes of checksum follow the latter. */
export const BEGIN_BYTE = "S".charCodeAt(0);
export const END_BYTE = "E".charCodeAt(0);
export const CHECKSUM_BYTES = 4;

/** One benchmark kernel: a Multiboot 1 image in ELF. */
export interface Kernel {
  readonly name: KernelName;
  /** Whether it runs with paging on (4 KiB pages, each at its own address). */
  readonly paging: boolean;
  readonly image: Uint8Array;
}

/** A kernel could not be built although the compiler is there. */
export class KernelBuildError extends Error {
  override readonly name = "KernelBuildError";
}

const SOURCES = fileURLToPath(new URL("../guest/", import.meta.url));
/** A processor that all contestants emulate: no MMX, no SSE, and CMOV as P6 has it. */
const FLAGS =
  "-m32 -march=i686 -O2 -ffreestanding -fno-pic -fno-pie -no-pie -fno-stack-protector -fno-asynchronous-unwind-tables " +
  "-fno-tree-loop-distribute-patterns -fno-tree-vectorize -nostdlib -static -Wall -Wl,--build-id=none -Wl,--no-warn-rwx-segments " +
  "-Wl,-z,max-page-size=4096";

/** Why no kernels can be built here, in words; undefined when they can. */
export function compilerMissing(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), "umbra-bench-"));
  try {
    const args = ["-m32", "-nostdlib", "-static", "-x", "c", "-o", join(folder, "probe"), "-"];
    const { error, status } = spawnSync("gcc", args, { input: "void _start(void) {}\n" });
    if (error !== undefined) return "there is no gcc";
    return status === 0 ? undefined : "gcc cannot build 32-bit x86 programs (gcc -m32)";
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Compiles a kernel. Throws KernelBuildError with the compiler's words. */
export function buildKernel(name: KernelName, paging: boolean): Kernel {
  const folder = mkdtempSync(join(tmpdir(), "umbra-bench-"));
  try {
    const output = join(folder, "kernel.elf");
    const args = [
      ...FLAGS.split(" "),
      ...(paging ? ["-DPAGING"] : []),
      `-Wl,-T,${join(SOURCES, "link.ld")}`,
      "-o",
      output,
      join(SOURCES, "start.S"),
      join(SOURCES, `${name}.c`),
    ];
    const { status, stderr } = spawnSync("gcc", args, { encoding: "utf8" });
    if (status !== 0) throw new KernelBuildError(`gcc could not build ${name}.c:\n${stderr}`);
    return { name, paging, image: new Uint8Array(readFileSync(output)) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
