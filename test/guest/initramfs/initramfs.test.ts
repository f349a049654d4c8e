import { describe, expect, it } from "vitest";
import { type CpioEntry, writeCpio } from "../../../src/guest/initramfs/cpio.ts";
import { initScript } from "../../../src/guest/initramfs/init-script.ts";
import { buildInitramfs } from "../../../src/guest/initramfs/initramfs.ts";

interface Member {
  readonly path: string;
  readonly inode: number;
  readonly mode: number;
  readonly links: number;
  readonly modified: number;
  readonly device: readonly [number, number];
  readonly content: string;
}

/** Reads a newc archive back; what does not fit the format is an error. */
function readCpio(archive: Uint8Array): Member[] {
  const members: Member[] = [];
  for (let at = 0; ; ) {
    expect(at % 4).toBe(0);
    const header = Buffer.from(archive.subarray(at, at + 110)).toString("latin1");
    expect(header.slice(0, 6)).toBe("070701");
    const field = (index: number) => Number.parseInt(header.slice(6 + index * 8, 14 + index * 8), 16);
    const nameEnd = at + 110 + field(11);
    expect(archive[nameEnd - 1]).toBe(0);
    const path = Buffer.from(archive.subarray(at + 110, nameEnd - 1)).toString();
    if (path === "TRAILER!!!") return members;
    const dataAt = Math.ceil(nameEnd / 4) * 4;
    members.push({
      path,
      inode: field(0),
      mode: field(1),
      links: field(4),
      modified: field(5),
      device: [field(9), field(10)],
      content: Buffer.from(archive.subarray(dataAt, dataAt + field(6))).toString(),
    });
    at = Math.ceil((dataAt + field(6)) / 4) * 4;
  }
}

describe("writeCpio", () => {
  const entries: CpioEntry[] = [
    { kind: "directory", path: "dev" },
    { kind: "character-device", path: "dev/null", mode: 0o666, major: 1, minor: 3 },
    { kind: "file", path: "init", mode: 0o755, content: "#!/bin/sh\n" },
    { kind: "symlink", path: "sh", target: "busybox" },
  ];

  it("writes directories, devices, files and links that can be read back", () => {
    const plain = { modified: 0, device: [0, 0] };
    expect(readCpio(writeCpio(entries))).toEqual([
      { path: "dev", inode: 1, mode: 0o40755, links: 2, content: "", ...plain },
      { path: "dev/null", inode: 2, mode: 0o20666, links: 1, content: "", modified: 0, device: [1, 3] },
      { path: "init", inode: 3, mode: 0o100755, links: 1, content: "#!/bin/sh\n", ...plain },
      { path: "sh", inode: 4, mode: 0o120777, links: 1, content: "busybox", ...plain },
    ]);
  });

  it("ends on a block", () => {
    expect(writeCpio(entries).length % 512).toBe(0);
  });

  it("refuses an absolute path and a path given twice", () => {
    expect(() => writeCpio([{ kind: "directory", path: "/dev" }])).toThrow(RangeError);
    expect(() => writeCpio([entries[0]!, entries[0]!])).toThrow("given twice");
  });
});

describe("the initramfs", () => {
  const busybox = Buffer.from("\x7fELF busybox");

  it("is the same, byte for byte, each time", () => {
    const build = () => buildInitramfs({ busybox, script: "ls" });
    expect(Buffer.compare(build(), build())).toBe(0);
  });

  it("has every directory before what it holds", () => {
    const seen = new Set(["."]);
    for (const { path, mode } of readCpio(buildInitramfs({ busybox, script: "ls" }))) {
      const parent = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : ".";
      expect(seen, path).toContain(parent);
      if ((mode & 0o170000) === 0o40000) seen.add(path);
    }
  });

  it("has the nodes that a console needs before devtmpfs is there", () => {
    const devices = readCpio(buildInitramfs({ busybox })).filter(({ mode }) => (mode & 0o170000) === 0o20000);
    expect(Object.fromEntries(devices.map(({ path, device }) => [path, device]))).toMatchObject({
      "dev/console": [5, 1],
      "dev/null": [1, 3],
      "dev/ttyS0": [4, 64],
      "dev/urandom": [1, 9],
      "dev/zero": [1, 5],
    });
  });

  it("holds busybox, an executable init, and the script when there is one", () => {
    const find = (script: string | undefined, path: string) =>
      readCpio(buildInitramfs(script === undefined ? { busybox } : { busybox, script })).find(
        (m) => m.path === path,
      );
    expect(find(undefined, "bin/busybox")).toMatchObject({ mode: 0o100755, content: "\x7fELF busybox" });
    expect(find(undefined, "init")).toMatchObject({ mode: 0o100755 });
    expect(find(undefined, "script")).toBeUndefined();
    expect(find("echo 'a b'", "script")).toMatchObject({ content: "echo 'a b'\n" });
  });
});

