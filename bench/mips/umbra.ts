import { Cpu } from "../../src/cpu/cpu.ts";
import { bootMultiboot } from "../../src/guest/boots.ts";
import { FrameAllocator } from "../../src/mmu/frames.ts";
import { GuestMemory } from "../../src/mmu/guest-memory.ts";
import { MachineMemory } from "../../src/mmu/machine-memory.ts";
import { P2m } from "../../src/mmu/p2m.ts";
import type { Kernel } from "./kernels.ts";
import { type KernelRun, KernelWatch } from "./watch.ts";

const GUEST_MIB = 16;
const MACHINE_MIB = 24;
const FRAMES_PER_MIB = 256;
/** WebAssembly code does not change to its optimised form while it runs: a burst has to end now and then. */
const BURST = 1_000_000;

/** Runs a kernel on the engine alone: no bus, no devices but the byte that comes out of COM1. */
export function runOnUmbra(kernel: Kernel): KernelRun {
  const memory = new MachineMemory(MACHINE_MIB * FRAMES_PER_MIB);
  const p2m = new P2m(new FrameAllocator(memory.frames), GUEST_MIB * FRAMES_PER_MIB * 4096, "g");
  const guest = new GuestMemory(memory, p2m);
  const cpu = new Cpu(memory);
  cpu.setHardwarePaging({ mode: "guest", p2m: p2m.table });
  bootMultiboot({ kernel: kernel.image, commandLine: "" })(guest, cpu.state);
  const watch = new KernelWatch(() => cpu.retired);
  for (;;) {
    const exit = cpu.run(BURST);
    switch (exit.reason) {
      case "budget":
        break;
      case "io":
        if (exit.write) watch.byte(exit.value);
        cpu.answer(0);
        break;
      case "hlt":
        return watch.result();
      default:
        throw new Error(`${kernel.name} left by ${exit.reason} at eip 0x${exit.eip.toString(16)}`);
    }
  }
}
