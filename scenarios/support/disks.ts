/** The --disk and --virtio-console flags of the scenarios. */
import type { VirtioDisk } from "../../src/actors/virtio.ts";
import { CD_SECTOR_BYTES } from "../../src/devices/ide/cd-drive.ts";
import { type Disk, FileDisk, OverlayDisk, OverlayFile, SECTOR_BYTES } from "../../src/disk/index.ts";
import {
  CD_MODULES,
  EXT4_MODULES,
  IDE_MODULES,
  VIRTIO_CONSOLE_MODULES,
  VIRTIO_DISK_MODULES,
  VIRTIO_MODULES,
} from "../../src/guest/debian/modules.ts";
import type { VmOptions } from "../../src/vm/options.ts";
import { type FlagSpecs, type FlagValues, oneOf, UsageError } from "./flags.ts";

const MOST_IDE_DISKS = 4;
/** Among the four. */
const CD_PLACE = 2;
/** More than anybody uses; a PCI bus has room for 32 devices. */
const MOST_VIRTIO_DISKS = 16;
const CONTROLLERS = ["ide", "virtio"] as const;
const SYNTAX = "FILE[,write|,overlay=FILE2][,if=ide|virtio]";

export const DISK_FLAGS = {
  disk: {
    type: "string",
    value: SYNTAX,
    multiple: true,
    help: `a raw disk image, on the IDE controller (the default; up to ${MOST_IDE_DISKS}) or on virtio (up to ${MOST_VIRTIO_DISKS}); what the guest writes is forgotten, or with ,write it is in the image, or with ,overlay=FILE2 in a file of its own beside it, which is made if need be`,
  },
  cdrom: {
    type: "string",
    value: "FILE",
    help: "an ISO image, in a CD-ROM drive on the IDE controller (secondary master); three IDE disks at most beside it",
  },
  "virtio-console": {
    type: "boolean",
    help: "a virtio console beside the serial port: Linux's hvc0; what is typed goes to it as soon as a driver drives it",
  },
} as const satisfies FlagSpecs;

/** Of scenarios that boot Linux with the initramfs that Umbra makes. */
export const ROOT_FLAGS = {
  root: {
    type: "string",
    value: "DEVICE",
    bare: "",
    help: "the root file system is on a disk (default: on the first --disk; root= in --append is the same): its /sbin/init runs, or --script, or a shell",
  },
} as const satisfies FlagSpecs;

export type DiskFlags = Partial<FlagValues<typeof DISK_FLAGS>>;

/** Disks and console as a vm takes them. */
export type Drives = Required<Pick<VmOptions, "virtioConsole">> & {
  readonly cdrom?: Disk;
  readonly disks: NonNullable<VmOptions["disks"]>;
  readonly virtioDisks: readonly VirtioDisk[];
};

/** @throws UsageError, DiskError; no file is open then */
export function drivesOf(flags: DiskFlags): Drives {
  const drives = (flags.disk ?? []).map(driveOf);
  const on = (controller: Drive["controller"]) => drives.filter((drive) => drive.controller === controller);
  const ide = on("ide");
  const virtio = on("virtio");
  if (ide.length > MOST_IDE_DISKS)
    throw new UsageError(`--disk: an IDE controller has ${MOST_IDE_DISKS} disks at most; add ,if=virtio`);
  if (virtio.length > MOST_VIRTIO_DISKS)
    throw new UsageError(`--disk: there may be ${MOST_VIRTIO_DISKS} virtio disks at most`);
  if (flags.cdrom !== undefined && ide.length === MOST_IDE_DISKS)
    throw new UsageError(
      "--cdrom takes the place of an IDE disk: three at most beside it, or add ,if=virtio",
    );
  const opened: Disk[] = [];
  let cdrom: Disk | undefined;
  try {
    if (flags.cdrom !== undefined) cdrom = openDisc(flags.cdrom);
    for (const drive of [...ide, ...virtio]) opened.push(openDisk(drive));
  } catch (error) {
    for (const disk of opened) disk.close();
    cdrom?.close();
    throw error;
  }
  const disks: (Disk | undefined)[] = opened.slice(0, ide.length);
  // The drive is the secondary master, so that a third disk is the slave there.
  if (cdrom !== undefined && disks.length > CD_PLACE) disks.splice(CD_PLACE, 0, undefined);
  return {
    ...(cdrom && { cdrom }),
    disks,
    virtioDisks: opened.slice(ide.length).map((disk) => ({ disk })),
    virtioConsole: flags["virtio-console"] === true,
  };
}

/**
 * For several machines side by side, each with what it writes in an overlay of its own, in memory. @throws UsageError when a file is to be written; DiskError
 */
