/** Guests: boot loaders in the form that `createVm` takes, Debian's kernel and busybox, an initramfs, and code written inline. */

export {
  bootFlat,
  bootLinux,
  bootMultiboot,
  bootProgram,
  bootRealMode,
  type GuestBoot,
  memoryPort,
} from "./boots.ts";
export * from "./builder/index.ts";
export {
  DEBIAN_FLAVOURS,
  type DebianFlavour,
  type DebianGuest,
  type FetchOptions,
  fetchDebianGuest,
} from "./debian/fetch.ts";
export { GuestFetchError, GuestImageError } from "./errors.ts";
export type { FlatImage } from "./flat.ts";
export { type CpioEntry, writeCpio } from "./initramfs/cpio.ts";
export { DONE_MARK, READY_MARK } from "./initramfs/init-script.ts";
export { buildInitramfs, type InitramfsOptions } from "./initramfs/initramfs.ts";
export type { LinuxImage, UnpackWhere } from "./linux/loader.ts";
export { type UnpackedKernel, unpackKernelCached } from "./linux/unpack-cache.ts";
export type { MultibootImage, MultibootModule } from "./multiboot.ts";
export { placeRom, type RomImage } from "./rom.ts";
