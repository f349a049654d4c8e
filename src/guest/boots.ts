import type { CpuState } from "../cpu/state.ts";
import type { Gpa } from "../mmu/address.ts";
import type { GuestMemory } from "../mmu/guest-memory.ts";
import type { GuestProgram } from "./builder/index.ts";
import { applyEntryState } from "./entry.ts";
import { type FlatImage, loadFlat, loadFlatRealMode } from "./flat.ts";
import { type LinuxImage, loadLinux } from "./linux/loader.ts";
import type { GuestMemoryPort } from "./memory-port.ts";
import { loadMultiboot, type MultibootImage } from "./multiboot.ts";

/** Fit for `VmOptions.boot`. What the loader throws (GuestImageError), `createVm` throws. */
export type GuestBoot = (memory: GuestMemory, state: CpuState) => void;

/** A guest's memory as loaders want it. */
export function memoryPort(memory: GuestMemory): GuestMemoryPort {
  return {
    sizeBytes: memory.sizeBytes,
    write: (gpa, bytes) => memory.writeBytes(gpa as Gpa, bytes),
    read: (gpa, length) => memory.readBytes(gpa as Gpa, length),
  };
}

export function bootLinux(image: LinuxImage): GuestBoot {
  return (memory, state) => applyEntryState(state, loadLinux(memoryPort(memory), image).entry);
}

export function bootMultiboot(image: MultibootImage): GuestBoot {
  return (memory, state) => applyEntryState(state, loadMultiboot(memoryPort(memory), image).entry);
}

/** A raw binary in 32-bit protected mode with flat segments, paging off. */
export function bootFlat(image: FlatImage): GuestBoot {
  return (memory, state) => applyEntryState(state, loadFlat(memoryPort(memory), image).entry);
}

export function bootRealMode(image: FlatImage): GuestBoot {
  return (memory, state) => applyEntryState(state, loadFlatRealMode(memoryPort(memory), image).entry);
}

/** What `GuestBuilder.build()` gives, begun at its first byte in 32-bit protected mode with flat segments. */
export function bootProgram(
  program: GuestProgram,
  options: Omit<FlatImage, "bytes" | "gpa"> = {},
): GuestBoot {
  return bootFlat({ bytes: program.bytes, gpa: program.origin, ...options });
}
