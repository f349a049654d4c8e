import { allOnes, type PortDevice, readAsBytes, writeAsBytes } from "../device.ts";

import type { PciFunction } from "./function.ts";

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

export interface PciBusState {
  address: number;
  resetControl: number;
}

/**
 * The host bridge's configuration ports (mechanism #1) and the functions on its one bus, by number (device << 3 | function). Where there is no
 * function a read gives all ones and a write is lost: kernels that look for a bus find it empty.
 */
export class PciBus implements PortDevice {
  readonly name = "pci";
  readonly ports = [{ first: PCI_CONFIG_ADDRESS, count: 8 }];
  readonly state: PciBusState = { address: 0, resetControl: 0 };
  readonly functions: ReadonlyMap<number, PciFunction>;
  private readonly reset: (kind: ResetKind) => void;

  /** `reset` is called when the guest asks for a reset through 0xCF9. */
  constructor(reset: (kind: ResetKind) => void, functions: ReadonlyMap<number, PciFunction> = new Map()) {
    this.reset = reset;
    this.functions = functions;
  }

  readPort(port: number, sizeBytes: number): number {
    if (port === PCI_CONFIG_ADDRESS && sizeBytes === 4) return this.state.address;
    if (port >= PCI_CONFIG_DATA) {
      const selected = this.selected();
      return selected?.read(this.register(port), sizeBytes) ?? allOnes(sizeBytes);
    }
    return readAsBytes(port, sizeBytes, (at) => (at === RESET_CONTROL ? this.state.resetControl : 0xff));
  }

  writePort(port: number, sizeBytes: number, value: number): void {
    if (port === PCI_CONFIG_ADDRESS && sizeBytes === 4) {
      this.state.address = (value & ADDRESS_BITS) >>> 0;
      return;
    }
    if (port >= PCI_CONFIG_DATA) {
      this.selected()?.write(this.register(port), sizeBytes, value);
      return;
    }
    writeAsBytes(port, sizeBytes, value, (at, byte) => {
      if (at === RESET_CONTROL) this.writeResetControl(byte);
    });
  }

  /** The function that CONFIG_ADDRESS names, if configuration is enabled and it is on bus 0. */
  private selected(): PciFunction | undefined {
    const { address } = this.state;
    if (address >>> 31 === 0 || ((address >>> 16) & 0xff) !== 0) return undefined;
    return this.functions.get((address >>> 8) & 0xff);
  }

  private register(port: number): number {
    return (this.state.address & 0xfc) | (port & 3);
  }

  private writeResetControl(byte: number): void {
    const rises = (byte & ~this.state.resetControl & RESET_CPU) !== 0;
    this.state.resetControl = byte & RESET_BITS;
    if (rises) this.reset((byte & RESET_HARD) !== 0 ? "hard" : "soft");
  }
}
