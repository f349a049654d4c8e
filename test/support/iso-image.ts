/** A small ISO 9660 image (ECMA-119), which can be booted if it is to (El Torito, no emulation): what tests put into the CD drive. */

const SECTOR = 2048;
const DESCRIPTORS = 16;
const CATALOG = 19;
const ROOT = 20;
/** Where boot image or files begin. */
export const FIRST_EXTENT = 21;
const DIRECTORY = 2;

export interface IsoParts {
  /** The boot image: whole sectors of it are loaded to 07C0:0000. It is the first extent. */
  readonly boot?: Uint8Array;
  /** In the root directory, by names like `README.TXT`. */
  readonly files?: Readonly<Record<string, Uint8Array>>;
}

/** Numbers are there in both byte orders. */
function both(image: Buffer, at: number, value: number, bytes: 2 | 4): void {
  image.writeUIntLE(value, at, bytes);
  image.writeUIntBE(value, at + bytes, bytes);
}

function directoryRecord(name: string, extent: number, sizeBytes: number, flags: number): Buffer {
  const record = Buffer.alloc((33 + name.length + 1) & ~1);
  record[0] = record.length;
  both(record, 2, extent, 4);
  both(record, 10, sizeBytes, 4);
  // 1 January 2026.
  record.set([126, 1, 1, 0, 0, 0, 0], 18);
  record[25] = flags;
  both(record, 28, 1, 2);
  record[32] = name.length;
  record.write(name, 33, "latin1");
  return record;
}

export function isoImage({ boot, files = {} }: IsoParts): Buffer {
  const contents = [...(boot === undefined ? [] : [boot]), ...Object.values(files)];
  const extents: number[] = [];
  let end = FIRST_EXTENT;
  for (const { length } of contents) {
    extents.push(end);
    end += Math.max(1, Math.ceil(length / SECTOR));
  }
  const image = Buffer.alloc(end * SECTOR);
  const descriptor = (sector: number, type: number): Buffer => {
    const bytes = image.subarray(sector * SECTOR, (sector + 1) * SECTOR);
    bytes[0] = type;
    bytes.write("CD001", 1, "latin1");
    bytes[6] = 1;
    return bytes;
  };
  const primary = descriptor(DESCRIPTORS, 1);
  primary.fill(" ", 8, 72).write("UMBRA", 40, "latin1");
  both(primary, 80, end, 4);
  both(primary, 120, 1, 2);
  both(primary, 124, 1, 2);
  both(primary, 128, SECTOR, 2);
  directoryRecord("\0", ROOT, SECTOR, DIRECTORY).copy(primary, 156);
  primary[881] = 1;
  if (boot !== undefined) {
    const record = descriptor(DESCRIPTORS + 1, 0);
    record.write("EL TORITO SPECIFICATION", 7, "latin1");
    record.writeUInt32LE(CATALOG, 0x47);
    placeCatalog(image.subarray(CATALOG * SECTOR), boot.length);
  }
  descriptor(DESCRIPTORS + (boot === undefined ? 1 : 2), 255);
  const names = Object.keys(files);
  const first = contents.length - names.length;
  const records = [
    directoryRecord("\0", ROOT, SECTOR, DIRECTORY),
    directoryRecord("\x01", ROOT, SECTOR, DIRECTORY),
    ...names.map((name, n) =>
      directoryRecord(`${name};1`, extents[first + n] as number, (files[name] as Uint8Array).length, 0),
    ),
  ];
  Buffer.concat(records).copy(image, ROOT * SECTOR);
  for (const [n, bytes] of contents.entries()) image.set(bytes, (extents[n] as number) * SECTOR);
  return image;
}

/** Words of the validation entry add up to 0. */
function placeCatalog(catalog: Buffer, bootBytes: number): void {
  catalog[0] = 1;
  catalog.writeUInt16BE(0x55aa, 30);
  let sum = 0;
  for (let at = 0; at < 32; at += 2) sum += catalog.readUInt16LE(at);
  catalog.writeUInt16LE(-sum & 0xffff, 28);
  catalog[32] = 0x88;
  // Of 512 bytes.
  catalog.writeUInt16LE(Math.ceil(bootBytes / 512), 38);
  catalog.writeUInt32LE(FIRST_EXTENT, 40);
}
