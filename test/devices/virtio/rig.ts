import type { DmaMemory } from "../../../src/devices/dma.ts";
import { Modern, type VirtioTransport } from "../../../src/devices/virtio/transport.ts";

/** Flat memory from 0 on. */
export class FlatMemory implements DmaMemory {
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(sizeBytes: number) {
    this.bytes = new Uint8Array(sizeBytes);
    this.view = new DataView(this.bytes.buffer);
  }

  isBacked(gpa: number, sizeBytes: number): boolean {
    return gpa + sizeBytes <= this.bytes.length;
  }

  read(gpa: number, sizeBytes: number): Uint8Array | undefined {
    return this.isBacked(gpa, sizeBytes) ? this.bytes.slice(gpa, gpa + sizeBytes) : undefined;
  }

  write(gpa: number, bytes: Uint8Array): boolean {
    if (!this.isBacked(gpa, bytes.length)) return false;
    this.bytes.set(bytes, gpa);
    return true;
  }
}

export const RING_BASE = 0x1000;
export const QUEUE_PITCH = 0x4000;
const SIZE = 8;

export const Flag = { next: 1, write: 2, indirect: 4 } as const;
export type DescriptorSpec = readonly [gpa: number, sizeBytes: number, flags: number, next?: number];

export class Line {
  level = false;
  set(level: boolean): void {
    this.level = level;
  }
}

/** A driver's side of one queue, by the modern interface, or by the legacy one. */
export class Driver {
  readonly transport: VirtioTransport;
  readonly memory: FlatMemory;
  readonly legacy: boolean;
  available = 0;

  constructor(transport: VirtioTransport, memory: FlatMemory, legacy: boolean, low = 1 << 28) {
    this.transport = transport;
    this.memory = memory;
    this.legacy = legacy;
    if (legacy) {
      transport.writeLegacy(18, 1, 3);
      transport.writeLegacy(4, 4, low);
      for (const queue of transport.state.queues.keys()) {
        transport.writeLegacy(14, 2, queue);
        transport.writeLegacy(8, 4, (RING_BASE + queue * QUEUE_PITCH) / 4096);
      }
      transport.writeLegacy(18, 1, 7);
      return;
    }
    transport.writeModern(20, 1, 3);
    this.acceptFeatures(low, 1);
    transport.writeModern(20, 1, 11);
    for (const queue of transport.state.queues.keys()) {
      transport.writeModern(22, 2, queue);
      transport.writeModern(24, 2, SIZE);
      transport.writeModern(32, 4, this.descriptors(queue));
      transport.writeModern(40, 4, this.driverRing(queue));
      transport.writeModern(48, 4, this.deviceRing(queue));
      transport.writeModern(28, 2, 1);
    }
    transport.writeModern(20, 1, 15);
  }

  acceptFeatures(low: number, high: number): void {
    this.transport.writeModern(8, 4, 0);
    this.transport.writeModern(12, 4, low);
    this.transport.writeModern(8, 4, 1);
    this.transport.writeModern(12, 4, high);
  }

  size(queue: number): number {
    return this.legacy ? (this.transport.device.queueSizes[queue] as number) : SIZE;
  }

  descriptors(queue: number): number {
    return RING_BASE + queue * QUEUE_PITCH;
  }

  driverRing(queue: number): number {
    return this.descriptors(queue) + 16 * this.size(queue);
  }

  deviceRing(queue: number): number {
    return Math.ceil((this.driverRing(queue) + 6 + 2 * this.size(queue)) / 4096) * 4096;
  }

  describe(table: number, specs: readonly DescriptorSpec[]): void {
    const { view } = this.memory;
    for (const [index, [gpa, sizeBytes, flags, next = 0]] of specs.entries()) {
      const at = table + 16 * index;
      view.setUint32(at, gpa % 2 ** 32, true);
      view.setUint32(at + 4, Math.floor(gpa / 2 ** 32), true);
      view.setUint32(at + 8, sizeBytes, true);
      view.setUint16(at + 12, flags, true);
      view.setUint16(at + 14, next, true);
    }
  }

  /** Makes the chain that begins at `head` available, without telling. */
  offer(queue: number, head: number): void {
    const { view } = this.memory;
    view.setUint16(this.driverRing(queue) + 4 + 2 * (this.available % this.size(queue)), head, true);
    this.available = (this.available + 1) & 0xffff;
    view.setUint16(this.driverRing(queue) + 2, this.available, true);
  }

  notify(queue: number): void {
    if (this.legacy) this.transport.writeLegacy(16, 2, queue);
    else this.transport.writeModern(Modern.notify + 4 * queue, 2, queue);
  }

  /** Every used element so far, as [head, bytes]. */
  used(queue: number): [number, number][] {
    const { view } = this.memory;
    const count = view.getUint16(this.deviceRing(queue) + 2, true);
    return Array.from({ length: count }, (_, n) => {
      const at = this.deviceRing(queue) + 4 + 8 * (n % this.size(queue));
      return [view.getUint32(at, true), view.getUint32(at + 4, true)];
    });
  }
}