describe("init", () => {
  const lines = (hasScript: boolean, after: "poweroff" | "shell") =>
    initScript({ hasScript, after }).split("\n");

  it("mounts proc, sys and dev before it says that it is ready", () => {
    const text = lines(false, "shell");
    const ready = text.indexOf("echo UMBRA-READY");
    for (const mount of ["/proc", "/sys", "/dev"]) {
      const at = text.findIndex((line) => line.includes("mount") && line.endsWith(mount));
      expect(at).toBeGreaterThan(0);
      expect(at).toBeLessThan(ready);
    }
  });

  it("reports the script's status and switches off", () => {
    const text = lines(true, "poweroff");
    expect(text.slice(text.indexOf("echo UMBRA-READY"))).toEqual([
      "echo UMBRA-READY",
      "sh /script",
      'echo "UMBRA-DONE rc=$?"',
      "poweroff -f",
      "",
    ]);
  });

  it("gives a shell with a controlling terminal when there is no script", () => {
    const text = lines(false, "shell");
    expect(text.slice(text.indexOf("echo UMBRA-READY"))).toEqual([
      "echo UMBRA-READY",
      "setsid cttyhack sh",
      "poweroff -f",
      "",
    ]);
  });

  it("gives the shell another terminal, after the modules that it may need", () => {
    const text = initScript({ hasScript: false, after: "shell", modules: ["a", "b"], terminal: "hvc0" });
    const shell = "setsid sh -c 'exec sh </dev/hvc0 >/dev/hvc0 2>&1'";
    const order = ["insmod /modules/a.ko", "insmod /modules/b.ko", "echo UMBRA-READY", shell].map((line) =>
      text.indexOf(`\n${line}\n`),
    );
    expect(order[0]).toBeGreaterThan(0);
    expect(order).toEqual(order.toSorted((one, other) => one - other));
    expect(text).not.toContain("cttyhack");
  });

  describe("with a root file system on a disk", () => {
    const root = (options: Partial<Parameters<typeof initScript>[0]>) =>
      initScript({ hasScript: false, after: "shell", root: "/dev/vda", modules: ["ext4"], ...options });
    const positions = (text: string, ...parts: string[]) => parts.map((part) => text.indexOf(part));

    it("waits for it, mounts it, and hands over to its init", () => {
      const text = root({});
      const order = positions(
        text,
        "insmod /modules/ext4.ko",
        "until [ -b /dev/vda ]",
        "if mount /dev/vda /umbra-root",
        "mount --move /$d /umbra-root/$d",
        "exec switch_root -c /dev/console /umbra-root /sbin/init",
        "exec switch_root -c /dev/console /umbra-root /dev/umbra/busybox sh /dev/umbra/init",
        'echo "umbra: there is no root file system on /dev/vda"',
      );
      expect(order[0]).toBeGreaterThan(0);
      expect(order).toEqual(order.toSorted((one, other) => one - other));
    });

    it("runs the script there, and leaves it clean", () => {
      const text = root({ hasScript: true, after: "poweroff" });
      expect(text).not.toContain("/sbin/init");
      const order = positions(
        text,
        "cp /script /umbra-root/dev/umbra/script",
        "\nsh /dev/umbra/script\n",
        "\nmount -o remount,ro /\npoweroff -f\nUMBRA-END",
      );
      expect(order[0]).toBeGreaterThan(0);
      expect(order).toEqual(order.toSorted((one, other) => one - other));
    });
  });
});
