import { type Bar, decodedBars } from "../devices/pci/bars.ts";
import { type PciFunction, PciRegister } from "../devices/pci/function.ts";
import type { IoRoutes } from "./io-routes.ts";
import type { MmioRange, MmioRoutes } from "./mmio-routes.ts";

/** A function of the actor answers at an address. */
export interface BarHit<Function extends PciFunction> {
  readonly pci: Function;
  readonly bar: Bar;
  readonly offset: number;
}

interface Held<Function extends PciFunction> {
  readonly pci: Function;
  readonly bar: Bar;
  readonly base: number;
}

/**
 * The windows of one actor's PCI functions, routed to it as far as they are decoded at present. One that lies where another device is gets nothing, as long as
 * the other is there.
 */
export class BarRoutes<Function extends PciFunction> {
  readonly #actor: string;
  readonly #functions: ReadonlyMap<Function, readonly Bar[]>;
  readonly #io: IoRoutes;
  readonly #mmio: MmioRoutes;
  #held: Held<Function>[] = [];
  #ranges: MmioRange[] = [];

  constructor(
    actor: string,
    functions: ReadonlyMap<Function, readonly Bar[]>,
    routes: { io: IoRoutes; mmio: MmioRoutes },
  ) {
    this.#actor = actor;
    this.#functions = functions;
    this.#io = routes.io;
    this.#mmio = routes.mmio;
    for (const pci of functions.keys())
      pci.onWrite = (offset) => {
        if (offset < PciRegister.bar0 + 24) this.#update();
      };
    this.#update();
  }

  find(kind: Bar["kind"], address: number): BarHit<Function> | undefined {
    for (const { pci, bar, base } of this.#held)
      if (bar.kind === kind && address >= base && address < base + bar.sizeBytes)
        return { pci, bar, offset: address - base };
    return undefined;
  }

  #update(): void {
    for (const { bar, base } of this.#held)
      if (bar.kind === "io") this.#io.release(base, bar.sizeBytes, this.#actor);
    for (const range of this.#ranges) this.#mmio.remove(range);
    this.#held = [];
    this.#ranges = [];
    for (const [pci, bars] of this.#functions)
      for (const { bar, base } of decodedBars(pci, bars))
        if (this.#route(bar, base)) this.#held.push({ pci, bar, base });
  }

  #route(bar: Bar, base: number): boolean {
    if (bar.kind === "io") return this.#io.claim(base, bar.sizeBytes, this.#actor);
    const range = { first: base, sizeBytes: bar.sizeBytes, actor: this.#actor };
    if (!this.#mmio.isFree(range)) return false;
    this.#mmio.add(range);
    this.#ranges.push(range);
    return true;
  }
}
