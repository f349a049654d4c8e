import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isElf } from "../elf.ts";
import { unpackKernel } from "./unpack.ts";

export interface UnpackedKernel {
  /** The kernel proper, an ELF image. */
  readonly elf: Uint8Array;
  /** True when an earlier run had unpacked it. */
  readonly fromCache: boolean;
  /** Wall time of unpacking or of reading it back, milliseconds. */
  readonly wallMs: number;
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/**
 * Unpacks a bzImage, or reads back what an earlier run unpacked: `<directory>/<sha256 of the bzImage>.vmlinux`. A cache that
 * cannot be written does no harm.
 *
 * @throws GuestImageError as `unpackKernel`
 */
export function unpackKernelCached(image: Uint8Array, directory: string): UnpackedKernel {
  const start = performance.now();
  const path = join(directory, `${digest(image)}.vmlinux`);
  const cached = readCached(path);
  if (cached) return { elf: cached, fromCache: true, wallMs: performance.now() - start };
  const elf = unpackKernel(image);
  const wallMs = performance.now() - start;
  store(path, directory, elf);
  return { elf, fromCache: false, wallMs };
}

/** The file is the image with its own sha256 behind it. */
const DIGEST_BYTES = 32;

function readCached(path: string): Uint8Array | undefined {
  try {
    const file = readFileSync(path);
    const elf = file.subarray(0, file.length - DIGEST_BYTES);
    const sum = createHash("sha256").update(elf).digest();
    return isElf(elf) && sum.equals(file.subarray(-DIGEST_BYTES)) ? elf : undefined;
  } catch {
    return undefined;
  }
}

function store(path: string, directory: string, elf: Uint8Array): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    mkdirSync(directory, { recursive: true });
  } catch {
    return;
  }
  try {
    writeFileSync(temporary, Buffer.concat([elf, createHash("sha256").update(elf).digest()]));
    renameSync(temporary, path);
  } catch {
    rmSync(temporary, { force: true });
  }
}
