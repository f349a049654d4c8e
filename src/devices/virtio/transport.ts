/**
 * The registers of a transitional virtio device on PCI: the legacy ones in I/O ports (Virtual I/O Device Specification 1.2, 4.1.4.10) and the modern ones in
 * memory (4.1.4), two views of one state. Knows neither PCI configuration nor where its registers are.
 */
import { allOnes, type IrqLine } from "../device.ts";
import type { DmaMemory } from "../dma.ts";
import { ANY_LAYOUT, RING_EVENT_INDEX, RING_INDIRECT, VERSION_1, type VirtioDevice } from "./device.ts";
import { newQueue, type QueueState, VirtQueue } from "./queue.ts";

export const VirtioStatus = {
  acknowledge: 1,
  driver: 2,
  driverOk: 4,
  featuresOk: 8,
  needsReset: 0x40,
  failed: 0x80,
} as const;

const ISR_QUEUE = 1;
const ISR_CONFIG = 2;

/** Offsets of the legacy registers. The device's configuration follows. */
const Legacy = {
  deviceFeatures: 0,
  driverFeatures: 4,
  queueAddress: 8,
  queueSize: 12,
  queueSelect: 14,
  queueNotify: 16,
  status: 18,
  isr: 19,
  config: 20,
} as const;
const LEGACY_PAGE = 4096;

/** Where the modern structures are in the memory BAR, and how long they are. */
export const Modern = {
  common: 0x0000,
  isr: 0x1000,
  config: 0x2000,
  notify: 0x3000,
  regionBytes: 0x1000,
  commonBytes: 56,
  totalBytes: 0x4000,
  /** Between the notification registers of two queues. */
  notifyStep: 4,
} as const;

/** Offsets of the common configuration. */
const Common = {
  deviceFeatureSelect: 0,
  deviceFeature: 4,
  driverFeatureSelect: 8,
  driverFeature: 12,
  configVector: 16,
  queueCount: 18,
  status: 20,
  generation: 21,
  queueSelect: 22,
  queueSize: 24,
  queueVector: 26,
  queueEnable: 28,
  queueNotifyOffset: 30,
  descriptors: 32,
  driverRing: 40,
  deviceRing: 48,
} as const;
const NO_VECTOR = 0xffff;

export interface VirtioTransportState {
  status: number;
  deviceFeatureSelect: number;
  driverFeatureSelect: number;
  /** Low and high word of what the driver has accepted. */
  driverFeatures: [number, number];
  queueSelect: number;
  queues: QueueState[];
  isr: number;
  /** The driver has set up queues by the legacy registers. */
  legacy: boolean;
  /** What was wrong, when the device needs a reset. */
  broken: string;
}

export class VirtioTransport {
  readonly device: VirtioDevice;
  readonly state: VirtioTransportState;
  readonly #dma: DmaMemory;
  readonly #irq: IrqLine;

  constructor(device: VirtioDevice, dma: DmaMemory, irq: IrqLine) {
    this.device = device;
    this.#dma = dma;
    this.#irq = irq;
    this.state = {
      status: 0,
      deviceFeatureSelect: 0,
      driverFeatureSelect: 0,
      driverFeatures: [0, 0],
      queueSelect: 0,
      queues: device.queueSizes.map(newQueue),
      isr: 0,
      legacy: false,
      broken: "",
    };
  }

  /** The driver drives it. */
  get isLive(): boolean {
    const { status } = this.state;
    return (status & VirtioStatus.driverOk) !== 0 && (status & VirtioStatus.needsReset) === 0;
  }

