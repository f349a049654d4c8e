/**
 * Assembles the guests of test/cpu/system/guests and records what QEMU makes of each, for the tests to compare with. Needs nasm and
 * qemu-system-i386; the tests need neither. A guest that begins its lines with ";= " says itself what it must print, by the manual, because
 * QEMU is known to be wrong there.
 *
 *     npm run record:system
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../test/cpu/system/guests/", import.meta.url));
const LONGEST_MS = 20_000;

const work = mkdtempSync(join(tmpdir(), "umbra-record-"));
try {
  for (const name of readdirSync(FOLDER).filter((file) => file.endsWith(".asm"))) {
    const image = join(work, "image");
    execFileSync("nasm", ["-f", "bin", "-I", FOLDER, "-o", image, join(FOLDER, name)], { stdio: "inherit" });
    const own = readFileSync(join(FOLDER, name), "utf8")
      .split("\n")
      .filter((line) => line.startsWith(";= "))
      .map((line) => line.slice(3).trimEnd());
    const output = own.length > 0 ? own : linesOf(qemu(image));
    const record = {
      by: own.length > 0 ? "the manual" : "qemu-system-i386",
      image: readFileSync(image).toString("base64"),
      output,
    };
    writeFileSync(join(FOLDER, name.replace(/\.asm$/, ".json")), `${JSON.stringify(record, undefined, 2)}\n`);
    process.stdout.write(`${name}: ${output.length} lines by ${record.by}\n`);
  }
} finally {
  rmSync(work, { recursive: true });
}

function qemu(image: string): string {
  const { stdout, status, error } = spawnSync(
    "qemu-system-i386",
    ["-cpu", "max", "-kernel", image, "-display", "none", "-debugcon", "stdio", "-no-reboot"].concat(
      "-device",
      "isa-debug-exit,iobase=0xf4,iosize=4",
    ),
    { encoding: "latin1", timeout: LONGEST_MS, stdio: ["ignore", "pipe", "inherit"] },
  );
  if (error !== undefined) throw error;
  if (status !== 1)
    throw new Error(`qemu-system-i386 ended with ${status}; the guest prints:\n${stdout.slice(0, 2000)}`);
  return stdout;
}

function linesOf(text: string): string[] {
  const lines = text.split("\n").map((line) => line.trimEnd());
  if (lines.at(-1) === "") lines.pop();
  return lines;
}
