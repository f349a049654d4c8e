import { type CpioEntry, writeCpio } from "./cpio.ts";
import { type AfterScript, initScript } from "./init-script.ts";

/** A module for the kernel, the whole .ko file. */
export interface KernelModule {
  readonly name: string;
  readonly content: Uint8Array;
}

export interface InitramfsOptions {
  /** A statically linked i386 busybox, the whole file. */
  readonly busybox: Uint8Array;
  /** Shell text to run as soon as user space is up. */
  readonly script?: string;
  /** Default: `poweroff` when there is a script, else `shell`. */
  readonly after?: AfterScript;
  /** A device in /dev that the shell is on. Default: the console. */
  readonly terminal?: string;
  /** A block device whose file system becomes the root: `/dev/sda`. The script then runs there; without one, its /sbin/init, if it has that. */
  readonly root?: string;
  /** Loaded by init, in this order, before anything else. */
  readonly modules?: readonly KernelModule[];
  /** More files for the root file system, with the directories that they need. */
  readonly extra?: readonly CpioEntry[];
}

const DIRECTORIES = [
  "bin",
  "dev",
  "etc",
  "proc",
  "root",
  "sbin",
  "sys",
  "tmp",
  "usr",
  "usr/bin",
  "usr/sbin",
  "var",
];

/** Numbers from Linux Documentation/admin-guide/devices.txt. Needed before, or without, devtmpfs. */
const DEVICES: readonly [name: string, mode: number, major: number, minor: number][] = [
  ["console", 0o600, 5, 1],
  ["null", 0o666, 1, 3],
  ["random", 0o666, 1, 8],
  ["tty", 0o666, 5, 0],
  ["ttyS0", 0o600, 4, 64],
  ["urandom", 0o666, 1, 9],
  ["zero", 0o666, 1, 5],
];

/** The root file system that `initScript` expects, as an uncompressed cpio archive. Equal options give equal bytes. */
export function buildInitramfs(options: InitramfsOptions): Uint8Array {
  const hasScript = options.script !== undefined;
  const after = options.after ?? (hasScript ? "poweroff" : "shell");
  const entries: CpioEntry[] = [
    ...DIRECTORIES.map(
      (path): CpioEntry => ({ kind: "directory", path, mode: path === "tmp" ? 0o1777 : 0o755 }),
    ),
    ...DEVICES.map(
      ([name, mode, major, minor]): CpioEntry => ({
        kind: "character-device",
        path: `dev/${name}`,
        mode,
        major,
        minor,
      }),
    ),
    { kind: "file", path: "bin/busybox", mode: 0o755, content: options.busybox },
    { kind: "symlink", path: "bin/sh", target: "busybox" },
    { kind: "file", path: "etc/passwd", content: "root:x:0:0:root:/root:/bin/sh\n" },
    { kind: "file", path: "etc/group", content: "root:x:0:\n" },
    {
      kind: "file",
      path: "init",
      mode: 0o755,
      content: initScript({
        hasScript,
        after,
        modules: (options.modules ?? []).map(({ name }) => name),
        ...(options.terminal !== undefined && { terminal: options.terminal }),
        ...(options.root !== undefined && { root: options.root }),
      }),
    },
  ];
  if (options.script !== undefined) {
    entries.push({ kind: "file", path: "script", mode: 0o755, content: `${options.script}\n` });
  }
  const { modules = [] } = options;
  if (modules.length > 0) entries.push({ kind: "directory", path: "modules", mode: 0o755 });
  for (const { name, content } of modules)
    entries.push({ kind: "file", path: `modules/${name}.ko`, mode: 0o644, content });
  return writeCpio([...entries, ...(options.extra ?? [])]);
}
