/** A transitional virtio device as a PCI function (Virtual I/O Device Specification 1.2, 4.1). */
import type { IrqLine } from "../device.ts";
import type { DmaMemory } from "../dma.ts";
import { addBar, type Bar } from "../pci/bars.ts";
import { PciFunction, PciRegister } from "../pci/function.ts";
import type { VirtioDevice } from "./device.ts";
import { Modern, VirtioTransport } from "./transport.ts";

const VENDOR = 0x1af4;
/** Of a transitional device, by its virtio id. */
const DEVICES: Readonly<Record<number, number>> = { 2: 0x1001, 3: 0x1003 };
const IO_BYTES = 128;
const IO_BAR = { index: 0, kind: "io", sizeBytes: IO_BYTES } as const satisfies Bar;
const MEMORY_BAR = { index: 1, kind: "memory", sizeBytes: Modern.totalBytes } as const satisfies Bar;
export const VIRTIO_BARS: readonly Bar[] = [IO_BAR, MEMORY_BAR];

const COMMAND_AT_START = 0x0003;
const COMMAND_WRITABLE = 0x0407;
const COMMAND_BUS_MASTER = 0x0004;
const COMMAND_NO_INTX = 0x0400;
const STATUS_CAPABILITIES = 0x10;
const STATUS_INTERRUPT = 0x08;
const CAPABILITY_POINTER = 0x34;
const FIRST_CAPABILITY = 0x40;
const VENDOR_SPECIFIC = 9;
const INTERRUPT_PIN_A = 1;

const CapabilityType = { common: 1, notify: 2, isr: 3, device: 4, pci: 5 } as const;
/** Offsets in a capability. */
const CAPABILITY_BAR = 4;
const CAPABILITY_OFFSET = 8;
const CAPABILITY_LENGTH = 12;
const CAPABILITY_EXTRA = 16;

export interface VirtioPlace {
  /** 10 or 11. */
  readonly line: number;
  readonly ioBase: number;
  readonly memoryBase: number;
}

export class VirtioPci extends PciFunction {
  readonly transport: VirtioTransport;
  readonly #irq: IrqLine;
  /** Where the capability is through which configuration accesses reach the memory BAR (4.1.4.9). */
  readonly #window: number;
  #asking = false;

  constructor(device: VirtioDevice, dma: DmaMemory, irq: IrqLine, place: VirtioPlace) {
    super({
      name: device.name,
      vendor: VENDOR,
      device: DEVICES[device.deviceId] as number,
      classCode: device.classCode,
    });
    this.#irq = irq;
    const master: DmaMemory = {
      read: (gpa, sizeBytes) => (this.#isMaster ? dma.read(gpa, sizeBytes) : undefined),
      write: (gpa, bytes) => this.#isMaster && dma.write(gpa, bytes),
      isBacked: (gpa, sizeBytes) => this.#isMaster && dma.isBacked(gpa, sizeBytes),
    };
    this.transport = new VirtioTransport(device, master, { set: (level) => this.#setInterrupt(level) });
    this.put(PciRegister.subsystem, 2, VENDOR).put(PciRegister.subsystem + 2, 2, device.deviceId);
    this.put(PciRegister.command, 2, COMMAND_AT_START).allow(PciRegister.command, 2, COMMAND_WRITABLE);
    this.put(PciRegister.status, 2, STATUS_CAPABILITIES);
    this.put(PciRegister.interruptPin, 1, INTERRUPT_PIN_A).put(PciRegister.interruptLine, 1, place.line);
    addBar(this, IO_BAR, place.ioBase);
    addBar(this, MEMORY_BAR, place.memoryBase);
    this.#window = this.#addCapabilities();
  }

  override read(offset: number, sizeBytes: number): number {
    if (this.#isWindow(offset)) {
      const access = this.#windowAccess();
      if (access !== undefined && access.sizeBytes >= sizeBytes)
        return this.transport.readModern(access.offset, access.sizeBytes);
      return 0;
    }
    return super.read(offset, sizeBytes);
  }

  override write(offset: number, sizeBytes: number, value: number): void {
    super.write(offset, sizeBytes, value);
    if (this.#isWindow(offset)) {
      const access = this.#windowAccess();
      if (access !== undefined && access.sizeBytes <= sizeBytes)
        this.transport.writeModern(access.offset, access.sizeBytes, value);
    }
    this.#drive();
  }

  /** Legacy drivers rely on firmware for this bit, as QEMU's do: it counts once the device is live. */
  get #isMaster(): boolean {
    return this.transport.state.legacy || (this.read(PciRegister.command, 2) & COMMAND_BUS_MASTER) !== 0;
  }

  #setInterrupt(level: boolean): void {
    this.#asking = level;
    this.put(PciRegister.status, 2, STATUS_CAPABILITIES | (level ? STATUS_INTERRUPT : 0));
    this.#drive();
  }

  #drive(): void {
    this.#irq.set(this.#asking && (this.read(PciRegister.command, 2) & COMMAND_NO_INTX) === 0);
  }

  #addCapabilities(): number {
    const { transport } = this;
    let at = FIRST_CAPABILITY;
    let last = CAPABILITY_POINTER;
    const add = (type: number, offset: number, length: number, extra?: number): number => {
      const sizeBytes = extra === undefined ? CAPABILITY_EXTRA : CAPABILITY_EXTRA + 4;
      this.put(last, 1, at);
      this.put(at, 4, VENDOR_SPECIFIC | (sizeBytes << 16) | (type << 24));
      this.put(at + CAPABILITY_BAR, 4, MEMORY_BAR.index);
      this.put(at + CAPABILITY_OFFSET, 4, offset).put(at + CAPABILITY_LENGTH, 4, length);
      if (extra !== undefined) this.put(at + CAPABILITY_EXTRA, 4, extra);
      last = at + 1;
      at += sizeBytes;
      return at - sizeBytes;
    };
    add(CapabilityType.common, Modern.common, Modern.commonBytes);
    add(
      CapabilityType.notify,
      Modern.notify,
      Modern.notifyStep * transport.state.queues.length,
      Modern.notifyStep,
    );
    add(CapabilityType.isr, Modern.isr, 1);
    add(CapabilityType.device, Modern.config, transport.device.config().length);
    const window = add(CapabilityType.pci, 0, 0, 0);
    this.put(window + CAPABILITY_BAR, 1, 0);
    this.allow(window + CAPABILITY_BAR, 1, 0xff);
    this.allow(window + CAPABILITY_OFFSET, 4, 0xffffffff).allow(window + CAPABILITY_LENGTH, 4, 0xffffffff);
    return window;
  }

  #isWindow(offset: number): boolean {
    return offset === this.#window + CAPABILITY_EXTRA;
  }

  /** What the window is set to, if it is at something. */
  #windowAccess(): { offset: number; sizeBytes: number } | undefined {
    const offset = super.read(this.#window + CAPABILITY_OFFSET, 4);
    const sizeBytes = super.read(this.#window + CAPABILITY_LENGTH, 4);
    const bar = super.read(this.#window + CAPABILITY_BAR, 1);
    const fits = [1, 2, 4].includes(sizeBytes) && offset % sizeBytes === 0;
    return fits && bar === MEMORY_BAR.index && offset + sizeBytes <= Modern.totalBytes
      ? { offset, sizeBytes }
      : undefined;
  }
}
