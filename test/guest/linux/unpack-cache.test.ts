import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { unpackKernelCached } from "../../../src/guest/linux/unpack-cache.ts";
import { bzImage, elfImage } from "../images.ts";

const ELF = elfImage(0x1000000, [{ gpa: 0x1000000, content: new Uint8Array(1000).fill(7) }]);
const KERNEL = bzImage({ elf: ELF });

describe("the cache of unpacked kernels", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "umbra-unpack-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it("unpacks a kernel the first time and reads it back the second", () => {
    const first = unpackKernelCached(KERNEL, directory);
    const second = unpackKernelCached(KERNEL, directory);
    expect([first.fromCache, second.fromCache]).toEqual([false, true]);
    expect(Buffer.compare(first.elf, ELF)).toBe(0);
    expect(Buffer.compare(second.elf, ELF)).toBe(0);
  });

  it("leaves one file, named after the bzImage's sha256", () => {
    unpackKernelCached(KERNEL, directory);
    expect(readdirSync(directory)).toEqual([expect.stringMatching(/^[0-9a-f]{64}\.vmlinux$/)]);
  });

  it("does not trust a damaged file", () => {
    unpackKernelCached(KERNEL, directory);
    const path = join(directory, readdirSync(directory)[0]!);
    const bytes = readFileSync(path);
    bytes[200] = bytes[200]! ^ 1;
    writeFileSync(path, bytes);
    const again = unpackKernelCached(KERNEL, directory);
    expect(again.fromCache).toBe(false);
    expect(Buffer.compare(again.elf, ELF)).toBe(0);
  });

  it("does without, when the folder cannot be written", () => {
    const file = join(directory, "file");
    writeFileSync(file, "");
    expect(unpackKernelCached(KERNEL, join(file, "below")).fromCache).toBe(false);
  });
});
