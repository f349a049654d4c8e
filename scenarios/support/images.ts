/** Guest images that people bring: which there are, how they are read and entered. */
import { bootFlat, bootLinux, bootMultiboot, bootRealMode, type GuestBoot } from "../../src/guest/boots.ts";
import { readImageFile } from "../../src/guest/files.ts";
import { placeRom, type RomImage } from "../../src/guest/rom.ts";
import { type FlagSpecs, type FlagValues, oneOf, UsageError } from "./flags.ts";

const MODES = ["real", "protected"] as const;
/** Where the processor begins after a reset sees ROM, as long as there is one. */
const RESET_VECTOR = 0xfffffff0;
const REAL_MODE_END = 0x100000;

export const IMAGE_FLAGS = {
  multiboot: {
    type: "string",
    value: "FILE",
    help: "a Multiboot kernel: ELF for i386, or with addresses in its header",
  },
  module: {
    type: "string",
    value: "FILE[=TEXT]",
    multiple: true,
    help: "a module for the Multiboot kernel, with its string; may be given several times",
  },
  kernel: {
    type: "string",
    value: "FILE",
    help: "a bzImage, entered as a boot loader does it: memtest86+, or Linux (whose decompressor then runs in the guest; boot-linux.ts spares it that)",
  },
  initrd: { type: "string", value: "FILE", help: "initial ram disk of the bzImage" },
  append: { type: "string", value: "TEXT", help: "command line of the Multiboot kernel or bzImage" },
  rom: {
    type: "string",
    value: "FILE[@ADDR]",
    multiple: true,
    help: "a ROM image, at an address or, without one, ending at 4 GiB and (its last 128 KiB) at 1 MiB: then the processor begins in it, at F000:FFF0",
  },
  flat: {
    type: "string",
    value: "FILE@ADDR",
    help: "a raw binary, begun at its first byte: below 1 MiB in real mode, else in flat 32-bit protected mode",
  },
  mode: { type: "string", value: "MODE", help: `how the raw binary is begun instead: ${MODES.join(", ")}` },
} as const satisfies FlagSpecs;

export type ImageFlags = FlagValues<typeof IMAGE_FLAGS>;

export interface ImageGuest {
  readonly boot: GuestBoot;
  readonly roms: readonly RomImage[];
}

/** The processor begins at the reset vector, in a BIOS. */
export function isBiosGuest({ multiboot, flat, kernel }: ImageFlags): boolean {
  return multiboot === undefined && flat === undefined && kernel === undefined;
}

/** One of the ROM images is the BIOS. */
export function hasResetRom({ rom = [] }: ImageFlags): boolean {
  return rom.some((text) => !text.includes("@"));
}

/** Reads what the flags name. `bios`: images beside those, for a disk to boot from. @throws UsageError, GuestImageError */
export function imageGuest(flags: ImageFlags, memoryMiB: number, bios: readonly RomImage[] = []): ImageGuest {
  const memoryBytes = memoryMiB * 0x100000;
  const ownRoms = (flags.rom ?? []).flatMap((text) => {
    const { path, at } = placed("rom", text);
    return placeRom(readImageFile(path, "ROM image"), at, memoryBytes);
  });
  const roms = [...bios, ...ownRoms];
  demandOverlapFree(roms);
  const named = (["multiboot", "flat", "kernel"] as const).filter((name) => flags[name] !== undefined);
  if (named.length > 1)
    throw new UsageError(`--${named[0]} and --${named[1]} both say what to run: leave one of them out`);
  if (flags.multiboot === undefined && flags.module !== undefined)
    throw new UsageError("--module is for a --multiboot kernel");
  if (flags.multiboot === undefined && flags.kernel === undefined && flags.append !== undefined)
    throw new UsageError("--append is for a --multiboot kernel or a --kernel");
  if (flags.kernel === undefined && flags.initrd !== undefined)
    throw new UsageError("--initrd is for a --kernel");
  if (flags.flat === undefined && flags.mode !== undefined)
    throw new UsageError("--mode is for a --flat image");
  if (flags.multiboot !== undefined) return { boot: multiboot(flags), roms };
  if (flags.flat !== undefined) return { boot: flat(flags), roms };
  if (flags.kernel !== undefined) return { boot: bzImage(flags), roms };
  if (!roms.some(({ gpa, bytes }) => gpa <= RESET_VECTOR && gpa + bytes.length > RESET_VECTOR))
    throw new UsageError(
      roms.length === 0
        ? "nothing to run: give --disk FILE, --cdrom FILE, --kernel FILE, --multiboot FILE, --rom FILE or --flat FILE@ADDR (--help tells more)"
        : "no --rom lies at the reset vector 0xfffffff0: give one without an address, or --kernel, --multiboot or --flat",
    );
  return { boot: () => {}, roms };
}

function multiboot(flags: ImageFlags): GuestBoot {
  const kernel = readImageFile(flags.multiboot as string, "Multiboot kernel");
  const modules = (flags.module ?? []).map((text) => {
    const equals = text.indexOf("=");
    const path = equals < 0 ? text : text.slice(0, equals);
    return { bytes: readImageFile(path, "module"), text: equals < 0 ? path : text.slice(equals + 1) };
  });
  // By convention the first word of the command line is the kernel's own name.
  const commandLine = [flags.multiboot, flags.append].filter((word) => word !== undefined).join(" ");
  return bootMultiboot({ kernel, commandLine, modules });
}

function bzImage(flags: ImageFlags): GuestBoot {
  const kernel = readImageFile(flags.kernel as string, "kernel");
  const initrd = flags.initrd === undefined ? undefined : readImageFile(flags.initrd, "initrd");
  return bootLinux({ kernel, commandLine: flags.append ?? "", unpack: "guest", ...(initrd && { initrd }) });
}

function flat(flags: ImageFlags): GuestBoot {
  const { path, at } = placed("flat", flags.flat as string);
  if (at === undefined) throw new UsageError(`--flat takes FILE@ADDR, not "${flags.flat}"`);
  const image = { bytes: readImageFile(path, "image"), gpa: at };
  const mode =
    flags.mode === undefined ? (at < REAL_MODE_END ? "real" : "protected") : oneOf("mode", flags.mode, MODES);
  return mode === "real" ? bootRealMode(image) : bootFlat(image);
}

/** FILE or FILE@ADDR, the address decimal or with 0x. */
function placed(flag: string, text: string): { path: string; at: number | undefined } {
  const sign = text.lastIndexOf("@");
  if (sign < 0) return { path: text, at: undefined };
  const address = text.slice(sign + 1);
  const at = /^(0x[0-9a-f]+|\d+)$/i.test(address) ? Number(address) : Number.NaN;
  if (!(at <= 0xffffffff))
    throw new UsageError(
      `--${flag} takes an address below 4 GiB after the @, such as 0x7c00, not "${address}"`,
    );
  return { path: text.slice(0, sign), at };
}

function demandOverlapFree(roms: readonly RomImage[]): void {
  const sorted = [...roms].sort((a, b) => a.gpa - b.gpa);
  for (const [i, rom] of sorted.entries()) {
    const next = sorted[i + 1];
    if (next !== undefined && rom.gpa + rom.bytes.length > next.gpa)
      throw new UsageError(
        `two --rom images overlap at 0x${next.gpa.toString(16)}: give them other addresses`,
      );
  }
}
