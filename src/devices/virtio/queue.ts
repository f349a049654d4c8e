/** A split virtqueue, the device's side (Virtual I/O Device Specification 1.2, 2.7). */
import type { DmaMemory } from "../dma.ts";

const DESCRIPTOR_BYTES = 16;
const FLAG_NEXT = 1;
const FLAG_WRITE = 2;
const FLAG_INDIRECT = 4;
const AVAIL_NO_INTERRUPT = 1;
const RING_HEADER_BYTES = 4;
const USED_ELEMENT_BYTES = 8;
/** Descriptors of an indirect table at most, so that no chain takes long. */
const INDIRECT_MAXIMUM = 1024;

export interface QueueState {
  /** A power of two. */
  size: number;
  enabled: boolean;
  /** Guest-physical addresses of the descriptor table, of the driver's ring (available) and of the device's (used). */
  descriptors: number;
  driverRing: number;
  deviceRing: number;
  /** The next available entry to look at, and the next used one to fill, modulo 2^16. */
  nextAvailable: number;
  nextUsed: number;
  /** `nextUsed` when the driver was last told. */
  toldUsed: number;
}

export const newQueue = (size: number): QueueState => ({
  size,
  enabled: false,
  descriptors: 0,
  driverRing: 0,
  deviceRing: 0,
  nextAvailable: 0,
  nextUsed: 0,
  toldUsed: 0,
});

/** A piece of the guest's memory that the driver lends to the device. */
export interface Segment {
  readonly gpa: number;
  readonly sizeBytes: number;
}

/** One request: what the device may read, and what it may write. */
export interface Chain {
  readonly head: number;
  readonly readable: readonly Segment[];
  readonly writable: readonly Segment[];
}

/** The driver broke the rules of the ring: in words. */
export class BrokenRing {
  readonly why: string;
  constructor(why: string) {
    this.why = why;
  }
}

export interface RingFeatures {
  readonly indirect: boolean;
  readonly eventIndex: boolean;
}

interface Descriptor {
  readonly gpa: number;
  readonly sizeBytes: number;
  readonly flags: number;
  readonly next: number;
}

/**
 * The rings of one queue in the guest's memory, for one turn of the device: no more requests are taken in it than the ring has entries, also where the
 * device's own writes go to the driver's ring. Nothing that the guest puts there makes it throw.
 */
export class VirtQueue {
  readonly state: QueueState;
  readonly #dma: DmaMemory;
  readonly #features: RingFeatures;
  /** Requests that may still be taken. */
  #left: number;

  constructor(state: QueueState, dma: DmaMemory, features: RingFeatures) {
    this.state = state;
    this.#dma = dma;
    this.#features = features;
    this.#left = state.size;
  }

  /** The next request, undefined when there is none. */
  take(): Chain | BrokenRing | undefined {
    const { state } = this;
    if (this.#left === 0) return undefined;
    const index = this.#read16(state.driverRing + 2);
    if (index === undefined) return new BrokenRing("its driver ring is not in memory");
    const waiting = (index - state.nextAvailable) & 0xffff;
    if (waiting === 0) return undefined;
    if (waiting > state.size)
      return new BrokenRing("its available index is further ahead than the queue is long");
    const head = this.#read16(
      state.driverRing + RING_HEADER_BYTES + 2 * (state.nextAvailable & (state.size - 1)),
    );
    if (head === undefined) return new BrokenRing("its driver ring is not in memory");
    const chain = this.#chain(head);
    if (!(chain instanceof BrokenRing)) {
      this.#left--;
      state.nextAvailable = (state.nextAvailable + 1) & 0xffff;
      this.#wantNotification();
    }
    return chain;
  }

  /** Gives a request back; the device has written so many bytes. */
  give(head: number, writtenBytes: number): BrokenRing | undefined {
    const { state } = this;
    const at =
      state.deviceRing + RING_HEADER_BYTES + USED_ELEMENT_BYTES * (state.nextUsed & (state.size - 1));
    const element = new DataView(new ArrayBuffer(USED_ELEMENT_BYTES));
    element.setUint32(0, head, true);
    element.setUint32(4, writtenBytes, true);
    const next = (state.nextUsed + 1) & 0xffff;
    if (
      !this.#dma.write(at, new Uint8Array(element.buffer)) ||
      !this.#dma.write(state.deviceRing + 2, Uint8Array.of(next, next >>> 8))
    )
      return new BrokenRing("its device ring is not in memory");
    state.nextUsed = next;
    return undefined;
  }

