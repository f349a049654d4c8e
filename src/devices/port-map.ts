import type { PortDevice } from "./device.ts";

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

/** Who has which I/O port. The look-up is one read of a typed array, because every IN and OUT of the guest that exits comes through here. */
export class PortMap<Owner> {
  /** Index into `known` by port; 0 is who has what nobody claims. */
  readonly #owners = new Uint16Array(PORT_COUNT);
  readonly #known: Owner[];

  /** `others` has the ports that nobody claims. */
  constructor(others: Owner) {
    this.#known = [others];
  }

  ownerAt(port: number): Owner {
    return this.#known[this.#owners[port & 0xffff] as number] as Owner;
  }

  /** The first of these ports that is claimed, if one is. */
  claimedAmong(first: number, count: number): number | undefined {
    const at = this.#owners.subarray(first, first + count).findIndex((owner) => owner !== 0);
    return at < 0 ? undefined : first + at;
  }

  /** False, and nothing is changed, when one of them is claimed already. */
  claim(first: number, count: number, owner: Owner): boolean {
    if (this.claimedAmong(first, count) !== undefined) return false;
    const known = this.#known.indexOf(owner, 1);
    this.#owners.fill(known < 0 ? this.#known.push(owner) - 1 : known, first, first + count);
    return true;
  }

  /** Those of these ports that the owner has claimed are nobody's again. */
  release(first: number, count: number, owner: Owner): void {
    const index = this.#known.indexOf(owner, 1);
    for (let port = first; port < first + count; port++)
      if (this.#owners[port] === index) this.#owners[port] = 0;
  }
}

/**
 * Which device answers which port; `fallback` answers those that nobody claims.
 * @throws PortOverlapError, PortRangeError
 */
export function mapDevices(devices: Iterable<PortDevice>, fallback: PortDevice): PortMap<PortDevice> {
  const map = new PortMap(fallback);
  for (const device of devices)
    for (const { first, count } of device.ports) {
      const whole = Number.isInteger(first) && Number.isInteger(count);
      if (!whole || first < 0 || count < 1 || first + count > PORT_COUNT)
        throw new PortRangeError(device.name, first, count);
      const taken = map.claimedAmong(first, count);
      if (taken !== undefined) throw new PortOverlapError(taken, map.ownerAt(taken).name, device.name);
      map.claim(first, count, device);
    }
  return map;
}
