import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isoImage } from "../support/iso-image.ts";
import { runDiskGuest, SWITCHED_OFF } from "./support/disk-guests.ts";

/** Linux's sr drives the CD drive, by DMA where that is of use. */

const content = new Uint8Array(300_001).map((_, at) => at * 7 + (at >>> 9));
const sum = createHash("sha256").update(content).digest("hex");
let directory = "";
let image = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "umbra-cd-"));
  image = join(directory, "image.iso");
  writeFileSync(image, isoImage({ files: { "NOTE.TXT": Buffer.from("from a CD\n"), "DATA.BIN": content } }));
});
afterAll(() => rmSync(directory, { recursive: true }));

test.each(["bare", "vtlb", "kvm"] as const)("a CD is mounted and read under %s", async (pager) => {
  const script = [
    "set -e",
    "mkdir /mnt",
    "mount -t iso9660 -o ro /dev/sr0 /mnt",
    "cat /mnt/note.txt",
    "sha256sum /mnt/data.bin",
    "blockdev --getsize64 /dev/sr0",
    "cat /sys/class/ata_device/dev2.0/xfer_mode",
    "dd if=/dev/sr0 of=/dev/null bs=2048 skip=100000 count=1 2>/dev/null; echo rc=$?",
    "umount /mnt",
    "poweroff -f",
  ].join("\n");
  const { vm, report } = await runDiskGuest({ pager, flags: { cdrom: image }, script });
  const { text } = vm.console;
  expect(report).toMatchObject(SWITCHED_OFF);
  expect(text).toMatch(/^from a CD\r?$/m);
  expect(text).toContain(`${sum}  /mnt/data.bin`);
  expect(text).toMatch(/^XFER_UDMA_2\r?$/m);
  expect(text).toMatch(/sr 1:0:0:0: \[sr0\] scsi3-mmc drive/);
  expect(text).not.toMatch(/I\/O error|exception|failed command/);
});
