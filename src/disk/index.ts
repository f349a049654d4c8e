/** Disks that a vm may have: images in files, in memory, and overlays, in memory or in a file, that keep an image as it is. */
export { type Disk, DiskError, SECTOR_BYTES } from "./disk.ts";
export { FileDisk } from "./file-disk.ts";
export { MemoryDisk } from "./memory-disk.ts";
export { OverlayDisk } from "./overlay-disk.ts";
export { OverlayFile } from "./overlay-file.ts";
