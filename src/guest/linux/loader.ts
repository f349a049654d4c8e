import { loadElf32, parseElf32 } from "../elf.ts";
import { type EntryState, flatEntry } from "../entry.ts";
import { GuestImageError, hex, mebibytes } from "../errors.ts";
import { writeFlatGdt } from "../flat-gdt.ts";
import { type GuestMemoryPort, type LoadedRegion, MEMORY_HOLE_END } from "../memory-port.ts";
import { buildBootParams } from "./boot-params.ts";
import { parseSetupHeader, type SetupHeader } from "./setup-header.ts";
import { payloadOf, unpackKernel } from "./unpack.ts";

/**
 * Boots Linux by its 32-bit boot protocol (Linux Documentation/arch/x86/boot.rst, "32-bit Boot Protocol"). What the loader puts
 * below 1 MiB, in the guest's usable low memory:
 *
 *     0x01000  GDT: null, unused, __BOOT_CS (0x10), __BOOT_DS (0x18)
 *     0x02000  boot_params (the zero page)
 *     0x20000  command line
 */
const GDT_GPA = 0x1000;
const BOOT_PARAMS_GPA = 0x2000;
const COMMAND_LINE_GPA = 0x20000;
/** A stack that the protocol does not promise, for a kernel that pushes before it has its own. */
const STACK_GPA = 0x10000;
const COMMAND_LINE_ROOM = 0x10000;

const BOOT_CS = 0x10;
const BOOT_DS = 0x18;

const PROTECTED_MODE_GPA = 0x100000;
const PAGE = 4096;

export type UnpackWhere = "host" | "guest";

export interface LinuxImage {
  /** A bzImage, the whole file. */
  readonly kernel: Uint8Array;
  /** A cpio archive, compressed or not. */
  readonly initrd?: Uint8Array;
  readonly commandLine: string;
  /**
   * Who decompresses the kernel: `host` enters the kernel proper at once, `guest` leaves it to the kernel's own decompressor
   * (2.4 thousand million instructions for Debian's).
   */
  readonly unpack: UnpackWhere;
  /** The kernel proper when it is unpacked already (see `unpackKernelCached`); only for `unpack: "host"`. */
  readonly unpacked?: Uint8Array;
}

export interface LoadedLinux {
  readonly entry: EntryState;
  readonly regions: readonly LoadedRegion[];
  readonly kernelVersion: string;
}

/**
 * Writes a Linux kernel, its initial ram disk, command line and zero page into guest memory.
 *
 * @throws GuestImageError for each image that cannot be booted; nothing is promised of guest memory then
 */
export function loadLinux(memory: GuestMemoryPort, image: LinuxImage): LoadedLinux {
  const header = parseSetupHeader(image.kernel);
  const commandLine = encodeCommandLine(image.commandLine, header);
  const kernel =
    image.unpack === "host" ? loadUnpacked(memory, image, header) : loadPacked(memory, image.kernel, header);
  const regions: LoadedRegion[] = [...kernel.regions];
  let initrd: { gpa: number; sizeBytes: number } | undefined;
  if (image.initrd && image.initrd.length > 0) {
    initrd = placeInitrd(memory, image.initrd.length, header, kernel.end);
    memory.write(initrd.gpa, image.initrd);
    regions.push({ name: "initrd", ...initrd });
  }
  const put = (name: string, gpa: number, bytes: Uint8Array): void => {
    memory.write(gpa, bytes);
    regions.push({ name, gpa, sizeBytes: bytes.length });
  };
  const gdtr = writeFlatGdt(memory, GDT_GPA, BOOT_CS, BOOT_DS);
  regions.push({ name: "gdt", gpa: gdtr.base, sizeBytes: gdtr.limit + 1 });
  put("command line", COMMAND_LINE_GPA, commandLine);
  const bootParams = buildBootParams({
    header,
    memoryBytes: memory.sizeBytes,
    commandLineGpa: COMMAND_LINE_GPA,
    code32Start: PROTECTED_MODE_GPA,
    initrd,
  });
  put("boot_params", BOOT_PARAMS_GPA, bootParams);
  const entry = flatEntry({
    eip: kernel.entry,
    registers: { esi: BOOT_PARAMS_GPA, esp: STACK_GPA },
    codeSelector: BOOT_CS,
    dataSelector: BOOT_DS,
    gdtr,
  });
  return { entry, regions, kernelVersion: header.kernelVersion };
}

