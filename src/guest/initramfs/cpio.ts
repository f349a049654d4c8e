/**
 * Writes cpio archives in the "new ASCII" format, which Linux unpacks into its initial root file system
 * (Documentation/driver-api/early-userspace/buffer-format.rst). The same entries always give the same bytes.
 */

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;
const S_IFCHR = 0o020000;

export type CpioEntry =
  | { readonly kind: "directory"; readonly path: string; readonly mode?: number }
  | {
      readonly kind: "file";
      readonly path: string;
      readonly mode?: number;
      readonly content: Uint8Array | string;
    }
  | { readonly kind: "symlink"; readonly path: string; readonly target: string }
  | {
      readonly kind: "character-device";
      readonly path: string;
      readonly mode?: number;
      readonly major: number;
      readonly minor: number;
    };

/** Every file is as old as this, so that an archive does not depend on the day it was made. Seconds since 1970. */
const MODIFIED = 0;
const NO_DATA = new Uint8Array(0);
/** Archives are padded to what cpio and tar call a block. */
const BLOCK = 512;

interface Inode {
  readonly mode: number;
  readonly data: Uint8Array;
  readonly major: number;
  readonly minor: number;
}

function inodeOf(entry: CpioEntry): Inode {
  const plain = { major: 0, minor: 0 };
  switch (entry.kind) {
    case "directory":
      return { mode: S_IFDIR | (entry.mode ?? 0o755), data: NO_DATA, ...plain };
    case "file":
      return {
        mode: S_IFREG | (entry.mode ?? 0o644),
        data: typeof entry.content === "string" ? Buffer.from(entry.content) : entry.content,
        ...plain,
      };
    case "symlink":
      return { mode: S_IFLNK | 0o777, data: Buffer.from(entry.target), ...plain };
    case "character-device":
      return { mode: S_IFCHR | (entry.mode ?? 0o600), data: NO_DATA, major: entry.major, minor: entry.minor };
  }
}

const padding = (length: number, unit: number): number => (unit - (length % unit)) % unit;

function encode(path: string, number: number, inode: Inode, links: number): Buffer[] {
  const name = Buffer.from(`${path}\0`);
  const fields = [
    number,
    inode.mode,
    0, // uid
    0, // gid
    links,
    MODIFIED,
    inode.data.length,
    0, // device the archive was made from
    0,
    inode.major,
    inode.minor,
    name.length,
    0, // checksum: not in this format
  ];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
  const head = Buffer.concat([Buffer.from(header, "latin1"), name]);
  return [
    head,
    Buffer.alloc(padding(head.length, 4)),
    Buffer.from(inode.data.buffer, inode.data.byteOffset, inode.data.length),
    Buffer.alloc(padding(inode.data.length, 4)),
  ];
}

/**
 * Paths have no leading slash; a directory must come before what it holds (Linux makes none by itself).
 *
 * @throws RangeError for an absolute or empty path, or a second entry of the same path
 */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const seen = new Set<string>();
  const parts: Buffer[] = [];
  entries.forEach((entry, index) => {
    if (entry.path === "" || entry.path.startsWith("/")) {
      throw new RangeError(`The archive path "${entry.path}" must be relative and not empty.`);
    }
    if (seen.has(entry.path)) throw new RangeError(`The archive path "${entry.path}" is given twice.`);
    seen.add(entry.path);
    const inode = inodeOf(entry);
    const isDirectory = (inode.mode & S_IFMT) === S_IFDIR;
    parts.push(...encode(entry.path, index + 1, inode, isDirectory ? 2 : 1));
  });
  parts.push(...encode("TRAILER!!!", 0, { mode: 0, data: NO_DATA, major: 0, minor: 0 }, 1));
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  parts.push(Buffer.alloc(padding(length, BLOCK)));
  return Buffer.concat(parts);
}
