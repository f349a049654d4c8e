import { GuestImageError, hex, mebibytes } from "./errors.ts";
import { type GuestMemoryPort, isBacked, type LoadedRegion, writeZeroes } from "./memory-port.ts";

/** Executable and linkable format, 32-bit, as the System V ABI (i386 supplement) lays it out. */
const EI_CLASS = 4;
const EI_DATA = 5;
const ELFCLASS32 = 1;
const ELFDATA2LSB = 1;
const EM_386 = 3;
const PT_LOAD = 1;
const EHDR_SIZE = 52;
const PHDR_SIZE = 32;

/** A PT_LOAD program header. */
export interface ElfSegment {
  readonly fileOffset: number;
  readonly virtualAddress: number;
  readonly physicalAddress: number;
  readonly fileBytes: number;
  readonly memoryBytes: number;
}

export interface Elf32 {
  readonly entry: number;
  /** In the file's order; segments that take no memory are left out. */
  readonly segments: readonly ElfSegment[];
}

export function isElf(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

const MACHINES: Readonly<Record<number, string>> = {
  8: "MIPS",
  20: "PowerPC",
  40: "ARM",
  62: "x86-64",
  183: "AArch64",
  243: "RISC-V",
};

/**
 * Reads the headers of an i386 ELF image.
 *
 * @param what how a message calls the image
 * @throws GuestImageError `not-i386-elf` for another machine, word size or byte order, `bad-elf` for headers that do not hold
 * together, `truncated` when a segment's bytes are missing
 */
export function parseElf32(bytes: Uint8Array, what: string): Elf32 {
  if (!isElf(bytes)) throw new GuestImageError("bad-elf", `The ${what} is not an ELF image.`);
  if (bytes.length < EHDR_SIZE)
    throw new GuestImageError("truncated", `The ${what} ends inside its ELF header.`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const littleEndian = view.getUint8(EI_DATA) === ELFDATA2LSB;
  const machine = view.getUint16(18, littleEndian);
  if (view.getUint8(EI_CLASS) !== ELFCLASS32 || !littleEndian || machine !== EM_386) {
    const name = MACHINES[machine] ?? `machine ${machine}`;
    throw new GuestImageError(
      "not-i386-elf",
      `The ${what} is an ELF image for ${machine === EM_386 ? "a 32-bit x86 of another class or byte order" : name}, ` +
        "but this machine is an i386: use a 32-bit x86 (686) kernel.",
    );
  }
  const entry = view.getUint32(24, true);
  const tableOffset = view.getUint32(28, true);
  const entrySize = view.getUint16(42, true);
  const count = view.getUint16(44, true);
  if (count === 0 || entrySize < PHDR_SIZE) {
    throw new GuestImageError(
      "bad-elf",
      `The ${what} has no program headers: it is not an executable image.`,
    );
  }
  if (tableOffset + count * entrySize > bytes.length) {
    throw new GuestImageError("truncated", `The ${what} ends inside its program headers.`);
  }
  const segments: ElfSegment[] = [];
  for (let index = 0; index < count; index++) {
    const at = tableOffset + index * entrySize;
    if (view.getUint32(at, true) !== PT_LOAD) continue;
    const segment = {
      fileOffset: view.getUint32(at + 4, true),
      virtualAddress: view.getUint32(at + 8, true),
      physicalAddress: view.getUint32(at + 12, true),
      fileBytes: view.getUint32(at + 16, true),
      memoryBytes: view.getUint32(at + 20, true),
    };
    if (segment.memoryBytes === 0) continue;
    if (segment.fileBytes > segment.memoryBytes) {
      throw new GuestImageError(
        "bad-elf",
        `Segment ${index} of the ${what} is larger in the file than in memory.`,
      );
    }
    if (segment.fileOffset + segment.fileBytes > bytes.length) {
      throw new GuestImageError(
        "truncated",
        `The ${what} ends inside segment ${index}: the file is incomplete.`,
      );
    }
    segments.push(segment);
  }
  if (segments.length === 0) {
    throw new GuestImageError("bad-elf", `The ${what} has nothing to load (no PT_LOAD segment with a size).`);
  }
  return { entry, segments };
}

/**
 * Writes every segment at its physical address and clears what the file does not hold. Nothing is written when one does not fit.
 *
 * @throws GuestImageError `kernel-too-large` when a segment lies outside guest memory or in the hole below 1 MiB
 */
export function loadElf32(
  memory: GuestMemoryPort,
  bytes: Uint8Array,
  elf: Elf32,
  what: string,
): LoadedRegion[] {
  for (const segment of elf.segments) {
    if (isBacked(memory, segment.physicalAddress, segment.memoryBytes)) continue;
    const end = segment.physicalAddress + segment.memoryBytes;
    throw new GuestImageError(
      "kernel-too-large",
      `The ${what} does not fit: it needs guest memory from ${hex(segment.physicalAddress)} to ${hex(end)}, ` +
        `and the guest has ${mebibytes(memory.sizeBytes)} with a hole from 0xa0000 to 0x100000. Give it more with --memory.`,
    );
  }
  return elf.segments.map((segment, index) => {
    const { fileOffset, physicalAddress, fileBytes, memoryBytes } = segment;
    memory.write(physicalAddress, bytes.subarray(fileOffset, fileOffset + fileBytes));
    writeZeroes(memory, physicalAddress + fileBytes, memoryBytes - fileBytes);
    return { name: `${what} segment ${index}`, gpa: physicalAddress, sizeBytes: memoryBytes };
  });
}
