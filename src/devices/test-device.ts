import type { IrqLine, PortDevice } from "./device.ts";

/** Four bytes of ports that keep what is written. */
const SCRATCH_PORT = 0xe0;
/** A write asks the monitor to drop what it caches of a page: there is nothing that a guest could see of that. */
const FLUSH_PORT = 0xe4;
/** A port for each interrupt line: 0 lets it fall, everything else makes it rise. */
const LINES_PORT = 0x2000;
export const TEST_LINES = 16;
/** Guest-physical memory that is a device's: every access leaves the guest. */
export const TEST_MEMORY = 0xff000000;
const TEST_MEMORY_BYTES = 0x10000;

/** What kvm-unit-tests and the like expect of QEMU's `pc-testdev`: things that a guest can do to itself from outside. */
export class TestDevice implements PortDevice {
  readonly name = "test-device";
  readonly ports = [
    { first: SCRATCH_PORT, count: 8 },
    { first: LINES_PORT, count: TEST_LINES },
  ];
  readonly state = { scratch: 0, memory: new Uint8Array(TEST_MEMORY_BYTES) };
  readonly #lines: readonly IrqLine[];

  /** `lines`: ISA interrupts by number. */
  constructor(lines: readonly IrqLine[]) {
    this.#lines = lines;
  }

  readPort(port: number, sizeBytes: number): number {
    if (port >= FLUSH_PORT) return 0;
    return (this.state.scratch >>> (8 * (port & 3))) & widthMask(sizeBytes);
  }

  writePort(port: number, sizeBytes: number, value: number): void {
    if (port >= LINES_PORT) this.#lines[port - LINES_PORT]?.set((value & 0xff) !== 0);
    else if (port < FLUSH_PORT) {
      const shift = 8 * (port & 3);
      const mask = widthMask(sizeBytes) << shift;
      this.state.scratch = ((this.state.scratch & ~mask) | ((value << shift) & mask)) >>> 0;
    }
  }

  /** Whether guest-physical addresses from there on are its memory. */
  hasMemory(gpa: number, sizeBytes: number): boolean {
    return gpa >= TEST_MEMORY && gpa + sizeBytes <= TEST_MEMORY + TEST_MEMORY_BYTES;
  }

  readMemory(gpa: number, sizeBytes: number): number {
    let value = 0;
    for (let n = 0; n < sizeBytes; n++)
      value += (this.state.memory[gpa - TEST_MEMORY + n] as number) * 2 ** (8 * n);
    return value;
  }

  writeMemory(gpa: number, sizeBytes: number, value: number): void {
    for (let n = 0; n < sizeBytes; n++) this.state.memory[gpa - TEST_MEMORY + n] = value >>> (8 * n);
  }
}

const widthMask = (sizeBytes: number): number => (sizeBytes === 4 ? -1 : (1 << (8 * sizeBytes)) - 1);
