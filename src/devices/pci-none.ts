import { allOnes, type PortDevice, readAsBytes, writeAsBytes } from "./device.ts";

/** CONFIG_ADDRESS, only as a dword (PCI Local Bus Specification 3.0, 3.2.2.3.2). */
export const PCI_CONFIG_ADDRESS = 0xcf8;
/** CONFIG_DATA, 0xCFC to 0xCFF, any width. */
export const PCI_CONFIG_DATA = 0xcfc;
/** Reset control, a byte inside CONFIG_ADDRESS's dword (Intel 82371SB PIIX3 datasheet, RC register). */
export const RESET_CONTROL = 0xcf9;

/** Enable bit 31, bus, device, function and dword; bits 30..24 and 1..0 are reserved and read 0. */
const ADDRESS_BITS = 0x80fffffc;

/** What kind of reset bit 2 will cause: 0 soft (INIT), 1 hard (the whole machine). */
const RESET_HARD = 0x02;
/** Its rise from 0 to 1 resets. */
const RESET_CPU = 0x04;
/** Full reset (power cycle) with a hard one on later chip sets; kept, no meaning of its own here. */
const RESET_FULL = 0x08;
const RESET_BITS = RESET_HARD | RESET_CPU | RESET_FULL;

export type ResetKind = "soft" | "hard";

export interface PciNoneState {
  address: number;
  resetControl: number;
}

/**
 * The host bridge's configuration ports of a machine without one PCI function: the address register is there and reads
 * back, every configuration read gives all ones ("nobody at this address"), every configuration write is lost. Kernels
 * that look for a bus find an empty one and go on without.
 */
export class PciNone implements PortDevice {
  readonly name = "pci";
  readonly ports = [{ first: PCI_CONFIG_ADDRESS, count: 8 }];
  readonly state: PciNoneState = { address: 0, resetControl: 0 };
  private readonly reset: (kind: ResetKind) => void;

  /** `reset` is called when the guest asks for a reset through 0xCF9. */
  constructor(reset: (kind: ResetKind) => void) {
    this.reset = reset;
  }

  readPort(port: number, sizeBytes: number): number {
    if (port === PCI_CONFIG_ADDRESS && sizeBytes === 4) return this.state.address;
    if (port >= PCI_CONFIG_DATA) return allOnes(sizeBytes);
    return readAsBytes(port, sizeBytes, (at) => (at === RESET_CONTROL ? this.state.resetControl : 0xff));
  }

  writePort(port: number, sizeBytes: number, value: number): void {
    if (port === PCI_CONFIG_ADDRESS && sizeBytes === 4) {
      this.state.address = (value & ADDRESS_BITS) >>> 0;
      return;
    }
    if (port >= PCI_CONFIG_DATA) return;
    writeAsBytes(port, sizeBytes, value, (at, byte) => {
      if (at === RESET_CONTROL) this.writeResetControl(byte);
    });
  }

  private writeResetControl(byte: number): void {
    const rises = (byte & ~this.state.resetControl & RESET_CPU) !== 0;
    this.state.resetControl = byte & RESET_BITS;
    if (rises) this.reset((byte & RESET_HARD) !== 0 ? "hard" : "soft");
  }
}
