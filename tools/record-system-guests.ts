/**
 * Assembles the guests of test/cpu/system/guests and records what QEMU makes of each, for the tests to compare with. Needs nasm and
 * qemu-system-i386; the tests need neither. A guest that begins its lines with ";= " says itself what it must print, by the manual, because
 * QEMU is known to be wrong there. The guest of test/cpu/system/shutdowns is recorded for each of its command lines: QEMU must come to a triple fault.
 *
 *     npm run record:system
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../test/cpu/system/guests/", import.meta.url));
const SHUTDOWNS = fileURLToPath(new URL("../test/cpu/system/shutdowns/", import.meta.url));
const LONGEST_MS = 20_000;
/** What QEMU ends with: the guest has written 0 to the exit device; the processor has shut down. */
const Status = { exited: 1, shutDown: 0 } as const;

const work = mkdtempSync(join(tmpdir(), "umbra-record-"));
try {
  for (const name of readdirSync(FOLDER).filter((file) => file.endsWith(".asm"))) {
    const image = assemble(join(FOLDER, name));
    const own = readFileSync(join(FOLDER, name), "utf8")
      .split("\n")
      .filter((line) => line.startsWith(";= "))
      .map((line) => line.slice(3).trimEnd());
    const output = own.length > 0 ? own : linesOf(qemu(image, Status.exited));
    const record = {
      by: own.length > 0 ? "the manual" : "qemu-system-i386",
      image: readFileSync(image).toString("base64"),
      output,
    };
    write(join(FOLDER, name), record);
    process.stdout.write(`${name}: ${output.length} lines by ${record.by}\n`);
  }
  const image = assemble(join(SHUTDOWNS, "shutdown.asm"));
  const outputs: string[] = [];
  for (;;) {
    const { stdout, status } = runQemu(image, String(outputs.length));
    // The first command line that names no way.
    if (status === Status.exited) break;
    outputs.push(stdout);
  }
  write(join(SHUTDOWNS, "shutdown.asm"), { image: readFileSync(image).toString("base64"), outputs });
  process.stdout.write(`shutdown.asm: ${outputs.length} ways\n`);
} finally {
  rmSync(work, { recursive: true });
}

function assemble(source: string): string {
  const image = join(work, "image");
  execFileSync("nasm", ["-f", "bin", "-I", FOLDER, "-o", image, source], { stdio: "inherit" });
  return image;
}

function write(source: string, record: object): void {
  writeFileSync(source.replace(/\.asm$/, ".json"), `${JSON.stringify(record, undefined, 2)}\n`);
}

function qemu(image: string, expected: number): string {
  const { stdout, status } = runQemu(image, "");
  if (status !== expected)
    throw new Error(`qemu-system-i386 ended with ${status}; the guest prints:\n${stdout.slice(0, 2000)}`);
  return stdout;
}

function runQemu(image: string, commandLine: string): { stdout: string; status: number } {
  const { stdout, status, error } = spawnSync(
    "qemu-system-i386",
    ["-cpu", "max", "-kernel", image, "-append", commandLine].concat(
      ["-display", "none", "-debugcon", "stdio", "-no-reboot"],
      ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"],
    ),
    { encoding: "latin1", timeout: LONGEST_MS, stdio: ["ignore", "pipe", "inherit"] },
  );
  if (error !== undefined) throw error;
  if (status === null) throw new Error("qemu-system-i386 was killed by a signal");
  return { stdout, status };
}

function linesOf(text: string): string[] {
  const lines = text.split("\n").map((line) => line.trimEnd());
  if (lines.at(-1) === "") lines.pop();
  return lines;
}
