import { type Elf32, isElf, loadElf32, parseElf32 } from "./elf.ts";
import { type EntryState, flatEntry } from "./entry.ts";
import { GuestImageError, hex, mebibytes } from "./errors.ts";
import { EXTENDED_BIOS_DATA_GPA } from "./firmware/bios-data.ts";
import { writeFlatGdt } from "./flat-gdt.ts";
import { memoryMap } from "./linux/boot-params.ts";
import {
  type GuestMemoryPort,
  isBacked,
  type LoadedRegion,
  MEMORY_HOLE_END,
  writeZeroes,
} from "./memory-port.ts";

/** Multiboot Specification 0.6.96. Section 3.1: the header, in the image's first 8 KiB. */
const HEADER_MAGIC = 0x1badb002;
const HEADER_SEARCH = 8192;
const WANTS_VIDEO_MODE = 1 << 2;
const HAS_ADDRESSES = 1 << 16;
/**
 * Bits 0 to 15 are demands; those that are met: modules on page boundaries, information about memory, and about the screen, which is one of text whatever mode is
 * preferred: "the boot loader may set a text mode even if this field contains 0".
 */
const UNMET_DEMANDS = 0xffff & ~0b111;

/** Section 3.2: what the kernel finds in EAX. */
const BOOT_MAGIC = 0x2badb002;

/** Section 3.3: which parts of the information are valid. */
const INFO_MEMORY = 1 << 0;
const INFO_BOOT_DEVICE = 1 << 1;
const INFO_COMMAND_LINE = 1 << 2;
const INFO_MODULES = 1 << 3;
const INFO_MEMORY_MAP = 1 << 6;
const INFO_LOADER_NAME = 1 << 9;
const INFO_FRAME_BUFFER = 1 << 12;
/** The first hard disk, its first partition. */
const BOOT_DEVICE = 0x8000ffff;
const SCREEN = {
  gpa: 0xb8000,
  columns: 80,
  rows: 25,
  bytesPerRow: 160,
  bitsPerCharacter: 16,
  textType: 2,
} as const;
const INFO_SIZE = 116;
const MODULE_SIZE = 16;
const MAP_ENTRY_SIZE = 24;

const LOADER_NAME = "Umbra";
const CODE_SELECTOR = 0x08;
const DATA_SELECTOR = 0x10;
const PAGE = 4096;
/** The first page is left alone: real-mode vectors and BIOS data live there. */
const LOWEST_INFO = 0x1000;

export interface MultibootModule {
  readonly bytes: Uint8Array;
  /** What the kernel finds as the module's string. */
  readonly text: string;
}

export interface MultibootImage {
  /** An ELF image for i386, or any image whose header has address fields. */
  readonly kernel: Uint8Array;
  readonly commandLine: string;
  readonly modules?: readonly MultibootModule[];
}

export interface LoadedMultiboot {
  readonly entry: EntryState;
  readonly regions: readonly LoadedRegion[];
  /** Guest-physical address of the information, also in EBX. */
  readonly infoGpa: number;
}

interface Header {
  /** Of the header in the file. */
  readonly offset: number;
  readonly flags: number;
}

function findHeader(image: Uint8Array): Header {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  for (let offset = 0; offset + 12 <= Math.min(image.length, HEADER_SEARCH); offset += 4) {
    if (view.getUint32(offset, true) !== HEADER_MAGIC) continue;
    const flags = view.getUint32(offset + 4, true);
    if (((HEADER_MAGIC + flags + view.getUint32(offset + 8, true)) & 0xffffffff) === 0)
      return { offset, flags };
  }
  throw new GuestImageError("not-multiboot", "The kernel has no Multiboot header in its first 8 KiB.");
}

/** True exactly when the image has a Multiboot header: for a caller that takes several kinds of kernel. */
export function isMultiboot(image: Uint8Array): boolean {
  try {
    findHeader(image);
    return true;
  } catch {
    return false;
  }
}

/**
 * Writes a Multiboot kernel, its modules and the information for it into guest memory. Modules follow the kernel, each on a page
 * boundary; the information is in low memory.
 *
 * @throws GuestImageError `not-multiboot`, `not-i386-elf`, `truncated`, `kernel-too-large`, `initrd-too-large` (a module),
 * `image-out-of-memory`
 */
