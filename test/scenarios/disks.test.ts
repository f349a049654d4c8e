import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { closeDrives, drivesOf, modulesFor, rootDevice } from "../../scenarios/support/disks.ts";
import { UsageError } from "../../scenarios/support/flags.ts";
import { DiskError, FileDisk, OverlayDisk, OverlayFile } from "../../src/disk/index.ts";

let directory = "";
let path = "";
let disc = "";
let odd = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "umbra-drives-"));
  path = join(directory, "image");
  writeFileSync(path, new Uint8Array(1024));
  disc = join(directory, "disc");
  writeFileSync(disc, new Uint8Array(2 * 2048));
  odd = join(directory, "odd");
  writeFileSync(odd, new Uint8Array(2048 + 512));
});
afterAll(() => rmSync(directory, { recursive: true }));

const complaint = (...disk: string[]): string => {
  try {
    drivesOf({ disk });
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as Error).message;
  }
  throw new Error(`${disk} was taken`);
};

describe("--disk", () => {
  const kindsOf = (...disk: string[]) => {
    const drives = drivesOf({ disk });
    closeDrives(drives);
    const { disks, virtioDisks } = drives;
    return [disks.map((one) => one?.constructor), virtioDisks.map((one) => one.disk.constructor)];
  };

  it("is on IDE and leaves the file alone, unless told otherwise", () => {
    expect(kindsOf(path, `${path},write`, `${path},if=virtio`)).toEqual([
      [OverlayDisk, FileDisk],
      [OverlayDisk],
    ]);
    expect(kindsOf(`${path},if=virtio,write`, path)).toEqual([[OverlayDisk], [FileDisk]]);
    expect(kindsOf(`${path},write,if=ide`)).toEqual([[FileDisk], []]);
    const overlay = `${path}.overlay`;
    expect(kindsOf(`${path},overlay=${overlay}`, `${path},if=virtio,overlay=${overlay}2`)).toEqual([
      [OverlayFile],
      [OverlayFile],
    ]);
    expect(existsSync(overlay)).toBe(true);
  });

  it("is written by one only, and what was opened before a wrong one is closed again", () => {
    const overlay = `${path}.once`;
    for (const again of [1, 2]) {
      expect(again).toBeLessThan(3);
      expect(() => drivesOf({ disk: [`${path},write`, `${path},write`] })).toThrow(
        `Cannot use the disk image ${path}: it is in use already, as another disk.`,
      );
      expect(() => drivesOf({ disk: [`${path},overlay=${overlay}`, `${path},overlay=${overlay}`] })).toThrow(
        `Cannot use the overlay ${overlay}: it is in use already, as another disk.`,
      );
      expect(kindsOf(`${path},write`)).toEqual([[FileDisk], []]);
    }
  });

  it("takes as many as there is room for, and no other words", () => {
    expect(complaint(...Array<string>(5).fill(path))).toMatch(
      /^--disk: an IDE controller has 4 .*,if=virtio$/,
    );
    expect(complaint(...Array<string>(17).fill(`${path},if=virtio`))).toMatch(/16 virtio disks at most/);
    expect(complaint(`${path},read`)).toMatch(/no ",read"/);
    for (const twice of ["write,overlay=x", "overlay=x,write", "overlay=x,overlay=y", "write,write"])
      expect(complaint(`${path},${twice}`)).toBe(
        "--disk FILE takes either ,write or ,overlay=FILE2, and once",
      );
    for (const empty of ["overlay", "overlay=", "write=yes", "if"])
      expect(complaint(`${path},${empty}`)).toMatch(new RegExp(`there is no ",${empty}"$`));
    expect(complaint(`${path},if=scsi`)).toBe('--disk FILE,if takes ide, virtio, not "scsi"');
    expect(() => drivesOf({ disk: [`${path}-missing`] })).toThrow(DiskError);
  });
});

describe("the modules of a guest", () => {
  const first = (flags: Parameters<typeof drivesOf>[0]) =>
    modulesFor(drivesOf(flags)).map((name) => name.replace(/^.*\//, ""));

  it("are those of the devices that it has, and of ext4 if one is a disk", () => {
    expect(first({})).toEqual([]);
    expect(first({ "virtio-console": true })).toEqual([
      "virtio",
      "virtio_ring",
      "virtio_pci_legacy_dev",
      "virtio_pci_modern_dev",
      "virtio_pci",
      "virtio_console",
    ]);
    const ide = first({ disk: [path] });
    expect(ide).toEqual(expect.arrayContaining(["ata_piix", "sd_mod", "ext4"]));
    expect(ide.filter((name) => name.startsWith("virtio"))).toEqual([]);
    const both = first({ disk: [path, `${path},if=virtio`] });
    expect(both).toEqual(expect.arrayContaining(["ata_piix", "virtio_blk", "ext4"]));
    expect(new Set(both).size).toBe(both.length);
    const cd = first({ cdrom: disc });
    expect(cd).toEqual(expect.arrayContaining(["ata_piix", "sr_mod", "isofs"]));
    expect(cd).not.toContain("ext4");
  });
});

describe("--cdrom", () => {
  it("is the secondary master, and the third disk the slave there", () => {
    const { cdrom, disks } = drivesOf({ cdrom: disc, disk: [path, path, path] });
    expect(cdrom?.sectors).toBe(8);
    expect(disks.map((disk) => disk?.sectors)).toEqual([2, 2, undefined, 2]);
    expect(() => drivesOf({ cdrom: disc, disk: [path, path, path, path] })).toThrow(
      /three at most beside it/,
    );
    const four = drivesOf({
      cdrom: disc,
      disk: [path, path, path, path].map((one, n) => (n < 1 ? `${one},if=virtio` : one)),
    });
    expect([four.disks.length, four.virtioDisks.length]).toEqual([4, 1]);
  });

  it("is an image of whole sectors of 2048 bytes", () => {
    expect(() => drivesOf({ cdrom: odd })).toThrow(/no ISO image: its size is no multiple of 2048 bytes/);
    expect(() => drivesOf({ cdrom: `${path}-missing` })).toThrow(DiskError);
  });
});

describe("--root", () => {
  const append = "console=ttyS0 root=/dev/sda1 quiet";

  it("is the first disk, or what it or root= names", () => {
    expect(rootDevice({ disk: [path] })).toBeUndefined();
    expect(rootDevice({ disk: [path, `${path},if=virtio`], root: "" })).toBe("/dev/sda");
    expect(rootDevice({ disk: [`${path},if=virtio`, path], root: "" })).toBe("/dev/vda");
    expect(rootDevice({ disk: [path], root: "/dev/sdb2" })).toBe("/dev/sdb2");
    expect(rootDevice({ disk: [path], append })).toBe("/dev/sda1");
    expect(rootDevice({ disk: [path], append, initrd: "own" })).toBeUndefined();
  });

  it("is refused when it cannot be", () => {
    const refuse = (flags: Parameters<typeof rootDevice>[0], words: RegExp) => {
      expect(() => rootDevice(flags)).toThrow(UsageError);
      expect(() => rootDevice(flags)).toThrow(words);
    };
    refuse({ root: "" }, /^--root needs a --disk with a file system on it$/);
    refuse({ append }, /^--root needs a --disk/);
    refuse({ root: "sda", disk: [path] }, /^--root takes a device like .*, not "sda"$/);
    refuse({ root: "/dev/sda; true", disk: [path] }, /^--root takes a device like/);
    refuse({ root: "", disk: [path], initrd: "own" }, /leave --initrd out$/);
  });
});
