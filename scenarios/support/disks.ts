/** The --disk flags of the scenarios. */
import { type Disk, FileDisk, OverlayDisk } from "../../src/disk/index.ts";
import { UsageError } from "./flags.ts";

const MOST_DISKS = 4;

export const DISK_FLAGS = {
  disk: {
    type: "string",
    value: "FILE[,write]",
    multiple: true,
    help: "a raw disk image on the IDE controller, up to four; what the guest writes is kept in memory, or with ,write in the file",
  },
} as const;

/** @throws UsageError, DiskError */
export function disksOf(texts: readonly string[] | undefined): Disk[] {
  if (texts === undefined) return [];
  if (texts.length > MOST_DISKS)
    throw new UsageError(`--disk: an IDE controller has ${MOST_DISKS} disks at most`);
  return texts.map((text) => {
    const [path = "", ...options] = text.split(",");
    const unknown = options.find((option) => option !== "write");
    if (unknown !== undefined) throw new UsageError(`--disk takes FILE or FILE,write, not ",${unknown}"`);
    const writable = options.includes("write");
    const file = new FileDisk(path, writable);
    return writable ? file : new OverlayDisk(file);
  });
}