export function loadMultiboot(memory: GuestMemoryPort, image: MultibootImage): LoadedMultiboot {
  const header = findHeader(image.kernel);
  if (header.flags & UNMET_DEMANDS) {
    throw new GuestImageError(
      "not-multiboot",
      `The Multiboot kernel demands features ${hex(header.flags & UNMET_DEMANDS)}, which this machine has not.`,
    );
  }
  const kernel =
    header.flags & HAS_ADDRESSES
      ? loadByAddresses(memory, image.kernel, header)
      : loadByElf(memory, image.kernel);
  const regions = [...kernel.regions];
  const modules = placeModules(memory, image.modules ?? [], regions);
  const wantsScreen = (header.flags & WANTS_VIDEO_MODE) !== 0;
  const information = layOut(image, modules, memory.sizeBytes, wantsScreen);
  const infoGpa = findRoom(memory, information.sizeBytes, regions);
  memory.write(infoGpa, information.build(infoGpa));
  regions.push({ name: "multiboot information", gpa: infoGpa, sizeBytes: information.sizeBytes });
  const gdtGpa = findRoom(memory, 24, regions);
  const gdtr = writeFlatGdt(memory, gdtGpa, CODE_SELECTOR, DATA_SELECTOR);
  regions.push({ name: "gdt", gpa: gdtGpa, sizeBytes: gdtr.limit + 1 });
  const entry = flatEntry({
    eip: kernel.entry,
    registers: { eax: BOOT_MAGIC, ebx: infoGpa },
    codeSelector: CODE_SELECTOR,
    dataSelector: DATA_SELECTOR,
    gdtr,
  });
  return { entry, regions, infoGpa };
}

interface LoadedKernel {
  readonly entry: number;
  readonly regions: readonly LoadedRegion[];
}

function loadByElf(memory: GuestMemoryPort, bytes: Uint8Array): LoadedKernel {
  if (!isElf(bytes)) {
    throw new GuestImageError(
      "not-multiboot",
      "The Multiboot kernel is neither an ELF image nor says by address fields where to load it.",
    );
  }
  const elf = parseElf32(bytes, "kernel");
  return { entry: physicalEntry(elf), regions: loadElf32(memory, bytes, elf, "kernel") };
}

/** Paging is off at entry, so an entry point given as a virtual address is taken to its physical one. */
function physicalEntry(elf: Elf32): number {
  const { entry, segments } = elf;
  const inside = (start: number, size: number): boolean => entry >= start && entry < start + size;
  if (segments.some((segment) => inside(segment.physicalAddress, segment.memoryBytes))) return entry;
  const home = segments.find((segment) => inside(segment.virtualAddress, segment.memoryBytes));
  return home ? entry - home.virtualAddress + home.physicalAddress : entry;
}

