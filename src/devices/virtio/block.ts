/** The virtio block device (Virtual I/O Device Specification 1.2, 5.2). Requests are done at once, in the order of the ring. */
import { type Disk, SECTOR_BYTES } from "../../disk/disk.ts";
import type { DmaMemory } from "../dma.ts";
import type { VirtioDevice } from "./device.ts";
import { BrokenRing, type Chain, gather, scatter, totalBytes, type VirtQueue } from "./queue.ts";

const FEATURE_SIZE_MAX = 1 << 1;
const FEATURE_SEG_MAX = 1 << 2;
const FEATURE_GEOMETRY = 1 << 4;
const FEATURE_READ_ONLY = 1 << 5;
const FEATURE_BLOCK_SIZE = 1 << 6;
const FEATURE_FLUSH = 1 << 9;

const TYPE_IN = 0;
const TYPE_OUT = 1;
const TYPE_FLUSH = 4;
const TYPE_GET_ID = 8;

const STATUS_OK = 0;
const STATUS_IO_ERROR = 1;
const STATUS_UNSUPPORTED = 2;

const HEADER_BYTES = 16;
const ID_BYTES = 20;
const CONFIG_BYTES = 24;
const QUEUE_SIZE = 256;
/** A request's data segments at most, and bytes in each. */
const SEGMENTS_MAXIMUM = 126;
const SEGMENT_BYTES = 128 * 1024;
/** What drivers that keep these two never exceed. */
const REQUEST_BYTES = SEGMENTS_MAXIMUM * SEGMENT_BYTES;
const HEADS = 16;
const SECTORS_PER_TRACK = 63;

export interface VirtioBlockOptions {
  readonly disk: Disk;
  readonly dma: DmaMemory;
  readonly readOnly?: boolean;
  /** Serial number, ASCII, cut to 20 characters. */
  readonly serial: string;
}

export interface VirtioBlockState {
  /** Requests done, failed ones too. */
  requests: number;
  failed: number;
}

export class VirtioBlock implements VirtioDevice {
  readonly name = "virtio-blk";
  readonly deviceId = 2;
  readonly classCode = [1, 0, 0] as const;
  readonly features: number;
  readonly queueSizes = [QUEUE_SIZE];
  readonly state: VirtioBlockState = { requests: 0, failed: 0 };
  readonly #options: VirtioBlockOptions;

  constructor(options: VirtioBlockOptions) {
    this.#options = options;
    this.features =
      FEATURE_SIZE_MAX |
      FEATURE_SEG_MAX |
      FEATURE_GEOMETRY |
      FEATURE_BLOCK_SIZE |
      FEATURE_FLUSH |
      (options.readOnly === true ? FEATURE_READ_ONLY : 0);
  }

  config(): Uint8Array {
    const { sectors } = this.#options.disk;
    const view = new DataView(new ArrayBuffer(CONFIG_BYTES));
    view.setUint32(0, sectors % 2 ** 32, true);
    view.setUint32(4, Math.floor(sectors / 2 ** 32), true);
    view.setUint32(8, SEGMENT_BYTES, true);
    view.setUint32(12, SEGMENTS_MAXIMUM, true);
    view.setUint16(16, Math.min(0xffff, Math.floor(sectors / (HEADS * SECTORS_PER_TRACK))), true);
    view.setUint8(18, HEADS);
    view.setUint8(19, SECTORS_PER_TRACK);
    view.setUint32(20, SECTOR_BYTES, true);
    return new Uint8Array(view.buffer);
  }

  writeConfig(): void {}

  reset(): void {}

  serve(_index: number, queue: VirtQueue): BrokenRing | undefined {
    for (;;) {
      const chain = queue.take();
      if (chain === undefined || chain instanceof BrokenRing) return chain;
      const written = this.#request(chain);
      if (written instanceof BrokenRing) return written;
      const broken = queue.give(chain.head, written);
      if (broken !== undefined) return broken;
    }
  }

  /** How many bytes it wrote, the status byte among them. */
  #request({ readable, writable }: Chain): number | BrokenRing {
    const { dma } = this.#options;
    const room = totalBytes(writable) - 1;
    const dataBytes = totalBytes(readable) - HEADER_BYTES;
    if (room < 0 || dataBytes < 0)
      return new BrokenRing("a request without a header or without a place for its status");
    const header = gather(dma, readable, 0, HEADER_BYTES);
    if (header === undefined) return NOT_IN_MEMORY;
    const view = new DataView(header.buffer);
    const type = view.getUint32(0, true);
    const sector = view.getUint32(8, true) + 2 ** 32 * view.getUint32(12, true);
    let written = 0;
    let status: number = STATUS_OK;
    const { state } = this;
    if (type === TYPE_IN) {
      const data = this.#read(sector, room);
      if (data === undefined) status = STATUS_IO_ERROR;
      else if (!scatter(dma, writable, 0, data)) return NOT_IN_MEMORY;
      else written = room;
    } else if (type === TYPE_OUT) {
      if (!this.#isPossible(sector, dataBytes) || this.#options.readOnly === true) status = STATUS_IO_ERROR;
      else {
        const data = gather(dma, readable, HEADER_BYTES, dataBytes);
        if (data === undefined) return NOT_IN_MEMORY;
        if (!this.#tries((disk) => disk.write(sector, data))) status = STATUS_IO_ERROR;
      }
    } else if (type === TYPE_FLUSH) {
      if (!this.#tries((disk) => disk.flush())) status = STATUS_IO_ERROR;
    } else if (type === TYPE_GET_ID) {
      written = Math.min(room, ID_BYTES);
      if (!scatter(dma, writable, 0, this.#id().subarray(0, written))) return NOT_IN_MEMORY;
    } else status = STATUS_UNSUPPORTED;
    if (!scatter(dma, writable, room, Uint8Array.of(status))) return NOT_IN_MEMORY;
    state.requests++;
    if (status !== STATUS_OK) state.failed++;
    return written + 1;
  }

  #read(sector: number, sizeBytes: number): Uint8Array | undefined {
    if (!this.#isPossible(sector, sizeBytes)) return undefined;
    let data: Uint8Array | undefined;
    this.#tries((disk) => {
      data = disk.read(sector, sizeBytes / SECTOR_BYTES);
    });
    return data;
  }

  #isPossible(sector: number, sizeBytes: number): boolean {
    return (
      sizeBytes % SECTOR_BYTES === 0 &&
      sizeBytes <= REQUEST_BYTES &&
      sector + sizeBytes / SECTOR_BYTES <= this.#options.disk.sectors
    );
  }

  /** The host may fail (its disk is full, the file is gone): the guest is told, as of a disk with a defect. */
  #tries(work: (disk: Disk) => void): boolean {
    try {
      work(this.#options.disk);
      return true;
    } catch {
      return false;
    }
  }

  #id(): Uint8Array {
    const id = new Uint8Array(ID_BYTES);
    id.set(new TextEncoder().encode(this.#options.serial).subarray(0, ID_BYTES));
    return id;
  }
}

const NOT_IN_MEMORY = new BrokenRing("a buffer of a request is not in memory");
