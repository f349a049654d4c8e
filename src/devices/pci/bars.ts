/** Base address registers (PCI Local Bus Specification 3.0, 6.2.5): windows of ports or memory that software may move. */
import { type PciFunction, PciRegister } from "./function.ts";

const COMMAND_IO = 1;
const COMMAND_MEMORY = 2;
const BAR_IO = 1;
const IO_ADDRESS = 0xfffffffc;
const MEMORY_ADDRESS = 0xfffffff0;

export interface Bar {
  /** 0 to 5. */
  readonly index: number;
  readonly kind: "io" | "memory";
  /** A power of two; 4 at least for ports, 16 for memory. */
  readonly sizeBytes: number;
  /** Only so many bytes from here on are meant, of a larger window. Default: 0. */
  readonly offset?: number;
}

/** A bar that is decoded at present. */
export interface BarWindow {
  readonly bar: Bar;
  readonly base: number;
}

const registerOf = ({ index }: Bar): number => PciRegister.bar0 + 4 * index;

/** Gives a function a bar, placed at `base` as firmware does it. */
export function addBar(pci: PciFunction, bar: Bar, base: number): void {
  const mark = bar.kind === "io" ? BAR_IO : 0;
  pci.put(registerOf(bar), 4, (base | mark) >>> 0).allow(registerOf(bar), 4, ~(bar.sizeBytes - 1) >>> 0);
}

/** The bars that the function answers to: those whose kind the command register enables. Ports above 64 Ki are nowhere. */
export function decodedBars(pci: PciFunction, bars: readonly Bar[]): BarWindow[] {
  const command = pci.read(PciRegister.command, 2);
  const windows: BarWindow[] = [];
  for (const bar of bars) {
    if ((command & (bar.kind === "io" ? COMMAND_IO : COMMAND_MEMORY)) === 0) continue;
    const base = (pci.read(registerOf(bar), 4) & (bar.kind === "io" ? IO_ADDRESS : MEMORY_ADDRESS)) >>> 0;
    const limit = bar.kind === "io" ? 0x10000 : 2 ** 32;
    const { offset = 0, sizeBytes } = bar;
    if (base !== 0 && base + offset + sizeBytes <= limit) windows.push({ bar, base: base + offset });
  }
  return windows;
}