  /** From outside or from the driver: there may be something to do in a queue. */
  serve(index: number): void {
    const state = this.state.queues[index];
    if (state === undefined || !state.enabled || !this.isLive) return;
    const [low] = this.state.driverFeatures;
    const queue = new VirtQueue(state, this.#dma, {
      indirect: (low & RING_INDIRECT) !== 0,
      eventIndex: (low & RING_EVENT_INDEX) !== 0,
    });
    const broken = this.device.serve(index, queue);
    if (broken !== undefined) this.#break(broken.why);
    else if (queue.takeInterrupt()) this.#interrupt(ISR_QUEUE);
  }

  // ---- legacy ----------------------------------------------------------------------------------------------------

  readLegacy(offset: number, sizeBytes: number): number {
    if (offset >= Legacy.config) return this.#readConfig(offset - Legacy.config, sizeBytes);
    const { state } = this;
    const queue = this.#selected();
    switch (offset) {
      case Legacy.deviceFeatures:
        return (this.#offered(0) & allOnesOf(sizeBytes)) >>> 0;
      case Legacy.driverFeatures:
        return (state.driverFeatures[0] & allOnesOf(sizeBytes)) >>> 0;
      case Legacy.queueAddress:
        return queue === undefined || !queue.enabled
          ? 0
          : Math.floor(queue.descriptors / LEGACY_PAGE) % 2 ** 32;
      case Legacy.queueSize:
        return this.device.queueSizes[state.queueSelect] ?? 0;
      case Legacy.queueSelect:
        return state.queueSelect;
      case Legacy.status:
        return sizeBytes === 1 ? state.status : state.status | (this.#takeIsr() << 8);
      case Legacy.isr:
        return this.#takeIsr();
      default:
        return 0;
    }
  }

  writeLegacy(offset: number, sizeBytes: number, value: number): void {
    if (offset >= Legacy.config) {
      this.#writeConfig(offset - Legacy.config, sizeBytes, value);
      return;
    }
    const { state } = this;
    switch (offset) {
      case Legacy.driverFeatures:
        state.driverFeatures = [(value & this.#offered(0)) >>> 0, 0];
        return;
      case Legacy.queueAddress:
        this.#placeLegacyQueue(value);
        return;
      case Legacy.queueSelect:
        state.queueSelect = value & 0xffff;
        return;
      case Legacy.queueNotify:
        this.serve(value & 0xffff);
        return;
      case Legacy.status:
        this.#writeStatus(value & 0xff, true);
        return;
      default:
    }
  }

  /** All three parts from one page on (2.7.2). Page 0 takes the queue away. */
  #placeLegacyQueue(page: number): void {
    const index = this.state.queueSelect;
    const size = this.device.queueSizes[index];
    if (size === undefined) return;
    const queue = newQueue(size);
    const base = page * LEGACY_PAGE;
    queue.enabled = page !== 0;
    queue.descriptors = base;
    queue.driverRing = base + 16 * size;
    queue.deviceRing = Math.ceil((queue.driverRing + 6 + 2 * size) / LEGACY_PAGE) * LEGACY_PAGE;
    Object.assign(this.state.queues[index] as QueueState, queue);
    this.state.legacy = true;
  }

  // ---- modern ----------------------------------------------------------------------------------------------------

  /** `offset` from the beginning of the memory BAR. */
  readModern(offset: number, sizeBytes: number): number {
    const within = offset % Modern.regionBytes;
    switch (offset - within) {
      case Modern.common:
        return this.#readCommon(within, sizeBytes);
      case Modern.isr:
        return within === 0 ? this.#takeIsr() : 0;
      case Modern.config:
        return this.#readConfig(within, sizeBytes);
      default:
        return 0;
    }
  }

  writeModern(offset: number, sizeBytes: number, value: number): void {
    const within = offset % Modern.regionBytes;
    switch (offset - within) {
      case Modern.common:
        this.#writeCommon(within, sizeBytes, value);
        return;
      case Modern.config:
        this.#writeConfig(within, sizeBytes, value);
        return;
      case Modern.notify:
        this.serve(Math.floor(within / Modern.notifyStep));
        return;
      default:
    }
  }

  #readCommon(offset: number, sizeBytes: number): number {
    const bytes = new DataView(new ArrayBuffer(Modern.commonBytes));
    const { state } = this;
    const queue = this.#selected();
    bytes.setUint32(Common.deviceFeatureSelect, state.deviceFeatureSelect, true);
    bytes.setUint32(Common.deviceFeature, this.#offered(state.deviceFeatureSelect), true);
    bytes.setUint32(Common.driverFeatureSelect, state.driverFeatureSelect, true);
    bytes.setUint32(Common.driverFeature, state.driverFeatures[state.driverFeatureSelect] ?? 0, true);
    bytes.setUint16(Common.configVector, NO_VECTOR, true);
    bytes.setUint16(Common.queueCount, state.queues.length, true);
    bytes.setUint8(Common.status, state.status);
    bytes.setUint16(Common.queueSelect, state.queueSelect, true);
    bytes.setUint16(Common.queueVector, NO_VECTOR, true);
    if (queue !== undefined) {
      bytes.setUint16(Common.queueSize, queue.size, true);
      bytes.setUint16(Common.queueEnable, queue.enabled ? 1 : 0, true);
      bytes.setUint16(Common.queueNotifyOffset, state.queueSelect, true);
      for (const [at, value] of [
        [Common.descriptors, queue.descriptors],
        [Common.driverRing, queue.driverRing],
        [Common.deviceRing, queue.deviceRing],
      ] as const) {
        bytes.setUint32(at, value % 2 ** 32, true);
        bytes.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
      }
    }
    return littleEndian(new Uint8Array(bytes.buffer), offset, sizeBytes);
  }

  #writeCommon(offset: number, sizeBytes: number, value: number): void {
    const { state } = this;
    switch (offset) {
      case Common.deviceFeatureSelect:
        state.deviceFeatureSelect = value;
        return;
      case Common.driverFeatureSelect:
        state.driverFeatureSelect = value;
        return;
      case Common.driverFeature:
        if (state.driverFeatureSelect < 2 && (state.status & VirtioStatus.featuresOk) === 0)
          state.driverFeatures[state.driverFeatureSelect as 0 | 1] = value;
        return;
      case Common.status:
        this.#writeStatus(value & 0xff, false);
        return;
      case Common.queueSelect:
        state.queueSelect = value & 0xffff;
        return;
      default:
        this.#writeQueue(offset, sizeBytes, value);
    }
  }

  /** Registers of the selected queue. They are set before it is enabled; afterwards writes are lost. */
  #writeQueue(offset: number, sizeBytes: number, value: number): void {
    const queue = this.#selected();
    if (queue === undefined || queue.enabled) return;
    if (offset === Common.queueSize) {
      const most = this.device.queueSizes[this.state.queueSelect] as number;
      if (value > 0 && value <= most && (value & (value - 1)) === 0) queue.size = value;
    } else if (offset === Common.queueEnable) {
      queue.enabled = value === 1;
    } else if (sizeBytes === 4 && offset % 4 === 0) {
      if (offset >= Common.deviceRing) queue.deviceRing = withHalf(queue.deviceRing, offset, value);
      else if (offset >= Common.driverRing) queue.driverRing = withHalf(queue.driverRing, offset, value);
      else if (offset >= Common.descriptors) queue.descriptors = withHalf(queue.descriptors, offset, value);
    }
  }

  // ---- both ------------------------------------------------------------------------------------------------------

  #writeStatus(value: number, legacy: boolean): void {
    const { state } = this;
    if (value === 0) {
      this.reset();
      return;
    }
    // A driver can only add bits, and not this one.
    let next = state.status | (value & ~VirtioStatus.needsReset);
    if (!legacy && (next & ~state.status & VirtioStatus.featuresOk) !== 0 && !this.#acceptable())
      next &= ~VirtioStatus.featuresOk;
    state.status = next;
    // Legacy drivers may have filled a queue before.
    if (this.isLive) for (const index of state.queues.keys()) this.serve(index);
  }

  /** Nothing but what was offered, and the interface that the driver uses. */
  #acceptable(): boolean {
    const [low, high] = this.state.driverFeatures;
    return (low & ~this.#offered(0)) === 0 && high === VERSION_1;
  }

  reset(): void {
    const { state } = this;
    Object.assign(state, {
      status: 0,
      deviceFeatureSelect: 0,
      driverFeatureSelect: 0,
      queueSelect: 0,
      legacy: false,
      broken: "",
    });
    state.driverFeatures = [0, 0];
    for (const [index, size] of this.device.queueSizes.entries())
      Object.assign(state.queues[index] as QueueState, newQueue(size));
    this.device.reset();
    this.#takeIsr();
  }

  /** What the device offers, by word. */
  #offered(word: number): number {
    if (word === 0) return (this.device.features | ANY_LAYOUT | RING_INDIRECT | RING_EVENT_INDEX) >>> 0;
    return word === 1 ? VERSION_1 : 0;
  }

  #selected(): QueueState | undefined {
    return this.state.queues[this.state.queueSelect];
  }

  #break(why: string): void {
    this.state.status |= VirtioStatus.needsReset;
    this.state.broken = why;
    this.#interrupt(ISR_CONFIG);
  }

  #interrupt(bit: number): void {
    this.state.isr |= bit;
    this.#irq.set(true);
  }

  /** Reading it acknowledges the interrupt. */
  #takeIsr(): number {
    const { isr } = this.state;
    this.state.isr = 0;
    this.#irq.set(false);
    return isr;
  }

  #readConfig(offset: number, sizeBytes: number): number {
    return littleEndian(this.device.config(), offset, sizeBytes);
  }

  #writeConfig(offset: number, sizeBytes: number, value: number): void {
    for (let n = 0; n < sizeBytes; n++) this.device.writeConfig(offset + n, (value >>> (8 * n)) & 0xff);
  }
}

const allOnesOf = (sizeBytes: number): number => (sizeBytes === 4 ? -1 : allOnes(sizeBytes));

/** Beyond the end: zeros. */
function littleEndian(bytes: Uint8Array, offset: number, sizeBytes: number): number {
  let value = 0;
  for (let n = 0; n < Math.min(sizeBytes, 4); n++) value |= (bytes[offset + n] ?? 0) << (8 * n);
  return value >>> 0;
}

/** One half of a 64-bit register written. */
function withHalf(old: number, offset: number, value: number): number {
  const low = old % 2 ** 32;
  return offset % 8 === 0 ? old - low + value : low + value * 2 ** 32;
}
