import type { PortDevice } from "../devices/device.ts";
import { mapDevices, PortMap } from "../devices/port-map.ts";
import type { Routes } from "./routes.ts";

/** Which actor stands behind each I/O port. An access is one message, to the actor of its first port, whatever its width. */
export class IoRoutes implements Routes {
  readonly #map: PortMap<string>;

  /**
   * `behind` tells which actor serves which devices; `others` serves all ports that nobody claims.
   * @throws PortOverlapError, PortRangeError
   */
  constructor(
    behind: ReadonlyMap<string, readonly PortDevice[]>,
    others: { readonly actor: string; readonly device: PortDevice },
  ) {
    mapDevices([...behind.values()].flat(), others.device);
    this.#map = new PortMap(others.actor);
    for (const [actor, devices] of behind)
      for (const { ports } of devices)
        for (const { first, count } of ports) this.#map.claim(first, count, actor);
  }

  claim(first: number, count: number, actor: string): boolean {
    return this.#map.claim(first, count, actor);
  }

  release(first: number, count: number, actor: string): void {
    this.#map.release(first, count, actor);
  }

  actorAt(port: number): string {
    return this.#map.ownerAt(port);
  }
}
