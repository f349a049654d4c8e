/** Disks that a vm may have: images in files, in memory, and an overlay that keeps an image as it is. */
export { type Disk, DiskError, SECTOR_BYTES } from "./disk.ts";
export { FileDisk } from "./file-disk.ts";
export { MemoryDisk } from "./memory-disk.ts";
export { OverlayDisk } from "./overlay-disk.ts";
