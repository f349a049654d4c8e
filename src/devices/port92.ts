import type { A20Gate } from "./a20-gate.ts";
import { allOnes, type PortDevice } from "./device.ts";

/** "System control port A" of the PS/2. */
export const PORT92 = 0x92;

/** Its rise from 0 to 1 resets the processor. */
const FAST_RESET = 0x01;
const A20 = 0x02;

export class Port92 implements PortDevice {
  readonly name = "port92";
  readonly ports = [{ first: PORT92, count: 1 }];
  /** The byte last written, without the gate's bit. */
  readonly state = { control: 0 };
  private readonly gate: A20Gate;
  private readonly reset: () => void;

  /** `reset` is called when the guest resets the processor through it. */
  constructor(gate: A20Gate, reset: () => void) {
    this.gate = gate;
    this.reset = reset;
  }

  readPort(port: number, sizeBytes: number): number {
    if (port !== PORT92) return allOnes(sizeBytes);
    const byte = this.state.control | (this.gate.open ? A20 : 0);
    return ((allOnes(sizeBytes) & ~0xff) | byte) >>> 0;
  }

  writePort(port: number, _sizeBytes: number, value: number): void {
    if (port !== PORT92) return;
    const rises = (value & ~this.state.control & FAST_RESET) !== 0;
    this.state.control = value & 0xff & ~A20;
    this.gate.set((value & A20) !== 0);
    if (rises) this.reset();
  }
}
