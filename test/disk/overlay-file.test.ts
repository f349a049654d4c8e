import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { DiskError, FileDisk, MemoryDisk, OverlayFile } from "../../src/disk/index.ts";

let directory = "";
let base = "";
let overlay = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "umbra-overlay-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

const SECTORS = 30;
/** Each sector is filled with its number. */
const numbered = () => new Uint8Array(SECTORS * 512).map((_, at) => at >>> 9);
const filled = (value: number, sectors = 1) => new Uint8Array(sectors * 512).fill(value);

let count = 0;
beforeEach(() => {
  count++;
  base = join(directory, `base${count}`);
  overlay = join(directory, `overlay${count}`);
  writeFileSync(base, numbered());
});

const open = () => new OverlayFile(overlay, new FileDisk(base, false));

/** Opens it, does `work`, and closes it. */
function within<Result>(work: (disk: OverlayFile) => Result): Result {
  const disk = open();
  try {
    return work(disk);
  } finally {
    disk.close();
  }
}

/** What root may do is done as somebody who may not: "nobody", on Debian. */
function asNobody(work: () => void): void {
  const { geteuid, seteuid } = process;
  if (geteuid === undefined || seteuid === undefined || geteuid() !== 0) {
    work();
    return;
  }
  chmodSync(directory, 0o755);
  seteuid("nobody");
  try {
    work();
  } finally {
    seteuid(0);
  }
}

/** The one line that refuses. */
function complaint(attempt: () => unknown): string {
  try {
    attempt();
  } catch (error) {
    expect(error).toBeInstanceOf(DiskError);
    expect((error as Error).message).not.toContain("\n");
    return (error as Error).message;
  }
  throw new Error("it was taken");
}

describe("an overlay in a file", () => {
  it("is there again at the next run, and the image never changes", () => {
    within((disk) => {
      expect(disk.sectors).toBe(SECTORS);
      expect(disk.writtenSectors).toBe(0);
      disk.write(7, filled(0xaa, 3));
      disk.write(8, filled(0xbb));
      disk.write(SECTORS - 1, filled(0xcc));
      disk.flush();
    });
    const expected = numbered();
    expected
      .fill(0xaa, 7 * 512, 10 * 512)
      .fill(0xbb, 8 * 512, 9 * 512)
      .fill(0xcc, (SECTORS - 1) * 512);
    within((disk) => {
      expect(disk.read(0, SECTORS)).toEqual(expected);
      expect(disk.read(8, 1)).toEqual(filled(0xbb));
      expect(disk.writtenSectors).toBe(24);
      disk.write(0, filled(0xdd));
    });
    expected.fill(0xdd, 0, 512);
    expect(within((disk) => disk.read(0, SECTORS))).toEqual(expected);
    expect(new Uint8Array(readFileSync(base))).toEqual(numbered());
  });

  it("is as a disk in memory after any writes, over any openings", () => {
    const model = new MemoryDisk(numbered());
    let seed = 1;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return (seed >>> 16) % below;
    };
    for (let run = 0; run < 10; run++)
      within((disk) => {
        for (let n = 0; n < 10; n++) {
          const sector = random(SECTORS);
          const bytes = filled(random(256), 1 + random(SECTORS - sector));
          disk.write(sector, bytes);
          model.write(sector, bytes);
          const at = random(SECTORS);
          const length = 1 + random(SECTORS - at);
          expect(disk.read(at, length)).toEqual(model.read(at, length));
        }
      });
  });

  it("takes an empty file, and one whose last write was cut off before its entry", () => {
    writeFileSync(overlay, "");
    within((disk) => disk.write(3, filled(1)));
    truncateSync(overlay, statSync(overlay).size + 100);
    within((disk) => disk.write(20, filled(2)));
    const expected = numbered();
    expected.fill(1, 3 * 512, 4 * 512).fill(2, 20 * 512, 21 * 512);
    expect(within((disk) => disk.read(0, SECTORS))).toEqual(expected);
  });

  it("knows its image again when only its time has changed, and no other", () => {
    within((disk) => disk.write(0, filled(9)));
    utimesSync(base, 1000, 1000);
    expect(within((disk) => disk.read(0, 2))).toEqual(new Uint8Array([...filled(9), ...filled(1)]));
    writeFileSync(base, numbered().fill(0x77, 512, 513));
    expect(complaint(open)).toBe(
      `Cannot use the overlay ${overlay}: ${base} has changed since it was made: take the image as it was, or a new file for the overlay.`,
    );
    truncateSync(base, 512 * 20);
    expect(complaint(open)).toBe(
      `Cannot use the overlay ${overlay}: it was made for an image of ${SECTORS} sectors, and ${base} has 20.`,
    );
  });

  it("is refused in one clear line when it cannot be one", () => {
    writeFileSync(overlay, "#!/bin/sh\n");
    expect(complaint(open)).toBe(
      `Cannot use the overlay ${overlay}: it is there and is no overlay: name a file that Umbra has made, or one that does not exist.`,
    );
    expect(readFileSync(overlay, "utf8")).toBe("#!/bin/sh\n");
    const image = new FileDisk(base, false);
    const at = (path: string) => complaint(() => new OverlayFile(path, image));
    expect(at(directory)).toBe(`Cannot open the overlay ${directory}: it is a directory.`);
    expect(at(join(directory, "none", "x"))).toMatch(/: there is no such folder\.$/);
    expect(at(join(base, "x"))).toMatch(/: a part of the path is no folder\.$/);
    expect(at("/dev/null")).toBe("Cannot use the overlay /dev/null: it is no ordinary file.");
    const link = join(directory, "link");
    symlinkSync(base, link);
    expect(at(link)).toBe(`Cannot use the overlay ${link}: it is the disk image itself: name another file.`);
    expect(new Uint8Array(readFileSync(base))).toEqual(numbered());
  });

  it("is refused when it is damaged", () => {
    within((disk) => {
      disk.write(0, filled(1));
      disk.write(16, filled(2));
    });
    const whole = readFileSync(overlay);
    const cut = (sizeBytes: number) => {
      writeFileSync(overlay, whole.subarray(0, sizeBytes));
      return complaint(open);
    };
    for (const sizeBytes of [5000, 8192, 8192 + 4096])
      expect(cut(sizeBytes)).toBe(`Cannot use the overlay ${overlay}: it has been cut short.`);
    expect(cut(10)).toMatch(/is no overlay/);
    whole[16] = 2;
    expect(cut(whole.length)).toMatch(/it is of version 2 with clusters of 4096 bytes, and only version 1/);
  });

  it("is refused when it may not be written", () => {
    within(() => {});
    chmodSync(overlay, 0o444);
    asNobody(() => expect(complaint(open)).toBe(`Cannot open the overlay ${overlay}: permission denied.`));
  });
});

