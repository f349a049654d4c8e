import { allOnes, type PortDevice } from "./device.ts";

export interface UnassignedPortsState {
  /** Accesses since power-on that no device answered. */
  reads: number;
  writes: number;
  /** The port of the latest such access, -1 before the first. */
  lastPort: number;
}

/**
 * The ports that no device claims. The bus floats high, so a read gives all ones; a write goes nowhere. Probing for
 * absent hardware is what a kernel does all the time at boot, so this is no error; the counts are there to be watched.
 */
export class UnassignedPorts implements PortDevice {
  readonly name = "unassigned";
  readonly ports = [];
  readonly state: UnassignedPortsState = { reads: 0, writes: 0, lastPort: -1 };

  readPort(port: number, sizeBytes: number): number {
    this.state.reads++;
    this.state.lastPort = port;
    return allOnes(sizeBytes);
  }

  writePort(port: number, _sizeBytes: number, _value: number): void {
    this.state.writes++;
    this.state.lastPort = port;
  }
}
