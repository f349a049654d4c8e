/** Offsets in the header of type 0 (PCI Local Bus Specification 3.0, 6.1). */
export const PciRegister = {
  vendor: 0x00,
  device: 0x02,
  command: 0x04,
  status: 0x06,
  revision: 0x08,
  programming: 0x09,
  subclass: 0x0a,
  class: 0x0b,
  headerType: 0x0e,
  bar0: 0x10,
  subsystem: 0x2c,
  interruptLine: 0x3c,
  interruptPin: 0x3d,
} as const;

const CONFIG_BYTES = 256;
const MULTIFUNCTION = 0x80;

export interface PciIdentity {
  readonly name: string;
  readonly vendor: number;
  readonly device: number;
  readonly revision?: number;
  /** Class, subclass, programming interface. */
  readonly classCode: readonly [number, number, number];
  readonly multifunction?: boolean;
}

/** The configuration space of one function: what software reads, and which bits of it it may write. */
export class PciFunction {
  readonly name: string;
  readonly config = new Uint8Array(CONFIG_BYTES);
  readonly #writable = new Uint8Array(CONFIG_BYTES);
  /** Called after software has written bytes of it. */
  onWrite: (offset: number, sizeBytes: number) => void = () => {};

  constructor(identity: PciIdentity) {
    this.name = identity.name;
    this.put(PciRegister.vendor, 2, identity.vendor);
    this.put(PciRegister.device, 2, identity.device);
    this.put(PciRegister.revision, 1, identity.revision ?? 0);
    const [base, sub, programming] = identity.classCode;
    this.put(PciRegister.class, 1, base);
    this.put(PciRegister.subclass, 1, sub);
    this.put(PciRegister.programming, 1, programming);
    this.put(PciRegister.headerType, 1, identity.multifunction === true ? MULTIFUNCTION : 0);
    this.allow(PciRegister.interruptLine, 1, 0xff);
  }

  /** Sets bytes as hardware does. */
  put(offset: number, sizeBytes: number, value: number): this {
    for (let n = 0; n < sizeBytes; n++) this.config[offset + n] = (value >>> (8 * n)) & 0xff;
    return this;
  }

  /** Lets software write these bits. */
  allow(offset: number, sizeBytes: number, mask: number): this {
    for (let n = 0; n < sizeBytes; n++) this.#writable[offset + n] = (mask >>> (8 * n)) & 0xff;
    return this;
  }

  read(offset: number, sizeBytes: number): number {
    let value = 0;
    for (let n = 0; n < sizeBytes; n++) value |= (this.config[(offset + n) & 0xff] as number) << (8 * n);
    return value >>> 0;
  }

  write(offset: number, sizeBytes: number, value: number): void {
    for (let n = 0; n < sizeBytes; n++) {
      const at = (offset + n) & 0xff;
      const mask = this.#writable[at] as number;
      this.config[at] = ((this.config[at] as number) & ~mask) | ((value >>> (8 * n)) & mask);
    }
    this.onWrite(offset, sizeBytes);
  }
}
