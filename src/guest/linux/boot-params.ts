import { HEADER_START, type SetupHeader } from "./setup-header.ts";

/** The zero page (Linux Documentation/arch/x86/zero-page.rst): what a boot loader tells a kernel. One page. */
export const BOOT_PARAMS_SIZE = 0x1000;

const ALT_MEM_K = 0x1e0;
const E820_ENTRIES = 0x1e8;
const E820_TABLE = 0x2d0;
const E820_MAX = 128;
const VID_MODE = 0x1fa;
const TYPE_OF_LOADER = 0x210;
const LOADFLAGS = 0x211;
const CODE32_START = 0x214;
const RAMDISK_IMAGE = 0x218;
const RAMDISK_SIZE = 0x21c;
const HEAP_END_PTR = 0x224;
const CMD_LINE_PTR = 0x228;

/** A boot loader without a number of its own. */
const LOADER_UNKNOWN = 0xff;
const CAN_USE_HEAP = 0x80;
/** Set by the decompressor when it has randomised the kernel's address; a loader leaves it clear. */
const KASLR_FLAG = 2;
/** End of the real-mode heap, less 0x200, from the start of the setup code. Real mode is never entered. */
const HEAP_END = 0xe000 - 0x200;
const NORMAL_VIDEO_MODE = 0xffff;

export const E820_USABLE = 1;
export const E820_RESERVED = 2;

export interface E820Entry {
  readonly gpa: number;
  readonly sizeBytes: number;
  readonly type: number;
}

/** The memory map of a PC with `memoryBytes` of memory, as its BIOS would report it. */
export function memoryMap(memoryBytes: number): E820Entry[] {
  return [
    { gpa: 0, sizeBytes: 0x9fc00, type: E820_USABLE },
    { gpa: 0x9fc00, sizeBytes: 0x400, type: E820_RESERVED },
    { gpa: 0xf0000, sizeBytes: 0x10000, type: E820_RESERVED },
    { gpa: 0x100000, sizeBytes: memoryBytes - 0x100000, type: E820_USABLE },
  ];
}

export interface BootParams {
  readonly header: SetupHeader;
  readonly memoryBytes: number;
  readonly commandLineGpa: number;
  /** Where the protected-mode part was loaded. */
  readonly code32Start: number;
  readonly initrd: { readonly gpa: number; readonly sizeBytes: number } | undefined;
}

/**
 * Builds the zero page. `screen_info` stays zero, so that the kernel assumes no VGA console; so does everything that a BIOS
 * would have filled in (APM, EDD, EFI, ACPI).
 */
export function buildBootParams(params: BootParams): Uint8Array {
  const page = new Uint8Array(BOOT_PARAMS_SIZE);
  const view = new DataView(page.buffer);
  page.set(params.header.bytes, HEADER_START);
  view.setUint16(VID_MODE, NORMAL_VIDEO_MODE, true);
  view.setUint8(TYPE_OF_LOADER, LOADER_UNKNOWN);
  view.setUint8(LOADFLAGS, (view.getUint8(LOADFLAGS) & ~KASLR_FLAG) | CAN_USE_HEAP);
  view.setUint32(CODE32_START, params.code32Start, true);
  view.setUint16(HEAP_END_PTR, HEAP_END, true);
  view.setUint32(CMD_LINE_PTR, params.commandLineGpa, true);
  if (params.initrd) {
    view.setUint32(RAMDISK_IMAGE, params.initrd.gpa, true);
    view.setUint32(RAMDISK_SIZE, params.initrd.sizeBytes, true);
  }
  view.setUint32(ALT_MEM_K, (params.memoryBytes - 0x100000) >>> 10, true);
  const map = memoryMap(params.memoryBytes).slice(0, E820_MAX);
  view.setUint8(E820_ENTRIES, map.length);
  map.forEach((entry, index) => {
    const at = E820_TABLE + index * 20;
    view.setBigUint64(at, BigInt(entry.gpa), true);
    view.setBigUint64(at + 8, BigInt(entry.sizeBytes), true);
    view.setUint32(at + 16, entry.type, true);
  });
  return page;
}
