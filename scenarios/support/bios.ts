/** The BIOS that disks are booted with: --bios, --vga-bios, and Debian's SeaBIOS where neither is given. */
import type { FirmwareFiles } from "../../src/devices/fw-cfg.ts";
import { fetchSeaBios } from "../../src/guest/debian/seabios.ts";
import { GuestFetchError } from "../../src/guest/errors.ts";
import { readImageFile } from "../../src/guest/files.ts";
import { placeRom, type RomImage } from "../../src/guest/rom.ts";
import type { FlagSpecs, FlagValues } from "./flags.ts";

export const BIOS_FLAGS = {
  bios: {
    type: "string",
    value: "FILE",
    help: "boot from the first --disk with this BIOS (default: SeaBIOS of Debian's package seabios, fetched the first time)",
  },
  "vga-bios": {
    type: "string",
    value: "FILE",
    help: "the BIOS of the VGA adapter, which the BIOS is given by fw_cfg (default: the one of Debian's package)",
  },
  "firmware-log": {
    type: "boolean",
    help: "show on stderr what a BIOS logs at port 0x402",
  },
} as const satisfies FlagSpecs;

export type BiosFlags = FlagValues<typeof BIOS_FLAGS>;

/** Where the files of VGA BIOSes are in fw_cfg. */
const VGA_BIOS_NAME = "vgaroms/vgabios.bin";

export interface BiosImages {
  readonly roms: readonly RomImage[];
  readonly files: FirmwareFiles;
}

/**
 * The images for a machine that boots from a disk. `hasRom`: a --rom is the BIOS already; then only the VGA BIOS is looked for, and it is no error if that cannot
 * be fetched.
 * @throws GuestImageError, GuestFetchError
 */
export async function biosImages(flags: BiosFlags, memoryMiB: number, hasRom: boolean): Promise<BiosImages> {
  const own = flags.bios === undefined ? undefined : readImageFile(flags.bios, "BIOS");
  const ownVga = flags["vga-bios"] === undefined ? undefined : readImageFile(flags["vga-bios"], "VGA BIOS");
  const isOptional = hasRom || own !== undefined;
  const fetched =
    isOptional && ownVga !== undefined
      ? undefined
      : await (isOptional ? tryFetch() : fetchSeaBios({ onProgress }));
  const bios = own ?? (hasRom || fetched === undefined ? undefined : readImageFile(fetched.biosPath, "BIOS"));
  const vga = ownVga ?? (fetched && readImageFile(fetched.vgaBiosPath, "VGA BIOS"));
  return {
    roms: bios === undefined ? [] : placeRom(bios, undefined, memoryMiB * 0x100000),
    files: vga === undefined ? {} : { [VGA_BIOS_NAME]: vga },
  };
}

const onProgress = (line: string): void => void process.stderr.write(`bios: ${line}\n`);

async function tryFetch() {
  try {
    return await fetchSeaBios({ onProgress });
  } catch (error) {
    if (!(error instanceof GuestFetchError)) throw error;
    onProgress(`without a VGA BIOS there is no text by INT 10h: give --vga-bios FILE (${error.message})`);
    return undefined;
  }
}