  /** Whether the driver wants an interrupt for what was given back since this was last asked. */
  takeInterrupt(): boolean {
    const { state } = this;
    const told = state.toldUsed;
    if (state.nextUsed === told) return false;
    state.toldUsed = state.nextUsed;
    if (!this.#features.eventIndex) return ((this.#read16(state.driverRing) ?? 0) & AVAIL_NO_INTERRUPT) === 0;
    const event = this.#read16(state.driverRing + RING_HEADER_BYTES + 2 * state.size) ?? 0;
    return ((state.nextUsed - event - 1) & 0xffff) < ((state.nextUsed - told) & 0xffff);
  }

  /** With event indices: the driver is to notify for the next entry. */
  #wantNotification(): void {
    const { state } = this;
    if (!this.#features.eventIndex) return;
    const at = state.deviceRing + RING_HEADER_BYTES + USED_ELEMENT_BYTES * state.size;
    this.#dma.write(at, Uint8Array.of(state.nextAvailable, state.nextAvailable >>> 8));
  }

  #chain(head: number): Chain | BrokenRing {
    const { state } = this;
    const readable: Segment[] = [];
    const writable: Segment[] = [];
    let table = state.descriptors;
    let length = state.size;
    let index = head;
    let indirect = false;
    for (let seen = 0; ; seen++) {
      if (index >= length) return new BrokenRing(`descriptor ${index} is beyond its table of ${length}`);
      if (seen === length) return new BrokenRing("a chain of descriptors has no end");
      const descriptor = this.#descriptor(table + DESCRIPTOR_BYTES * index);
      if (descriptor === undefined) return new BrokenRing("a table of descriptors is not in memory");
      const { gpa, sizeBytes, flags, next } = descriptor;
      if ((flags & FLAG_INDIRECT) !== 0) {
        if (indirect || !this.#features.indirect || (flags & (FLAG_NEXT | FLAG_WRITE)) !== 0)
          return new BrokenRing("an indirect descriptor where none may be");
        const entries = sizeBytes / DESCRIPTOR_BYTES;
        if (!Number.isInteger(entries) || entries === 0 || entries > INDIRECT_MAXIMUM || seen > 0)
          return new BrokenRing(`an indirect table of ${sizeBytes} bytes`);
        indirect = true;
        table = gpa;
        length = entries;
        index = 0;
        seen = -1;
        continue;
      }
      if ((flags & FLAG_WRITE) !== 0) writable.push({ gpa, sizeBytes });
      else if (writable.length > 0)
        return new BrokenRing("what the device may read comes after what it may write");
      else readable.push({ gpa, sizeBytes });
      if ((flags & FLAG_NEXT) === 0) return { head, readable, writable };
      index = next;
    }
  }

  #descriptor(gpa: number): Descriptor | undefined {
    const bytes = this.#dma.read(gpa, DESCRIPTOR_BYTES);
    if (bytes === undefined) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    return {
      gpa: view.getUint32(0, true) + 2 ** 32 * view.getUint32(4, true),
      sizeBytes: view.getUint32(8, true),
      flags: view.getUint16(12, true),
      next: view.getUint16(14, true),
    };
  }

  #read16(gpa: number): number | undefined {
    const bytes = this.#dma.read(gpa, 2);
    return bytes === undefined ? undefined : (bytes[0] as number) | ((bytes[1] as number) << 8);
  }
}

export function totalBytes(segments: readonly Segment[]): number {
  return segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

/** `sizeBytes` bytes from `offset` on of what the segments hold in a row; undefined when one is not in memory. The segments must be long enough. */
export function gather(
  dma: DmaMemory,
  segments: readonly Segment[],
  offset: number,
  sizeBytes: number,
): Uint8Array | undefined {
  const bytes = new Uint8Array(sizeBytes);
  for (const piece of pieces(segments, offset, sizeBytes)) {
    const part = dma.read(piece.gpa, piece.sizeBytes);
    if (part === undefined) return undefined;
    bytes.set(part, piece.at);
  }
  return bytes;
}

/** The counterpart of `gather`; false when a segment is not in memory. */
export function scatter(
  dma: DmaMemory,
  segments: readonly Segment[],
  offset: number,
  bytes: Uint8Array,
): boolean {
  for (const piece of pieces(segments, offset, bytes.length))
    if (!dma.write(piece.gpa, bytes.subarray(piece.at, piece.at + piece.sizeBytes))) return false;
  return true;
}

/** The parts of the segments that hold bytes `offset` to `offset + sizeBytes`; `at` counts from `offset`. */
function* pieces(
  segments: readonly Segment[],
  offset: number,
  sizeBytes: number,
): Generator<Segment & { readonly at: number }> {
  let start = 0;
  for (const segment of segments) {
    const from = Math.max(offset, start);
    const to = Math.min(offset + sizeBytes, start + segment.sizeBytes);
    if (from < to) yield { gpa: segment.gpa + from - start, sizeBytes: to - from, at: from - offset };
    start += segment.sizeBytes;
  }
}
