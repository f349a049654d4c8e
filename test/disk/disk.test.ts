import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DiskError, FileDisk, MemoryDisk, OverlayDisk } from "../../src/disk/index.ts";

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "umbra-disk-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** An image of so many sectors, each filled with its number. */
function image(name: string, sectors: number): string {
  const path = join(directory, name);
  writeFileSync(path, numbered(sectors));
  return path;
}

const numbered = (sectors: number) => new Uint8Array(sectors * 512).map((_, at) => at >>> 9);
const filled = (value: number, sectors = 1) => new Uint8Array(sectors * 512).fill(value);

/** The one line that refuses a path. */
function complaint(path: string, writable = false): string {
  try {
    new FileDisk(path, writable);
  } catch (error) {
    expect(error).toBeInstanceOf(DiskError);
    return (error as Error).message;
  }
  throw new Error(`${path} was taken`);
}

describe("an image in a file", () => {
  it("is read and written by sectors, in place", () => {
    const path = image("written", 4);
    const disk = new FileDisk(path, true);
    expect(disk.sectors).toBe(4);
    expect(disk.read(1, 2)).toEqual(numbered(4).slice(512, 3 * 512));
    disk.write(2, filled(0xaa));
    disk.flush();
    expect(disk.read(2, 1)).toEqual(filled(0xaa));
    const after = numbered(4);
    after.fill(0xaa, 2 * 512, 3 * 512);
    expect(new Uint8Array(readFileSync(path))).toEqual(after);
  });

  it("is refused in one clear line when there is none, or none that can be a disk", () => {
    const odd = join(directory, "odd");
    writeFileSync(odd, "x".repeat(1000));
    const empty = join(directory, "empty");
    writeFileSync(empty, "");
    const missing = join(directory, "missing");
    expect(complaint(missing)).toBe(`Cannot open the disk image ${missing}: there is no such file.`);
    expect(complaint(missing, true)).toBe(complaint(missing));
    expect(complaint(odd)).toBe(
      `Cannot use the disk image ${odd}: its 1000 bytes are no whole number of sectors of 512: pad it (truncate -s %512).`,
    );
    expect(complaint(empty)).toBe(`Cannot use the disk image ${empty}: it is empty.`);
    expect(complaint(directory)).toBe(`Cannot use the disk image ${directory}: it is no ordinary file.`);
    expect(complaint(directory, true)).toBe(`Cannot open the disk image ${directory}: it is a directory.`);
  });
});

describe("an overlay", () => {
  it("shows what was written and keeps the disk below as it is", () => {
    const path = image("below", 6);
    const disk = new OverlayDisk(new FileDisk(path, false));
    expect(disk.sectors).toBe(6);
    disk.write(1, filled(0xbb, 2));
    disk.write(2, filled(0xcc));
    disk.flush();
    expect(disk.writtenSectors).toBe(2);
    const seen = numbered(6);
    seen.fill(0xbb, 512, 2 * 512);
    seen.fill(0xcc, 2 * 512, 3 * 512);
    expect(disk.read(0, 6)).toEqual(seen);
    expect(disk.read(2, 1)).toEqual(filled(0xcc));
    expect(new Uint8Array(readFileSync(path))).toEqual(numbered(6));
  });

  it("keeps its own copy of what it is given, and gives copies", () => {
    const below = new MemoryDisk(numbered(2));
    const disk = new OverlayDisk(below);
    const bytes = filled(0x11);
    disk.write(0, bytes);
    bytes.fill(0x22);
    disk.read(0, 2).fill(0x33);
    expect(disk.read(0, 2)).toEqual(new Uint8Array([...filled(0x11), ...filled(1)]));
    expect(below.bytes).toEqual(numbered(2));
  });
});
