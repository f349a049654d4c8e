import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cachedDebianGuest, fetchDebianGuest } from "../../../src/guest/debian/fetch.ts";
import { withLock } from "../../../src/guest/debian/lock.ts";

const PATH = process.env["PATH"];

/** Programs named like apt's, which log how they were called and serve two packages whose "archive" is a tar file. */
const PROGRAMS: Readonly<Record<string, string>> = {
  "apt-get": `
    echo "apt-get $*" >> "$FAKE/log"
    while [ "$1" != update ] && [ "$1" != download ]; do shift; done
    [ "$1" = update ] && exit "$(cat "$FAKE/update-status")"
    shift
    for name; do
      case $name in
        linux-image-9.9.0-1-686:i386) cp "$FAKE/kernel.tar" linux-image-9.9.0-1-686_9.9-1_i386.deb ;;
        linux-image-9.9.0-1-686-pae:i386) cp "$FAKE/kernel.tar" linux-image-9.9.0-1-686-pae_9.9-1_i386.deb ;;
        busybox-static:i386) cp "$FAKE/busybox.tar" busybox-static_1%3a1.35_i386.deb ;;
        *) echo "E: Unable to locate package $name" >&2; exit 100 ;;
      esac
    done`,
  "apt-cache": `
    for name; do :; done
    case $name in
      linux-image-686:i386) [ -e "$FAKE/empty" ] && exit 100
        printf 'Package: linux-image-686\\nDepends: linux-image-9.9.0-1-686 (= 9.9-1)\\n' ;;
      linux-image-686-pae:i386)
        printf 'Package: linux-image-686-pae\\nDepends: linux-image-9.9.0-1-686-pae (= 9.9-1)\\n' ;;
      linux-image-9.9.0-1-686:i386 | linux-image-9.9.0-1-686-pae:i386) printf 'Package: k\\nVersion: 9.9-1\\nSize: 10240\\n' ;;
      busybox-static:i386) printf 'Package: b\\nVersion: 1:1.35\\nSize: 10240\\n' ;;
      *) exit 100 ;;
    esac`,
  "dpkg-deb": 'cat "$2"',
};