export function separateDrives(flags: DiskFlags): Drives & { readonly overlays: readonly OverlayDisk[] } {
  const writing = flags.disk?.find((text) => driveOf(text).writes !== "forgotten");
  if (writing !== undefined)
    throw new UsageError(
      `each side has an overlay of its own, in memory: leave ,write and ,overlay out of --disk ${writing}`,
    );
  const drives = drivesOf(flags);
  const all = [
    ...drives.disks.filter((disk) => disk !== undefined),
    ...drives.virtioDisks.map(({ disk }) => disk),
  ];
  return { ...drives, overlays: all.filter((disk) => disk instanceof OverlayDisk) };
}

/** Their files can be opened by others. */
export function closeDrives({ cdrom, disks, virtioDisks }: Drives): void {
  cdrom?.close();
  for (const disk of disks) disk?.close();
  for (const { disk } of virtioDisks) disk.close();
}

/**
 * The device that is to be the root, if any. @throws UsageError
 */
export function rootDevice(flags: {
  readonly root?: string;
  readonly append?: string;
  readonly initrd?: string;
  readonly disk?: readonly string[];
}): string | undefined {
  // An initial ram disk of one's own looks for root= itself.
  const appended =
    flags.initrd === undefined ? /(?:^|\s)root=(\S+)/.exec(flags.append ?? "")?.[1] : undefined;
  const root = flags.root ?? appended;
  if (root === undefined) return undefined;
  if (flags.initrd !== undefined)
    throw new UsageError("--root goes into the initramfs that Umbra makes: leave --initrd out");
  const [first] = flags.disk ?? [];
  if (first === undefined) throw new UsageError("--root needs a --disk with a file system on it");
  if (root === "") return driveOf(first).controller === "ide" ? "/dev/sda" : "/dev/vda";
  if (!/^\/dev\/\w+$/.test(root))
    throw new UsageError(`--root takes a device like /dev/sda or /dev/vda1, not "${root}"`);
  return root;
}

/** What Debian's kernel has to load for them. */
export function modulesFor({ cdrom, disks, virtioDisks, virtioConsole }: Drives): string[] {
  return [
    ...(disks.length > 0 || cdrom !== undefined ? IDE_MODULES : []),
    ...(cdrom === undefined ? [] : CD_MODULES),
    ...(virtioDisks.length > 0 || virtioConsole ? VIRTIO_MODULES : []),
    ...(virtioDisks.length > 0 ? VIRTIO_DISK_MODULES : []),
    ...(virtioConsole ? VIRTIO_CONSOLE_MODULES : []),
    ...(disks.length > 0 || virtioDisks.length > 0 ? EXT4_MODULES : []),
  ];
}

interface Drive {
  readonly path: string;
  readonly controller: (typeof CONTROLLERS)[number];
  /** Where what the guest writes goes: nowhere, into the image, or into this file. */
  readonly writes: "forgotten" | "image" | { readonly overlay: string };
}

function driveOf(text: string): Drive {
  const [path = "", ...settings] = text.split(",");
  let writes: Drive["writes"] = "forgotten";
  let controller: Drive["controller"] = "ide";
  const keep = (where: Drive["writes"]): void => {
    if (writes !== "forgotten")
      throw new UsageError("--disk FILE takes either ,write or ,overlay=FILE2, and once");
    writes = where;
  };
  for (const setting of settings) {
    const [name, value] = splitOnce(setting);
    if (setting === "write") keep("image");
    else if (name === "overlay" && value !== undefined && value !== "") keep({ overlay: value });
    else if (name === "if" && value !== undefined) controller = oneOf("disk FILE,if", value, CONTROLLERS);
    else throw new UsageError(`--disk takes ${SYNTAX}, and there is no ",${setting}"`);
  }
  return { path, writes, controller };
}

function splitOnce(setting: string): [name: string, value: string | undefined] {
  const at = setting.indexOf("=");
  return at < 0 ? [setting, undefined] : [setting.slice(0, at), setting.slice(at + 1)];
}

/** @throws DiskError */
function openDisc(path: string): Disk {
  const disc = new FileDisk(path, false);
  if (disc.sectors % (CD_SECTOR_BYTES / SECTOR_BYTES) === 0) return disc;
  disc.close();
  throw new UsageError(
    `--cdrom: ${path} is no ISO image: its size is no multiple of ${CD_SECTOR_BYTES} bytes`,
  );
}

/** @throws DiskError */
function openDisk({ path, writes }: Drive): Disk {
  const image = new FileDisk(path, writes === "image");
  if (writes === "image") return image;
  if (writes === "forgotten") return new OverlayDisk(image);
  try {
    return new OverlayFile(writes.overlay, image);
  } catch (error) {
    image.close();
    throw error;
  }
}
