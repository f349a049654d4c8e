import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { KernelModule } from "../initramfs/initramfs.ts";
import { unpackDeb } from "./deb.ts";
import type { DebianGuest } from "./fetch.ts";

/** Names below lib/modules/*\/kernel, each list in the order of its dependencies. First, what an IDE disk needs. */
export const IDE_MODULES = [
  "drivers/scsi/scsi_common",
  "drivers/scsi/scsi_mod",
  "drivers/ata/libata",
  "drivers/ata/ata_piix",
  "crypto/crct10dif_common",
  "crypto/crct10dif_generic",
  "lib/crc-t10dif",
  "lib/crc64",
  "crypto/crc64_rocksoft_generic",
  "lib/crc64-rocksoft",
  "block/t10-pi",
  "drivers/scsi/sd_mod",
] as const;

/** What every virtio device needs. */
export const VIRTIO_MODULES = [
  "drivers/virtio/virtio",
  "drivers/virtio/virtio_ring",
  "drivers/virtio/virtio_pci_legacy_dev",
  "drivers/virtio/virtio_pci_modern_dev",
  "drivers/virtio/virtio_pci",
] as const;

/** Beside VIRTIO_MODULES. */
export const VIRTIO_DISK_MODULES = ["drivers/block/virtio_blk"] as const;
export const VIRTIO_CONSOLE_MODULES = ["drivers/char/virtio_console"] as const;

/** The file system ext4. */
export const EXT4_MODULES = [
  "lib/crc16",
  "crypto/crc32c_generic",
  "fs/mbcache",
  "fs/jbd2/jbd2",
  "fs/ext4/ext4",
] as const;

/**
 * Kernel modules out of the package that the guest's kernel came in, in the order asked for. One that the kernel has built in is left out.
 *
 * @throws GuestFetchError when the package cannot be unpacked
 */
export async function debianModules(guest: DebianGuest, names: readonly string[]): Promise<KernelModule[]> {
  const directory = mkdtempSync(join(tmpdir(), "umbra-modules-"));
  try {
    const packages = join(guest.directory, "packages");
    const deb = readdirSync(packages).find((file) => file.startsWith("linux-image-")) as string;
    await unpackDeb(
      join(packages, deb),
      names.map((name) => `./lib/modules/*/kernel/${name}.ko`),
      directory,
    );
    const releases = join(directory, "lib/modules");
    const kernel = join(releases, readdirSync(releases)[0] as string, "kernel");
    return names.flatMap((name) => {
      try {
        return [{ name: basename(name), content: readFileSync(join(kernel, `${name}.ko`)) }];
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
        throw error;
      }
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}
