/** One boot on Umbra, in a process of its own: `umbra-process.ts SETTINGS PAGER`. */
import { bootLinux } from "../../src/guest/boots.ts";
import { unpackedDirectory } from "../../src/guest/debian/cache.ts";
import { readImageFile } from "../../src/guest/files.ts";
import { unpackKernelCached } from "../../src/guest/linux/unpack-cache.ts";
import { createMachine } from "../../src/index.ts";
import type { PagerName } from "../../src/mmu/pager.ts";
import { MarkReader, tell } from "./marks.ts";
import { settingsFromArguments } from "./settings.ts";

/** Frames for the monitor's tables, and room to align the guest's. */
const MONITOR_MIB = 16;

const settings = settingsFromArguments();
const pager = process.argv[3] as PagerName;
tell({ mark: "begin" });
const kernel = readImageFile(settings.kernelPath, "kernel");
const boot = bootLinux({
  kernel,
  initrd: readImageFile(settings.initrdPath, "initrd"),
  commandLine: settings.commandLine,
  unpack: "host",
  unpacked: unpackKernelCached(kernel, unpackedDirectory()).elf,
});
const machine = createMachine({ memoryMiB: settings.memoryMiB + MONITOR_MIB });
const vm = machine.createVm({ name: "linux", pager, memoryMiB: settings.memoryMiB, boot });
let done = false;
const reader = new MarkReader((line) => {
  tell({ ...line, instructions: vm.stats().instructions });
  done ||= line.mark === "forkEnd";
});
vm.on("console", (bytes) => reader.text(Buffer.from(bytes).toString("latin1")));
const { status, reason } = vm.run({ until: () => done });
if (status !== "until") throw new Error(`the guest has ended: ${status}, ${reason ?? "no reason"}`);
