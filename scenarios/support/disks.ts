/** The --disk and --virtio-console flags of the scenarios. */
import type { VirtioDisk } from "../../src/actors/virtio.ts";
import { FileDisk, OverlayDisk } from "../../src/disk/index.ts";
import {
  EXT4_MODULES,
  IDE_MODULES,
  VIRTIO_CONSOLE_MODULES,
  VIRTIO_DISK_MODULES,
  VIRTIO_MODULES,
} from "../../src/guest/debian/modules.ts";
import type { VmOptions } from "../../src/vm/options.ts";
import { type FlagSpecs, type FlagValues, oneOf, UsageError } from "./flags.ts";

const MOST_IDE_DISKS = 4;
/** More than anybody uses; a PCI bus has room for 32 devices. */
const MOST_VIRTIO_DISKS = 16;
const CONTROLLERS = ["ide", "virtio"] as const;

export const DISK_FLAGS = {
  disk: {
    type: "string",
    value: "FILE[,write][,if=ide|virtio]",
    multiple: true,
    help: `a raw disk image, on the IDE controller (the default; up to ${MOST_IDE_DISKS}) or on virtio (up to ${MOST_VIRTIO_DISKS}); what the guest writes is kept in memory, or with ,write in the file`,
  },
  "virtio-console": {
    type: "boolean",
    help: "a virtio console beside the serial port: Linux's hvc0; what is typed goes to it as soon as a driver drives it",
  },
} as const satisfies FlagSpecs;

type DiskFlags = Partial<FlagValues<typeof DISK_FLAGS>>;

/** Disks and console as a vm takes them. */
export type Drives = Required<Pick<VmOptions, "virtioConsole">> & {
  readonly disks: NonNullable<VmOptions["disks"]>;
  readonly virtioDisks: readonly VirtioDisk[];
};

/** @throws UsageError, DiskError */
export function drivesOf(flags: DiskFlags): Drives {
  const drives = (flags.disk ?? []).map(driveOf);
  const on = (controller: Drive["controller"]) =>
    drives
      .filter((drive) => drive.controller === controller)
      .map(({ path, writable }) => ({ path, writable }));
  const ide = on("ide");
  const virtio = on("virtio");
  if (ide.length > MOST_IDE_DISKS)
    throw new UsageError(`--disk: an IDE controller has ${MOST_IDE_DISKS} disks at most; add ,if=virtio`);
  if (virtio.length > MOST_VIRTIO_DISKS)
    throw new UsageError(`--disk: there may be ${MOST_VIRTIO_DISKS} virtio disks at most`);
  return {
    disks: ide.map(openDisk),
    virtioDisks: virtio.map((image) => ({ disk: openDisk(image) })),
    virtioConsole: flags["virtio-console"] === true,
  };
}

/** What Debian's kernel has to load for them. */
export function modulesFor({ disks, virtioDisks, virtioConsole }: Drives): string[] {
  return [
    ...(disks.length > 0 ? IDE_MODULES : []),
    ...(virtioDisks.length > 0 || virtioConsole ? VIRTIO_MODULES : []),
    ...(virtioDisks.length > 0 ? VIRTIO_DISK_MODULES : []),
    ...(virtioConsole ? VIRTIO_CONSOLE_MODULES : []),
    ...(disks.length > 0 || virtioDisks.length > 0 ? EXT4_MODULES : []),
  ];
}

interface Image {
  readonly path: string;
  readonly writable: boolean;
}

interface Drive extends Image {
  readonly controller: (typeof CONTROLLERS)[number];
}

function driveOf(text: string): Drive {
  const [path = "", ...settings] = text.split(",");
  let writable = false;
  let controller: Drive["controller"] = "ide";
  for (const setting of settings) {
    if (setting === "write") writable = true;
    else if (setting.startsWith("if=")) controller = oneOf("disk FILE,if", setting.slice(3), CONTROLLERS);
    else throw new UsageError(`--disk takes FILE[,write][,if=ide|virtio], and there is no ",${setting}"`);
  }
  return { path, writable, controller };
}

function openDisk({ path, writable }: Image): FileDisk | OverlayDisk {
  const file = new FileDisk(path, writable);
  return writable ? file : new OverlayDisk(file);
}
