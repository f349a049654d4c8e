/** One boot on v86, in a process of its own: `v86-process.ts SETTINGS`. */
import { readFileSync } from "node:fs";
import { bufferOf, findV86 } from "../support/v86.ts";
import { MarkReader, tell } from "./marks.ts";
import { settingsFromArguments } from "./settings.ts";

/** Often enough to see every time the counter of 32 bits wraps. */
const COUNTER_POLL_MS = 500;

const settings = settingsFromArguments();
const found = await findV86();
if ("missing" in found) throw new Error(found.missing);
tell({ mark: "begin" });
const emulator = found.kit.create({
  memory_size: settings.memoryMiB << 20,
  bzimage: { buffer: bufferOf(readFileSync(settings.kernelPath)) },
  initrd: { buffer: bufferOf(readFileSync(settings.initrdPath)) },
  cmdline: settings.commandLine,
});
let total = 0;
let latest = 0;
function instructions(): number {
  const now = emulator.get_instruction_counter() >>> 0;
  total += (now - latest) >>> 0;
  latest = now;
  return total;
}
const reader = new MarkReader((line) => {
  tell({ ...line, instructions: instructions() });
});
emulator.add_listener("serial0-output-byte", (byte) => reader.text(String.fromCharCode(byte)));
emulator.add_listener("emulator-loaded", () => {
  setInterval(instructions, COUNTER_POLL_MS);
  void emulator.run();
});
