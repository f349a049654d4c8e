import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drivesOf, modulesFor } from "../../scenarios/support/disks.ts";
import { UsageError } from "../../scenarios/support/flags.ts";
import { DiskError, FileDisk, OverlayDisk } from "../../src/disk/index.ts";

let directory = "";
let path = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "umbra-drives-"));
  path = join(directory, "image");
  writeFileSync(path, new Uint8Array(1024));
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
  it("is on IDE and leaves the file alone, unless told otherwise", () => {
    const { disks, virtioDisks } = drivesOf({
      disk: [path, `${path},write`, `${path},if=virtio`, `${path},if=virtio,write`, `${path},write,if=ide`],
    });
    expect(disks.map((disk) => disk?.constructor)).toEqual([OverlayDisk, FileDisk, FileDisk]);
    expect(virtioDisks.map(({ disk }) => disk.constructor)).toEqual([OverlayDisk, FileDisk]);
  });

  it("takes as many as there is room for, and no other words", () => {
    expect(complaint(...Array<string>(5).fill(path))).toMatch(
      /^--disk: an IDE controller has 4 .*,if=virtio$/,
    );
    expect(complaint(...Array<string>(17).fill(`${path},if=virtio`))).toMatch(/16 virtio disks at most/);
    expect(complaint(`${path},read`)).toMatch(/no ",read"/);
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
  });
});
