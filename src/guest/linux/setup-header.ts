import { GuestImageError } from "../errors.ts";

/**
 * The setup header of a bzImage (Linux Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header"). Offsets are from the
 * start of the file, which are also those in the zero page.
 */
export const HEADER_START = 0x1f1;
const SETUP_SECTS = 0x1f1;
const BOOT_FLAG = 0x1fe;
const JUMP_LENGTH = 0x201;
const MAGIC = 0x202;
const VERSION = 0x206;
const KERNEL_VERSION = 0x20e;
const LOADFLAGS = 0x211;
const CODE32_START = 0x214;
const INITRD_ADDR_MAX = 0x22c;
const KERNEL_ALIGNMENT = 0x230;
const RELOCATABLE_KERNEL = 0x234;
const CMDLINE_SIZE = 0x238;
const PAYLOAD_OFFSET = 0x248;
const PAYLOAD_LENGTH = 0x24c;
const PREF_ADDRESS = 0x258;
const INIT_SIZE = 0x260;

const SECTOR = 512;
const BOOT_SIGNATURE = 0xaa55;
/** "HdrS", little endian. */
const HEADER_MAGIC = 0x53726448;
const OLDEST_PROTOCOL = 0x0202;
/** `loadflags`: the protected-mode part is loaded at 1 MiB (bzImage) rather than at 0x10000 (zImage). */
const LOADED_HIGH = 1;
/** What protocols older than 2.03 and 2.06 allow. */
const DEFAULT_INITRD_ADDR_MAX = 0x37ffffff;
const DEFAULT_CMDLINE_SIZE = 255;

export interface SetupHeader {
  /** Boot protocol, as major << 8 | minor. */
  readonly protocol: number;
  /** What the kernel calls itself, such as `6.1.0-50-686 (debian-kernel@…) #1 …`; empty when it does not say. */
  readonly kernelVersion: string;
  /** The header's bytes, to be copied into the zero page at HEADER_START. */
  readonly bytes: Uint8Array;
  /** Where the protected-mode part begins in the file, bytes. */
  readonly protectedModeOffset: number;
  /** Where its 32-bit entry would like to be loaded; 0: it has none. */
  readonly code32Start: number;
  /** Highest address that any byte of the initial ram disk may have. */
  readonly initrdAddrMax: number;
  /** Longest command line, bytes, without its terminating zero. */
  readonly cmdlineSize: number;
  readonly isRelocatable: boolean;
  readonly kernelAlignment: number;
  /** The compressed kernel: place in the file, or undefined before protocol 2.08. */
  readonly payload: { readonly offset: number; readonly length: number } | undefined;
  /** Address that the kernel would like to run at; 1 MiB before protocol 2.10. */
  readonly prefAddress: number;
  /** Memory that the kernel needs from its run address on, before it knows the memory map; 0 when it does not say. */
  readonly initSize: number;
}

/**
 * @throws GuestImageError `truncated`, `not-bzimage` or `protocol-too-old`
 */
export function parseSetupHeader(image: Uint8Array): SetupHeader {
  if (image.length < SECTOR) {
    throw new GuestImageError(
      image.length === 0 ? "truncated" : "not-bzimage",
      `The kernel is only ${image.length} bytes long: it is not a bzImage.`,
    );
  }
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  if (view.getUint16(BOOT_FLAG, true) !== BOOT_SIGNATURE) {
    throw new GuestImageError(
      "not-bzimage",
      "The kernel is not a bzImage: it has no boot signature at 0x1fe.",
    );
  }
  if (image.length < INIT_SIZE + 4) {
    throw new GuestImageError(
      "truncated",
      `The kernel ends inside its setup header (${image.length} bytes).`,
    );
  }
  if (view.getUint32(MAGIC, true) !== HEADER_MAGIC) {
    throw new GuestImageError(
      "not-bzimage",
      "The kernel is not a bzImage: it has no setup header (a disk's boot sector, or Linux older than 1.3.73?).",
    );
  }
  const protocol = view.getUint16(VERSION, true);
  const name = `${protocol >> 8}.${(protocol & 0xff).toString().padStart(2, "0")}`;
  if (protocol < OLDEST_PROTOCOL) {
    throw new GuestImageError(
      "protocol-too-old",
      `The kernel speaks boot protocol ${name}; 2.02 (Linux 2.4) or newer is needed.`,
    );
  }
  if (!(view.getUint8(LOADFLAGS) & LOADED_HIGH)) {
    throw new GuestImageError("not-bzimage", "The kernel is a zImage, which loads low; use a bzImage.");
  }
  const protectedModeOffset = ((view.getUint8(SETUP_SECTS) || 4) + 1) * SECTOR;
  if (protectedModeOffset >= image.length) {
    throw new GuestImageError(
      "truncated",
      "The kernel ends inside its real-mode part: the file is incomplete.",
    );
  }
  const has = (minor: number): boolean => protocol >= (0x0200 | minor);
  const payloadOffset = view.getUint32(PAYLOAD_OFFSET, true);
  const payloadLength = view.getUint32(PAYLOAD_LENGTH, true);
  const headerEnd = Math.min(MAGIC + view.getUint8(JUMP_LENGTH), protectedModeOffset, 0x290);
  return {
    protocol,
    kernelVersion: readVersion(image, view.getUint16(KERNEL_VERSION, true)),
    bytes: image.slice(HEADER_START, headerEnd),
    protectedModeOffset,
    code32Start: view.getUint32(CODE32_START, true),
    initrdAddrMax: has(3) ? view.getUint32(INITRD_ADDR_MAX, true) : DEFAULT_INITRD_ADDR_MAX,
    cmdlineSize: has(6) ? view.getUint32(CMDLINE_SIZE, true) : DEFAULT_CMDLINE_SIZE,
    isRelocatable: has(5) && view.getUint8(RELOCATABLE_KERNEL) !== 0,
    kernelAlignment: has(5) ? view.getUint32(KERNEL_ALIGNMENT, true) : 0,
    payload:
      has(8) && payloadLength > 0
        ? { offset: protectedModeOffset + payloadOffset, length: payloadLength }
        : undefined,
    prefAddress: has(10) ? view.getUint32(PREF_ADDRESS, true) : 0x100000,
    initSize: has(10) ? view.getUint32(INIT_SIZE, true) : 0,
  };
}

function readVersion(image: Uint8Array, pointer: number): string {
  if (pointer === 0) return "";
  const start = pointer + SECTOR;
  const end = image.indexOf(0, start);
  if (end < 0 || end - start > SECTOR) return "";
  return Buffer.from(image.subarray(start, end)).toString("latin1");
}
