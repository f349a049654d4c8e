import { type Disk, SECTOR_BYTES } from "./disk.ts";
import type { FileDisk } from "./file-disk.ts";
import { HostFile } from "./host-file.ts";

/**
 * The file, all numbers little-endian:
 *
 *     0x0000  "UMBRA OVERLAY\n", two zero bytes
 *     0x0010  version: 1 (4 bytes)
 *     0x0014  bytes of a cluster: 4096 (4 bytes)
 *     0x0018  sectors of the image below (8 bytes)
 *     0x0020  SHA-256 of the image below
 *     0x0040  when that was changed last, in ns since 1970 (8 bytes)
 *     0x1000  a number for each cluster of the disk (4 bytes): 0, it is as in the image below; n, it is the n-th below, from 1 on
 *             clusters of the disk, from the next multiple of 4096 on
 */
const MAGIC = new TextEncoder().encode("UMBRA OVERLAY\n\0\0");
const VERSION = 1;
const CLUSTER_BYTES = 4096;
const CLUSTER_SECTORS = CLUSTER_BYTES / SECTOR_BYTES;
const HEADER_BYTES = 72;
const Field = { version: 16, clusterBytes: 20, sectors: 24, hash: 32, changedNs: 64 } as const;
const TABLE_AT = 4096;
const ENTRY_BYTES = 4;

const roundUp = (bytes: number): number => Math.ceil(bytes / CLUSTER_BYTES) * CLUSTER_BYTES;

/** What is written goes to a file of its own, is seen instead of the image below, and is there again at the next run. The image never changes. */
export class OverlayFile implements Disk {
  readonly sectors: number;
  readonly #below: FileDisk;
  readonly #file: HostFile;
  /** By cluster of the disk; 0, or its number in the file. */
  readonly #table: Uint32Array;
  readonly #clustersAt: number;
  /** Clusters in the file. */
  #clusters: number;