describe("a file that is written", () => {
  const locks = () => readdirSync(tmpdir()).filter((name) => /^umbra-disk-.*\.lock/.test(name));
  const own = () => `umbra-disk-${statSync(base).dev}-${statSync(base).ino}.lock`;

  it("is one disk's only, in one process", () => {
    const first = new FileDisk(base, true);
    const link = join(directory, "another-name");
    symlinkSync(base, link);
    expect(complaint(() => new FileDisk(link, true))).toBe(
      `Cannot use the disk image ${link}: it is in use already, as another disk.`,
    );
    new FileDisk(base, false).close();
    expect(locks()).toContain(own());
    first.close();
    expect(locks()).not.toContain(own());
    new FileDisk(base, true).close();
  });

  it("is one process's only, until that ends, in whatever way", async () => {
    const program = `
      import { FileDisk } from ${JSON.stringify(new URL("../../src/disk/index.ts", import.meta.url).href)};
      new FileDisk(${JSON.stringify(base)}, true);
      console.log("open");
      setInterval(() => {}, 1000);`;
    const args = ["--import", "tsx", "--input-type=module", "--eval", program];
    const other = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    await once(other.stdout, "data");
    const lock = join(tmpdir(), own());
    expect(complaint(() => new FileDisk(base, true))).toBe(
      `Cannot use the disk image ${base}: process ${other.pid} is using it (if it is not, remove ${lock}).`,
    );
    other.kill("SIGKILL");
    await once(other, "close");
    expect(existsSync(lock)).toBe(true);
    new FileDisk(base, true).close();
    expect(existsSync(lock)).toBe(false);
    const brief = program.replace("setInterval(() => {}, 1000);", "");
    expect(spawnSync(process.execPath, [...args.slice(0, -1), brief], { encoding: "utf8" }).stdout).toBe(
      "open\n",
    );
    expect(existsSync(lock)).toBe(false);
  });
});