interface LoadedKernel {
  readonly entry: number;
  readonly regions: readonly LoadedRegion[];
  /** First address that the kernel leaves alone until it has read the memory map. */
  readonly end: number;
}

/** An unpacked kernel entered at the address it was linked for needs no relocation, relocatable or not. */
function loadUnpacked(memory: GuestMemoryPort, image: LinuxImage, header: SetupHeader): LoadedKernel {
  const bytes = image.unpacked ?? unpackKernel(image.kernel);
  const elf = parseElf32(bytes, "kernel");
  const first = Math.min(...elf.segments.map((segment) => segment.physicalAddress));
  const last = Math.max(...elf.segments.map((segment) => segment.physicalAddress + segment.memoryBytes));
  const end = Math.max(last, first + header.initSize);
  requireRoom(memory, end);
  return { entry: elf.entry, regions: loadElf32(memory, bytes, elf, "kernel"), end };
}

function loadPacked(memory: GuestMemoryPort, kernel: Uint8Array, header: SetupHeader): LoadedKernel {
  if (header.code32Start === 0)
    throw new GuestImageError(
      "no-32-bit-entry",
      "The kernel says that it has no 32-bit entry (code32_start is 0, as in iPXE's .lkrn): boot it from a disk, by a boot loader that enters it in real mode (GRUB's linux16).",
    );
  if (header.payload) payloadOf(kernel, header);
  const bytes = kernel.subarray(header.protectedModeOffset);
  // The decompressor moves itself out of the way and unpacks to its preferred address, or further up to its alignment.
  const runAddress = Math.max(header.prefAddress, PROTECTED_MODE_GPA);
  const end = Math.max(PROTECTED_MODE_GPA + bytes.length, runAddress + header.initSize);
  requireRoom(memory, end);
  memory.write(PROTECTED_MODE_GPA, bytes);
  const region = { name: "kernel (packed)", gpa: PROTECTED_MODE_GPA, sizeBytes: bytes.length };
  return { entry: PROTECTED_MODE_GPA, regions: [region], end };
}

function requireRoom(memory: GuestMemoryPort, end: number): void {
  if (end <= memory.sizeBytes) return;
  throw new GuestImageError(
    "kernel-too-large",
    `The kernel needs guest memory up to ${hex(end)} (${mebibytes(end)}), and the guest has only ` +
      `${mebibytes(memory.sizeBytes)}: give it more with --memory.`,
  );
}

/** As high as both the kernel and memory allow, so that the kernel has room to grow; on a page boundary. */
function placeInitrd(
  memory: GuestMemoryPort,
  sizeBytes: number,
  header: SetupHeader,
  kernelEnd: number,
): { gpa: number; sizeBytes: number } {
  const top = Math.min(memory.sizeBytes, header.initrdAddrMax + 1);
  const gpa = Math.floor((top - sizeBytes) / PAGE) * PAGE;
  const lowest = Math.max(kernelEnd, MEMORY_HOLE_END);
  if (gpa >= lowest) return { gpa, sizeBytes };
  throw new GuestImageError(
    "initrd-too-large",
    `The initrd (${mebibytes(sizeBytes)}) does not fit between the kernel's end at ${hex(lowest)} and ${hex(top)}: ` +
      "give the guest more with --memory.",
  );
}

function encodeCommandLine(text: string, header: SetupHeader): Uint8Array {
  const bytes = Buffer.from(`${text}\0`, "utf8");
  const room = Math.min(header.cmdlineSize, COMMAND_LINE_ROOM - 1);
  if (bytes.length - 1 > room) {
    throw new GuestImageError(
      "command-line-too-long",
      `The command line has ${bytes.length - 1} bytes; this kernel takes at most ${room}.`,
    );
  }
  if (text.includes("\0")) {
    throw new GuestImageError("command-line-too-long", "The command line contains a zero byte.");
  }
  return bytes;
}