/** Section 3.1.3. */
function loadByAddresses(memory: GuestMemoryPort, bytes: Uint8Array, header: Header): LoadedKernel {
  if (header.offset + 32 > bytes.length) {
    throw new GuestImageError("truncated", "The kernel ends inside its Multiboot header.");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const field = (index: number): number => view.getUint32(header.offset + 12 + index * 4, true);
  const [headerGpa, loadGpa, loadEnd, bssEnd, entry] = [field(0), field(1), field(2), field(3), field(4)];
  const start = header.offset - (headerGpa - loadGpa);
  const length = loadEnd === 0 ? bytes.length - start : loadEnd - loadGpa;
  if (start < 0 || length < 0 || headerGpa < loadGpa) {
    throw new GuestImageError(
      "not-multiboot",
      "The addresses in the kernel's Multiboot header contradict each other.",
    );
  }
  if (start + length > bytes.length) {
    throw new GuestImageError(
      "truncated",
      `The kernel has ${bytes.length} of ${start + length} bytes: it is incomplete.`,
    );
  }
  const sizeBytes = Math.max(length, bssEnd === 0 ? 0 : bssEnd - loadGpa);
  if (!isBacked(memory, loadGpa, sizeBytes)) {
    throw new GuestImageError(
      "kernel-too-large",
      `The kernel needs guest memory from ${hex(loadGpa)} to ${hex(loadGpa + sizeBytes)}, and the guest has ` +
        `${mebibytes(memory.sizeBytes)} with a hole from 0xa0000 to 0x100000. Give it more with --memory.`,
    );
  }
  memory.write(loadGpa, bytes.subarray(start, start + length));
  writeZeroes(memory, loadGpa + length, sizeBytes - length);
  return { entry, regions: [{ name: "kernel", gpa: loadGpa, sizeBytes }] };
}

interface PlacedModule {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

function placeModules(
  memory: GuestMemoryPort,
  modules: readonly MultibootModule[],
  regions: LoadedRegion[],
): PlacedModule[] {
  const ends = regions.map((region) => region.gpa + region.sizeBytes);
  let next = Math.max(MEMORY_HOLE_END, ...ends);
  return modules.map(({ bytes, text }, index) => {
    const start = Math.ceil(next / PAGE) * PAGE;
    next = start + bytes.length;
    if (next > memory.sizeBytes) {
      throw new GuestImageError(
        "initrd-too-large",
        `Module ${index} (${mebibytes(bytes.length)}) does not fit behind ${hex(start)}: the guest has ` +
          `${mebibytes(memory.sizeBytes)}. Give it more with --memory.`,
      );
    }
    memory.write(start, bytes);
    regions.push({ name: `module ${index}`, gpa: start, sizeBytes: bytes.length });
    return { start, end: next, text };
  });
}

interface Information {
  readonly sizeBytes: number;
  /** The bytes as they must be at `gpa`, for they hold addresses. */
  build(gpa: number): Uint8Array;
}

function layOut(
  image: MultibootImage,
  modules: readonly PlacedModule[],
  memoryBytes: number,
  wantsScreen: boolean,
): Information {
  const texts = [image.commandLine, LOADER_NAME, ...modules.map((module) => module.text)].map((text) =>
    Buffer.from(`${text}\0`, "utf8"),
  );
  const map = memoryMap(memoryBytes);
  const modulesAt = INFO_SIZE;
  const mapAt = modulesAt + modules.length * MODULE_SIZE;
  const textsAt = mapAt + map.length * MAP_ENTRY_SIZE;
  const textAt = (index: number): number =>
    textsAt + texts.slice(0, index).reduce((sum, text) => sum + text.length, 0);
  const sizeBytes = textAt(texts.length);
  const build = (gpa: number): Uint8Array => {
    const bytes = new Uint8Array(sizeBytes);
    const view = new DataView(bytes.buffer);
    const set = (offset: number, value: number): void => view.setUint32(offset, value, true);
    set(
      0,
      INFO_MEMORY |
        INFO_BOOT_DEVICE |
        INFO_COMMAND_LINE |
        INFO_MODULES |
        INFO_MEMORY_MAP |
        INFO_LOADER_NAME |
        (wantsScreen ? INFO_FRAME_BUFFER : 0),
    );
    set(4, EXTENDED_BIOS_DATA_GPA >>> 10);
    set(8, (memoryBytes - MEMORY_HOLE_END) >>> 10);
    set(12, BOOT_DEVICE);
    set(16, gpa + textAt(0));
    set(20, modules.length);
    set(24, gpa + modulesAt);
    set(44, map.length * MAP_ENTRY_SIZE);
    set(48, gpa + mapAt);
    set(64, gpa + textAt(1));
    if (wantsScreen) {
      set(88, SCREEN.gpa);
      set(96, SCREEN.bytesPerRow);
      set(100, SCREEN.columns);
      set(104, SCREEN.rows);
      bytes.set([SCREEN.bitsPerCharacter, SCREEN.textType], 108);
    }
    modules.forEach(({ start, end }, index) => {
      const at = modulesAt + index * MODULE_SIZE;
      set(at, start);
      set(at + 4, end);
      set(at + 8, gpa + textAt(2 + index));
    });
    map.forEach((entry, index) => {
      const at = mapAt + index * MAP_ENTRY_SIZE;
      // The size does not count its own field.
      set(at, MAP_ENTRY_SIZE - 4);
      view.setBigUint64(at + 4, BigInt(entry.gpa), true);
      view.setBigUint64(at + 12, BigInt(entry.sizeBytes), true);
      set(at + 20, entry.type);
    });
    texts.forEach((text, index) => {
      bytes.set(text, textAt(index));
    });
    return bytes;
  };
  return { sizeBytes, build };
}

/** The lowest pages of low memory that nothing has been loaded to. */
function findRoom(memory: GuestMemoryPort, sizeBytes: number, regions: readonly LoadedRegion[]): number {
  const top = Math.min(memory.sizeBytes, 0x9f000);
  for (let gpa = LOWEST_INFO; gpa + sizeBytes <= top; gpa += PAGE) {
    const isFree = regions.every(
      (region) => gpa + sizeBytes <= region.gpa || gpa >= region.gpa + region.sizeBytes,
    );
    if (isFree) return gpa;
  }
  throw new GuestImageError(
    "image-out-of-memory",
    "The Multiboot kernel leaves no room below 0x9f000 for the information about it.",
  );
}
