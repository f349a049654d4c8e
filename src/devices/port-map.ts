import { type PortDevice, readAsBytes, writeAsBytes } from "./device.ts";

/** Size of the I/O port space of an IA-32 processor. */
export const PORT_COUNT = 0x10000;

/** Two devices claim one port. */
export class PortOverlapError extends Error {
  override readonly name = "PortOverlapError";
  readonly port: number;
  readonly first: string;
  readonly second: string;

  constructor(port: number, first: string, second: string) {
    super(
      `I/O port 0x${port.toString(16)} is claimed by "${first}" and by "${second}": give one of them another base port, or leave it out`,
    );
    this.port = port;
    this.first = first;
    this.second = second;
  }
}

/** A device claims ports that do not exist. */
export class PortRangeError extends Error {
  override readonly name = "PortRangeError";

  constructor(device: string, first: number, count: number) {
    super(
      `"${device}" claims ${count} I/O port(s) from 0x${first.toString(16)}: ports are whole numbers from 0 to 0xffff, and a range holds at least one`,
    );
  }
}

/**
 * Which device answers which I/O port. The look-up is one typed-array read, because every IN and OUT of the guest that
 * exits comes through here.
 *
 * An access that lies within one device goes to it whole. One that begins in one device and ends in another (or in
 * nothing) is split into byte cycles, each to its own device, as an ISA bus does.
 */
export class PortMap {
  /** Index into `devices` by port; 0 is the fallback. */
  private readonly owners = new Uint16Array(PORT_COUNT);
  private readonly devices: PortDevice[];

  /**
   * @param fallback answers the ports that nobody claims
   * @throws PortOverlapError, PortRangeError
   */
  constructor(devices: Iterable<PortDevice>, fallback: PortDevice) {
    this.devices = [fallback];
    for (const device of devices) this.add(device);
  }

  /** The device at `port`; the fallback when nobody claims it. */
  deviceAt(port: number): PortDevice {
    return this.devices[this.owners[port & 0xffff]!]!;
  }

  /** What an IN of `sizeBytes` (1, 2 or 4) from `port` gives, zero-extended. */
  read(port: number, sizeBytes: number): number {
    const device = this.deviceAt(port);
    if (this.isWithin(device, port, sizeBytes)) return device.readPort(port, sizeBytes);
    return readAsBytes(port, sizeBytes, (at) => this.deviceAt(at).readPort(at, 1));
  }

  /** An OUT of `sizeBytes` (1, 2 or 4) to `port`. */
  write(port: number, sizeBytes: number, value: number): void {
    const device = this.deviceAt(port);
    if (this.isWithin(device, port, sizeBytes)) device.writePort(port, sizeBytes, value);
    else writeAsBytes(port, sizeBytes, value, (at, byte) => this.deviceAt(at).writePort(at, 1, byte));
  }

  /** Every claimed range in the order of ports, for a table or a trace. */
  ranges(): { first: number; count: number; name: string }[] {
    return this.devices
      .slice(1)
      .flatMap((device) => device.ports.map(({ first, count }) => ({ first, count, name: device.name })))
      .sort((a, b) => a.first - b.first);
  }

  private add(device: PortDevice): void {
    const index = this.devices.push(device) - 1;
    for (const { first, count } of device.ports) {
      const whole = Number.isInteger(first) && Number.isInteger(count);
      if (!whole || first < 0 || count < 1 || first + count > PORT_COUNT) {
        throw new PortRangeError(device.name, first, count);
      }
      for (let port = first; port < first + count; port++) {
        const owner = this.owners[port]!;
        if (owner !== 0) throw new PortOverlapError(port, this.devices[owner]!.name, device.name);
        this.owners[port] = index;
      }
    }
  }

  private isWithin(device: PortDevice, port: number, sizeBytes: number): boolean {
    for (let index = 1; index < sizeBytes; index++) {
      if (this.deviceAt(port + index) !== device) return false;
    }
    return true;
  }
}
