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

  actorAt(port: number): string {
    return this.#actors[this.#owners[port & 0xffff] as number] as string;
  }
}