describe("fetching Debian's kernel and busybox", () => {
  let root: string;
  let cache: string;
  let fake: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "umbra-fetch-"));
    cache = join(root, "cache");
    fake = join(root, "fake");
    mkdirSync(join(fake, "tree", "boot"), { recursive: true });
    mkdirSync(join(fake, "tree", "bin"));
    writeFileSync(join(fake, "tree", "boot", "vmlinuz-9.9.0-1-686"), "the kernel");
    writeFileSync(join(fake, "tree", "boot", "config-9.9.0-1-686"), "not wanted");
    writeFileSync(join(fake, "tree", "bin", "busybox"), "the box");
    writeFileSync(join(fake, "update-status"), "0");
    spawnSync("tar", ["-C", join(fake, "tree"), "-cf", join(fake, "kernel.tar"), "./boot"]);
    spawnSync("tar", ["-C", join(fake, "tree"), "-cf", join(fake, "busybox.tar"), "./bin"]);
    for (const [name, text] of Object.entries(PROGRAMS)) {
      writeFileSync(join(fake, name), `#!/bin/sh\n${text}\n`);
      chmodSync(join(fake, name), 0o755);
    }
    process.env["FAKE"] = fake;
    process.env["PATH"] = `${fake}:${PATH}`;
  });

  afterEach(() => {
    process.env["PATH"] = PATH;
    delete process.env["FAKE"];
    rmSync(root, { recursive: true, force: true });
  });

  const fetch = (refresh = false) => fetchDebianGuest({ cacheDirectory: cache, refresh });
  const calls = () => readFileSync(join(fake, "log"), "utf8").trim().split("\n");

  it("puts the kernel, busybox and a manifest into the cache, and nothing else", async () => {
    const guest = await fetch();
    expect(readFileSync(guest.kernelPath, "utf8")).toBe("the kernel");
    expect(readFileSync(guest.busyboxPath, "utf8")).toBe("the box");
    expect(readdirSync(cache)).toEqual(["debian-i386"]);
    expect(readdirSync(guest.directory).sort()).toEqual(["busybox", "manifest.json", "packages", "vmlinuz"]);
    expect(guest.fromCache).toBe(false);
  });

  it("records versions and digests", async () => {
    const { manifest } = await fetch();
    const sha256 = createHash("sha256").update("the kernel").digest("hex");
    expect(manifest).toMatchObject({
      schema: 1,
      kernelRelease: "9.9.0-1-686",
      kernel: { path: "vmlinuz", sizeBytes: 10, sha256 },
      packages: [
        { name: "linux-image-9.9.0-1-686", version: "9.9-1" },
        { name: "busybox-static", version: "1:1.35" },
      ],
    });
  });

  it("keeps the kernels of both flavours side by side", async () => {
    const plain = await fetch();
    const pae = await fetchDebianGuest({ cacheDirectory: cache, flavour: "686-pae" });
    expect(pae.manifest.packages[0]?.name).toBe("linux-image-9.9.0-1-686-pae");
    expect(readdirSync(cache).sort()).toEqual(["debian-i386", "debian-i386-pae"]);
    expect(cachedDebianGuest(cache, "686-pae")?.directory).toBe(pae.directory);
    expect(cachedDebianGuest(cache)?.directory).toBe(plain.directory);
  });

  it("asks apt once and uses the cache from then on, until it is told to fetch anew", async () => {
    await fetch();
    expect((await fetch()).fromCache).toBe(true);
    expect(calls()).toHaveLength(2);
    expect((await fetch(true)).fromCache).toBe(false);
    expect(calls()).toHaveLength(4);
  });

  it("fetches anew what has been damaged", async () => {
    writeFileSync((await fetch()).kernelPath, "the ker");
    expect(cachedDebianGuest(cache)).toBeUndefined();
    expect(readFileSync((await fetch()).kernelPath, "utf8")).toBe("the kernel");
  });

  it("gives apt a configuration of its own, away from the system's state", async () => {
    writeFileSync(
      join(fake, "apt-get"),
      `#!/bin/sh\nfor f; do [ "$previous" = -c ] && cp "$f" "$FAKE/seen.conf"; previous=$f; done\nexit 1\n`,
    );
    await expect(fetch()).rejects.toThrow();
    const configuration = readFileSync(join(fake, "seen.conf"), "utf8");
    const paths = [...configuration.matchAll(/^Dir::\S+ "(.*)";$/gm)].map((match) => match[1]!);
    expect(paths.length).toBeGreaterThanOrEqual(4);
    expect(paths.every((path) => path.startsWith(`${cache}/fetch-`))).toBe(true);
    expect(configuration).toContain("#clear APT::Update::Post-Invoke;");
  });

  it("fetches once when two ask at the same time", async () => {
    const [first, second] = await Promise.all([fetch(), fetch()]);
    expect([first.fromCache, second.fromCache].sort()).toEqual([false, true]);
    expect(calls()).toHaveLength(2);
  });

  it("does not mind a list that could not be fetched", async () => {
    writeFileSync(join(fake, "update-status"), "100");
    expect((await fetch()).manifest.kernelRelease).toBe("9.9.0-1-686");
  });

  it("says how to go on without apt", async () => {
    process.env["PATH"] = join(root, "nowhere");
    await expect(fetch()).rejects.toThrow(expect.objectContaining({ problem: "no-apt" }));
    await expect(fetch()).rejects.toThrow(/--kernel .*--initrd/);
  });

  it("says so when apt's sources have no such kernel", async () => {
    writeFileSync(join(fake, "empty"), "");
    await expect(fetch()).rejects.toThrow(expect.objectContaining({ problem: "no-package" }));
  });

  it("leaves nothing behind when a package cannot be unpacked", async () => {
    writeFileSync(join(fake, "kernel.tar"), "garbage");
    await expect(fetch()).rejects.toThrow(expect.objectContaining({ problem: "unpack-failed" }));
    expect(readdirSync(cache)).toEqual([]);
  });

  it("leaves the old guest in place when a new one cannot be fetched", async () => {
    await fetch();
    writeFileSync(join(fake, "busybox.tar"), "garbage");
    await expect(fetch(true)).rejects.toThrow();
    expect(cachedDebianGuest(cache)?.manifest.kernelRelease).toBe("9.9.0-1-686");
  });

  it("clears away what a killed fetch has left", async () => {
    const abandoned = join(cache, "fetch-999999999-abc");
    mkdirSync(abandoned, { recursive: true });
    await fetch();
    expect(existsSync(abandoned)).toBe(false);
  });
});

describe("the lock", () => {
  let path: string;
  beforeEach(() => {
    path = join(mkdtempSync(join(tmpdir(), "umbra-lock-")), "lock");
  });

  it("lets one in at a time", async () => {
    const order: string[] = [];
    const enter = (name: string) =>
      withLock(path, async () => {
        order.push(`${name} in`);
        await new Promise((resolve) => setTimeout(resolve, 20));
        order.push(`${name} out`);
      });
    await Promise.all([enter("a"), enter("b")]);
    expect(order).toEqual(["a in", "a out", "b in", "b out"]);
  });

  it("is taken over from a process that has died", async () => {
    writeFileSync(path, "999999999\n");
    expect(await withLock(path, async () => "mine")).toBe("mine");
    expect(existsSync(path)).toBe(false);
  });

  it("is given up when its holder does not let go", async () => {
    writeFileSync(path, `${process.ppid}\n`);
    await expect(withLock(path, async () => {}, { timeoutMs: 1 })).rejects.toThrow(
      expect.objectContaining({ problem: "lock-timeout" }),
    );
    expect(existsSync(path)).toBe(true);
  });

  it("is let go when the work fails", async () => {
    await expect(withLock(path, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(existsSync(path)).toBe(false);
  });
});
