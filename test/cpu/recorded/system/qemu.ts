import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { moduleOf, recordsIn, type SystemRecord, WHERE } from "./record.ts";

/** harness.asm in qemu-system-i386: what records cases. Needs nasm and QEMU; what replays them needs neither. */

const MEMORY_MIB = 64;
const LONGEST_MS = 60_000;

export class SystemOracle {
  readonly #folder = mkdtempSync(join(tmpdir(), "umbra-system-"));
  /** The guest, as a Multiboot kernel. */
  readonly image: Uint8Array;
  readonly name: string;

  /** Throws when nasm or QEMU is missing. */
  constructor() {
    const image = join(this.#folder, "image");
    execFileSync("nasm", ["-f", "bin", "-o", image, join(import.meta.dirname, "harness.asm")], {
      stdio: "inherit",
    });
    this.image = readFileSync(image);
    const version =
      execFileSync("qemu-system-i386", ["--version"], { encoding: "utf8" }).split("\n")[0] ?? "";
    const number = /version ([0-9.]+)/.exec(version)?.[1] ?? "?";
    this.name = `qemu-system-i386 version ${number}, system code`;
  }

  /** Outcomes in the order of the cases. Throws when the guest does not come to its end. */
  run(cases: readonly SystemRecord[]): SystemRecord[] {
    const [image, module, memory] = ["image", "module", "memory"].map((name) => join(this.#folder, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(module, moduleOf(cases));
    rmSync(memory, { force: true });
    const { status, signal, error } = spawnSync(
      "qemu-system-i386",
      [
        ...["-cpu", "max", "-kernel", image, "-initrd", module, "-display", "none", "-no-reboot"],
        ...["-m", String(MEMORY_MIB), "-machine", "memory-backend=m"],
        ...["-object", `memory-backend-file,id=m,size=${MEMORY_MIB}M,mem-path=${memory},share=on`],
        ...["-device", "isa-debug-exit,iobase=0xf4,iosize=4"],
      ],
      { stdio: ["ignore", "inherit", "inherit"], timeout: LONGEST_MS },
    );
    if (error !== undefined) throw error;
    const bytes = readFileSync(memory);
    if (status !== 1) throw new Error(`ended with ${status ?? signal}: ${whereStuck(bytes, cases.length)}`);
    return outcomesIn(bytes, cases.length);
  }

  dispose(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function outcomesIn(memory: Uint8Array, count: number): SystemRecord[] {
  const at = new DataView(memory.buffer, memory.byteOffset).getUint32(WHERE, true);
  const found = recordsIn(memory.subarray(at));
  if (found.length !== count) throw new Error(`${found.length} outcomes of ${count} cases`);
  return found;
}

function whereStuck(memory: Uint8Array, count: number): string {
  const done = outcomesIn(memory, count).findIndex((record) => record.get(64) === 0 && record.get(68) === 0);
  return `case ${done} or one before it`;
}