  /**
   * Opens the overlay at `path`, or makes one if there is no file or an empty one. The image below is known again by its size and contents; contents are
   * compared when it has another time of change.
   *
   * @throws DiskError when it cannot be opened, is in use, is damaged or no overlay, or belongs to another image
   */
  constructor(path: string, below: FileDisk) {
    this.#below = below;
    this.sectors = below.sectors;
    const clusters = Math.ceil(below.sectors / CLUSTER_SECTORS);
    this.#clustersAt = TABLE_AT + roundUp(clusters * ENTRY_BYTES);
    this.#file = new HostFile(path, "overlay", "create");
    try {
      this.#demandAnotherFile();
      if (this.#file.sizeBytes === 0) this.#create();
      else this.#check();
      const { sizeBytes } = this.#file;
      this.#clusters = Math.max(0, Math.ceil((sizeBytes - this.#clustersAt) / CLUSTER_BYTES));
      this.#table = this.#readTable(clusters);
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  /** Sectors that are not as in the image below; those beside a written one, in its cluster, among them. */
  get writtenSectors(): number {
    return this.#table.reduce((sum, entry) => sum + (entry === 0 ? 0 : CLUSTER_SECTORS), 0);
  }

  read(sector: number, count: number): Uint8Array {
    const bytes = new Uint8Array(count * SECTOR_BYTES);
    this.#byCluster(sector, count, (cluster, first, length, done) => {
      const entry = this.#table[cluster] as number;
      const part =
        entry === 0
          ? this.#below.read(cluster * CLUSTER_SECTORS + first, length)
          : this.#file.read(this.#offsetOf(entry) + first * SECTOR_BYTES, length * SECTOR_BYTES);
      bytes.set(part, done * SECTOR_BYTES);
    });
    return bytes;
  }

  write(sector: number, bytes: Uint8Array): void {
    this.#byCluster(sector, bytes.length / SECTOR_BYTES, (cluster, first, length, done) => {
      const part = bytes.subarray(done * SECTOR_BYTES, (done + length) * SECTOR_BYTES);
      const entry = this.#table[cluster] as number;
      if (entry === 0) this.#addCluster(cluster, first, part);
      else this.#file.write(this.#offsetOf(entry) + first * SECTOR_BYTES, part);
    });
  }

  flush(): void {
    this.#file.sync();
  }

  close(): void {
    this.#file.close();
    this.#below.close();
  }

  /** The cluster comes first and its entry after it: whoever is killed in between has lost one write, and nothing else. */
  #addCluster(cluster: number, first: number, part: Uint8Array): void {
    const all = new Uint8Array(CLUSTER_BYTES);
    const start = cluster * CLUSTER_SECTORS;
    all.set(this.#below.read(start, Math.min(CLUSTER_SECTORS, this.sectors - start)));
    all.set(part, first * SECTOR_BYTES);
    const entry = this.#clusters + 1;
    this.#file.write(this.#offsetOf(entry), all);
    this.#file.write(TABLE_AT + cluster * ENTRY_BYTES, new Uint8Array(Uint32Array.of(entry).buffer));
    this.#clusters = entry;
    this.#table[cluster] = entry;
  }

  #offsetOf(entry: number): number {
    return this.#clustersAt + (entry - 1) * CLUSTER_BYTES;
  }

  /** Calls `work` for each cluster that the sectors are in: which one, from which of its sectors on, how many, and how many came before. */
  #byCluster(
    sector: number,
    count: number,
    work: (cluster: number, first: number, length: number, done: number) => void,
  ): void {
    for (let done = 0; done < count; ) {
      const at = sector + done;
      const first = at % CLUSTER_SECTORS;
      const length = Math.min(CLUSTER_SECTORS - first, count - done);
      work((at - first) / CLUSTER_SECTORS, first, length, done);
      done += length;
    }
  }

  #demandAnotherFile(): void {
    const { dev, ino } = this.#below.file.stat;
    const { stat } = this.#file;
    if (stat.dev === dev && stat.ino === ino)
      this.#file.refuse("it is the disk image itself: name another file");
  }

  #create(): void {
    this.#file.resize(this.#clustersAt);
    this.#writeHeader(this.#below.hash());
    this.#file.sync();
  }

  #writeHeader(hash: Uint8Array): void {
    const header = new Uint8Array(HEADER_BYTES);
    const view = new DataView(header.buffer);
    header.set(MAGIC);
    view.setUint32(Field.version, VERSION, true);
    view.setUint32(Field.clusterBytes, CLUSTER_BYTES, true);
    view.setBigUint64(Field.sectors, BigInt(this.sectors), true);
    header.set(hash, Field.hash);
    view.setBigInt64(Field.changedNs, this.#below.file.stat.mtimeNs, true);
    this.#file.write(0, header);
  }

  /** @throws DiskError */
  #check(): void {
    const file = this.#file;
    const header = file.read(0, HEADER_BYTES);
    const view = new DataView(header.buffer);
    if (!MAGIC.every((byte, at) => header[at] === byte))
      file.refuse(
        "it is there and is no overlay: name a file that Umbra has made, or one that does not exist",
      );
    const version = view.getUint32(Field.version, true);
    const clusterBytes = view.getUint32(Field.clusterBytes, true);
    if (version !== VERSION || clusterBytes !== CLUSTER_BYTES)
      file.refuse(
        `it is of version ${version} with clusters of ${clusterBytes} bytes, and only version ${VERSION} with ${CLUSTER_BYTES} is known`,
      );
    const { path } = this.#below.file;
    const sectors = Number(view.getBigUint64(Field.sectors, true));
    if (sectors !== this.sectors)
      file.refuse(`it was made for an image of ${sectors} sectors, and ${path} has ${this.sectors}`);
    if (file.sizeBytes < this.#clustersAt) file.refuse("it has been cut short");
    if (view.getBigInt64(Field.changedNs, true) === this.#below.file.stat.mtimeNs) return;
    const hash = this.#below.hash();
    if (!hash.every((byte, at) => header[Field.hash + at] === byte))
      file.refuse(
        `${path} has changed since it was made: take the image as it was, or a new file for the overlay`,
      );
    this.#writeHeader(hash);
  }

  /** @throws DiskError */
  #readTable(clusters: number): Uint32Array {
    const bytes = this.#file.read(TABLE_AT, clusters * ENTRY_BYTES);
    const table = new Uint32Array(bytes.buffer, 0, clusters);
    for (const entry of table) if (entry > this.#clusters) this.#file.refuse("it has been cut short");
    return table;
  }
}
