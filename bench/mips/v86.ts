import { bufferOf, type V86Kit } from "../support/v86.ts";
import type { Kernel } from "./kernels.ts";
import { type KernelRun, KernelWatch } from "./watch.ts";

const MEMORY_BYTES = 32 << 20;
const PATIENCE_MS = 120_000;

/** Runs a kernel on v86, which boots its BIOS first; only the kernel's own stretch is timed. */
export async function runOnV86(kit: V86Kit, kernel: Kernel): Promise<KernelRun> {
  const emulator = kit.create({ memory_size: MEMORY_BYTES, multiboot: { buffer: bufferOf(kernel.image) } });
  const watch = new KernelWatch(() => emulator.get_instruction_counter());
  let timer: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(
        () => reject(new Error(`v86 has not finished ${kernel.name} in ${PATIENCE_MS / 1000} s`)),
        PATIENCE_MS,
      );
      emulator.add_listener("serial0-output-byte", (byte) => {
        if (watch.byte(byte)) resolve();
      });
      emulator.add_listener("emulator-loaded", () => void emulator.run());
    });
  } finally {
    clearTimeout(timer);
    await emulator.destroy();
  }
  return watch.result();
}
