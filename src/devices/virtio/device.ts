import type { BrokenRing, VirtQueue } from "./queue.ts";

/** Feature bits of the rings and of the transport, by word (Virtual I/O Device Specification 1.2, 6). */
export const RING_INDIRECT = 1 << 28;
export const RING_EVENT_INDEX = 1 << 29;
/** Legacy drivers may cut messages into descriptors as they like. */
export const ANY_LAYOUT = 1 << 27;
/** In the high word. */
export const VERSION_1 = 1;

/** What kind of device stands behind a virtio transport. It never throws. */
export interface VirtioDevice {
  readonly name: string;
  /** 2 block, 3 console. */
  readonly deviceId: number;
  /** PCI class, subclass, programming interface. */
  readonly classCode: readonly [number, number, number];
  /** Of its own, the low word (bits 0 to 23). */
  readonly features: number;
  /** Its queues, by how many entries they may have at most (powers of two). */
  readonly queueSizes: readonly number[];
  /** Its configuration as it is now. */
  config(): Uint8Array;
  /** The driver writes a byte of it. */
  writeConfig(offset: number, byte: number): void;
  /** There may be something to do in a queue: looks through all that is available. */
  serve(index: number, queue: VirtQueue): BrokenRing | undefined;
  /** The driver begins anew. */
  reset(): void;
}
