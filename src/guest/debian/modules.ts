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

/** Beside IDE_MODULES: a CD, and its file system. */
export const CD_MODULES = ["drivers/cdrom/cdrom", "drivers/scsi/sr_mod", "fs/isofs/isofs"] as const;

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

/** Ends a signed module (Linux Documentation/admin-guide/module-signing.rst), behind the signature and 12 bytes of which the last 4 are its length. */
const SIGNATURE_MARK = Buffer.from("~Module signature appended~\n");
const SIGNATURE_HEADER_BYTES = 12;

/**
 * A module without its signature. To check that of one module takes the guest 30 to 100 million instructions, most of a second at the speed of an emulator; the
 * kernel takes modules without one, too, and tells so once.
 */
export function withoutSignature(module: Uint8Array): Uint8Array {
  const mark = module.length - SIGNATURE_MARK.length;
  const header = mark - SIGNATURE_HEADER_BYTES;
  if (header < 0 || !SIGNATURE_MARK.equals(module.subarray(mark))) return module;
  const { buffer, byteOffset } = module;
  const signatureBytes = new DataView(buffer, byteOffset + mark - 4, 4).getUint32(0, false);
  return signatureBytes > header ? module : module.subarray(0, header - signatureBytes);
}

/**
 * Kernel modules out of the package that the guest's kernel came in, in the order asked for, without their signatures. One that the kernel has built in is
 * left out.
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
        return [
          { name: basename(name), content: withoutSignature(readFileSync(join(kernel, `${name}.ko`))) },
        ];
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
        throw error;
      }
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}
