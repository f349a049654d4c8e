import type { PortDevice } from "../devices/device.ts";
import { PORT_COUNT, PortMap } from "../devices/port-map.ts";

/** Which actor stands behind each I/O port: one read of a typed array for every IN and OUT. */
export class IoRoutes {
  /** The ports as they are claimed; for tables and traces. */
  readonly map: PortMap;
  readonly #owners = new Uint8Array(PORT_COUNT);
  readonly #actors: string[];

  /**
   * `behind` tells which actor serves which devices; `others` serves all ports that nobody claims.
   * An access is one message, to the device of its first port, whatever its width.
   * @throws PortOverlapError, PortRangeError
   */
  constructor(
    behind: ReadonlyMap<string, readonly PortDevice[]>,
    others: { readonly actor: string; readonly device: PortDevice },
  ) {
    this.map = new PortMap([...behind.values()].flat(), others.device);
    this.#actors = [others.actor];
    for (const [actor, devices] of behind) {
      const index = this.#actors.push(actor) - 1;
      for (const { ports } of devices)
        for (const { first, count } of ports) this.#owners.fill(index, first, first + count);
    }
  }

  /** From now on these ports are the actor's. False, and nothing is changed, when somebody has one of them already. */
  claim(first: number, count: number, actor: string): boolean {
    if (this.#owners.subarray(first, first + count).some((owner) => owner !== 0)) return false;
    const known = this.#actors.indexOf(actor);
    this.#owners.fill(known < 0 ? this.#actors.push(actor) - 1 : known, first, first + count);
    return true;
  }

  /** Those of these ports that the actor has claimed are nobody's again. */
  release(first: number, count: number, actor: string): void {
    const index = this.#actors.indexOf(actor);
    for (let port = first; port < first + count; port++)
      if (this.#owners[port] === index) this.#owners[port] = 0;
  }

  actorAt(port: number): string {
    return this.#actors[this.#owners[port & 0xffff] as number] as string;
  }
}
