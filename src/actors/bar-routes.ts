import { type Bar, decodedBars } from "../devices/pci/bars.ts";
import { type PciFunction, PciRegister } from "../devices/pci/function.ts";
import type { Routes } from "./routes.ts";

/** The spaces that windows are in. */
export type BarSpaces = Readonly<Record<Bar["kind"], Routes>>;

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
  readonly #spaces: BarSpaces;
  #held: Held<Function>[] = [];

  constructor(actor: string, functions: ReadonlyMap<Function, readonly Bar[]>, spaces: BarSpaces) {
    this.#actor = actor;
    this.#functions = functions;
    this.#spaces = spaces;
    for (const pci of functions.keys()) {
      // Parts of one function's windows may be with several actors.
      const others = pci.onWrite;
      pci.onWrite = (offset, sizeBytes) => {
        others(offset, sizeBytes);
        if (offset < PciRegister.bar0 + 24) this.#update();
      };
    }
    this.#update();
  }

  find(kind: Bar["kind"], address: number): BarHit<Function> | undefined {
    for (const { pci, bar, base } of this.#held)
      if (bar.kind === kind && address >= base && address < base + bar.sizeBytes)
        return { pci, bar, offset: address - base };
    return undefined;
  }

  #update(): void {
    for (const { bar, base } of this.#held) this.#spaces[bar.kind].release(base, bar.sizeBytes, this.#actor);
    this.#held = [];
    for (const [pci, bars] of this.#functions)
      for (const { bar, base } of decodedBars(pci, bars))
        if (this.#spaces[bar.kind].claim(base, bar.sizeBytes, this.#actor))
          this.#held.push({ pci, bar, base });
  }
}
