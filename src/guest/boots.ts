import type { CpuState } from "../cpu/state.ts";
import type { Gpa } from "../mmu/address.ts";
import type { GuestMemory } from "../mmu/guest-memory.ts";
import type { GuestProgram } from "./builder/index.ts";
import { applyEntryState, type EntryState } from "./entry.ts";
import { writeBiosData } from "./firmware/bios-data.ts";
import { type FlatImage, loadFlat, loadFlatRealMode } from "./flat.ts";
import { type LinuxImage, loadLinux } from "./linux/loader.ts";
import type { GuestMemoryPort } from "./memory-port.ts";
import { loadMultiboot, type MultibootImage } from "./multiboot.ts";

/** Fit for `VmOptions.boot`. What the loader throws (GuestImageError), `createVm` throws. */
export type GuestBoot = (memory: GuestMemory, state: CpuState) => void;

/** How a loader that is the guest's firmware, too, puts an image into memory. */
type Load<Image> = (memory: GuestMemoryPort, image: Image) => { readonly entry: EntryState };

function bootBy<Image>(load: Load<Image>, image: Image): GuestBoot {
  return (memory, state) => {
    const port = memoryPort(memory);
    writeBiosData(port);
    applyEntryState(state, load(port, image).entry);
  };
}

/** A guest's memory as loaders want it. */
export function memoryPort(memory: GuestMemory): GuestMemoryPort {
  return {
    sizeBytes: memory.sizeBytes,
    write: (gpa, bytes) => memory.writeBytes(gpa as Gpa, bytes),
    read: (gpa, length) => memory.readBytes(gpa as Gpa, length),
  };
}

export function bootLinux(image: LinuxImage): GuestBoot {
  return bootBy(loadLinux, image);
}

export function bootMultiboot(image: MultibootImage): GuestBoot {
  return bootBy(loadMultiboot, image);
}

/** A raw binary in 32-bit protected mode with flat segments, paging off. */
export function bootFlat(image: FlatImage): GuestBoot {
  return bootBy(loadFlat, image);
}

export function bootRealMode(image: FlatImage): GuestBoot {
  return bootBy(loadFlatRealMode, image);
}

/** What `GuestBuilder.build()` gives, begun at its first byte in 32-bit protected mode with flat segments. */
export function bootProgram(
  program: GuestProgram,
  options: Omit<FlatImage, "bytes" | "gpa"> = {},
): GuestBoot {
  return bootFlat({ bytes: program.bytes, gpa: program.origin, ...options });
}
